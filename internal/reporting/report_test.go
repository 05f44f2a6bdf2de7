package reporting

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// In seconds.
const (
	day  = 24 * 60 * 60
	week = 7 * day
)

// told is one notification: when, in seconds from the start, and of what.
type told struct {
	At          int
	Value       int64
	Confirmable bool
}

// case of one observed number, in seconds.
type plan struct {
	rules      Rules
	sample     int
	attributes Attributes
	changes    []told // At and Value
	length     int
}

func drawPlan(t *rapid.T, length int) plan {
	period := func(name string) time.Duration {
		of := []int{0, 0, 1, 2, 3, 5, 10, 60, 600, 3600, 86400, 90000, 200000}
		return time.Duration(rapid.SampledFrom(of).Draw(t, name)) * time.Second
	}
	p := plan{
		rules: Rules{
			MinPeriod: period("pmin"), MaxPeriod: period("pmax"), MinEvaluation: period("epmin"), MaxEvaluation: period("epmax"),
			Confirmable: rapid.Bool().Draw(t, "con"),
		}.coherent(),
		sample: rapid.SampledFrom([]int{0, 0, 1, 7, 60, 3000}).Draw(t, "sample"),
		length: length,
	}
	for _, at := range []Attribute{GreaterThan, LessThan, Step} {
		if rapid.Bool().Draw(t, at.String()) {
			p.attributes = p.attributes.With(at, float64(rapid.IntRange(0, 10).Draw(t, "threshold")))
		}
	}
	at := 0
	for range rapid.IntRange(0, 60).Draw(t, "changes") {
		at += rapid.SampledFrom([]int{1, 1, 2, 3, 10, 59, 600, 5000, 80000}).Draw(t, "after")
		if at >= length {
			break
		}
		p.changes = append(p.changes, told{At: at, Value: int64(rapid.IntRange(-3, 13).Draw(t, "value"))})
	}
	return p
}

// naive goes through all seconds and asks at each what the attributes say. It knows
// nothing of instants to come.
func (p plan) naive() (out []told) {
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	every := p.sample
	if every > 0 {
		every = max(every, seconds(p.rules.MinEvaluation))
	}
	if most := seconds(p.rules.MaxEvaluation); most > 0 && (every == 0 || most < every) {
		every = most
	}
	shortest, longest, rest := seconds(p.rules.MinPeriod), seconds(p.rules.MaxPeriod), seconds(p.rules.MinEvaluation)
	var value, last int64
	var toldAt, confirmed, looked int
	var changed, worth bool
	changes := p.changes
	for now := 0; now <= p.length; now++ {
		for len(changes) > 0 && changes[0].At == now {
			value, changes = changes[0].Value, changes[1:]
			changed = changed || p.sample == 0
		}
		if !worth && (changed && now-looked >= rest || every > 0 && now-looked >= every) {
			looked, changed = now, false
			worth = p.worth(last, value)
		}
		silent := now - toldAt
		if silent >= shortest && (worth || longest > 0 && silent >= longest || now-confirmed >= day) {
			con := p.rules.Confirmable || now-confirmed >= day
			out = append(out, told{now, value, con})
			last, toldAt, looked, changed, worth = value, now, now, false, false
			if con {
				confirmed = now
			}
		}
	}
	return out
}

func (p plan) worth(last, value int64) bool {
	gt, hasGT := p.attributes.Get(GreaterThan)
	lt, hasLT := p.attributes.Get(LessThan)
	st, hasST := p.attributes.Get(Step)
	switch {
	case last == value:
		return false
	case !hasGT && !hasLT && !hasST:
		return true
	}
	between := func(low, high, x float64) bool { return low <= x && x < high }
	low, high := float64(min(last, value)), float64(max(last, value))
	return hasGT && between(low, high, gt) || hasLT && between(-high, -low, -lt) || hasST && high-low >= st
}

// run drives a Report as an actor does: by its timer and by what changes.
func (p plan) run(t *rapid.T) (out []told) {
	r := Report{Rules: p.rules, Sample: time.Duration(p.sample) * time.Second}
	var value int64
	nodes := func() []lwm2m.Node { return []lwm2m.Node{valuetest.Node("/9/0/1", lwm2m.Integer(value))} }
	r.Told(start, nodes(), true)
	steps := 0
	act := func(now time.Time) {
		for {
			if steps++; steps > 10*p.length {
				t.Fatal("it never rests")
			}
			switch r.Do(now) {
			case Wait:
				if !r.Next().After(now) {
					t.Fatalf("waits for %v at %v", r.Next(), now)
				}
				return
			case Look:
				r.Looked(now, nodes(), func(lwm2m.Path) Attributes { return p.attributes })
			case Tell:
				con := r.Confirmable(now)
				r.Told(now, nodes(), con)
				out = append(out, told{int(now.Sub(start) / time.Second), value, con})
			}
		}
	}
	end := start.Add(time.Duration(p.length) * time.Second)
	until := func(at time.Time) {
		for next := r.Next(); next.Before(at); next = r.Next() {
			act(next)
		}
	}
	for _, c := range p.changes {
		at := start.Add(time.Duration(c.At) * time.Second)
		until(at)
		value = c.Value
		if p.sample == 0 {
			r.Changed()
		}
		act(at)
	}
	until(end.Add(time.Second))
	return out
}

// Whatever the attributes and the changes, for a week: the instants are those of a
// model that looks every second, and the values too.
func TestReportsExactlyForAWeek(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, rapid.SampledFrom([]int{day / 4, day / 2, day, week}).Draw(t, "length"))
		if got, want := p.run(t), p.naive(); !slices.Equal(got, want) {
			t.Fatalf("%+v\ngot  %v\nwant %v", p, first(got, want), first(want, got))
		}
	})
}

// first returns what is around the first difference.
func first(of, other []told) []told {
	i := 0
	for i < len(of) && i < len(other) && of[i] == other[i] {
		i++
	}
	return of[max(i-2, 0):min(i+3, len(of))]
}

func TestPeriods(t *testing.T) {
	s := time.Second
	never := func(lwm2m.Path) Attributes { return Attributes{} }
	var r Report
	r.Rules = Rules{MinPeriod: 10 * s, MaxPeriod: 60 * s}
	value := func(i int64) []lwm2m.Node { return []lwm2m.Node{valuetest.Node("/9/0/1", lwm2m.Integer(i))} }
	r.Told(start, value(1), true)
	if r.Next() != start.Add(60*s) || r.Do(start.Add(60*s-1)) != Wait || r.Do(start.Add(60*s)) != Tell {
		t.Errorf("pmax: %v", r.Next())
	}
	r.Changed()
	if r.Do(start.Add(3*s)) != Look {
		t.Error("a change is not looked at")
	}
	r.Looked(start.Add(3*s), value(2), never)
	r.Looked(start.Add(4*s), value(1), never) // back again: it has changed all the same
	if r.Next() != start.Add(10*s) || r.Do(start.Add(10*s-1)) != Wait || r.Do(start.Add(10*s)) != Tell {
		t.Errorf("pmin: %v", r.Next())
	}
	r.Told(start.Add(10*s), value(1), false)
	if r.Next() != start.Add(70*s) {
		t.Errorf("pmax from the last notification: %v", r.Next())
	}
	r.Urge()
	if r.Next() != start.Add(20*s) {
		t.Errorf("urged: %v", r.Next())
	}
}

// Where every value is confirmed to arrive, the day that has passed is no reason to tell one
// again; a longest period is.
func TestCertain(t *testing.T) {
	value := []lwm2m.Node{valuetest.Node("/5/0/3", lwm2m.Integer(1))}
	r := Report{Certain: true}
	r.Told(start, value, true)
	later := start.Add(400 * 24 * time.Hour)
	if r.Do(later) != Wait || r.Confirmable(later) {
		t.Errorf("is to be told at %v", r.Next())
	}
	r.Rules.MaxPeriod = time.Hour
	if r.Next() != start.Add(time.Hour) {
		t.Errorf("pmax: %v", r.Next())
	}
}

func TestRulesOf(t *testing.T) {
	s := time.Second
	defaults := Defaults{MinPeriod: 2 * s, MaxPeriod: 5 * s, Confirmable: true}
	for _, c := range []struct {
		query []string
		with  Defaults
		want  Rules
	}{
		{nil, Defaults{}, Rules{}},
		{nil, Defaults{MinPeriod: -1, MaxPeriod: -1}, Rules{}},
		{nil, defaults, Rules{MinPeriod: 2 * s, MaxPeriod: 5 * s, Confirmable: true}},
		{[]string{"pmin=0", "con=0"}, defaults, Rules{MaxPeriod: 5 * s}},
		{[]string{"pmin=5"}, defaults, Rules{MinPeriod: 5 * s, MaxPeriod: 5 * s, Confirmable: true}},
		{[]string{"pmin=6"}, defaults, Rules{MinPeriod: 6 * s, Confirmable: true}}, // pmax of another level is ignored
		{[]string{"pmax=0"}, defaults, Rules{MinPeriod: 2 * s, Confirmable: true}},
		{[]string{"pmax=0"}, Defaults{}, Rules{}},
		{[]string{"epmin=3", "epmax=2", "con=1"}, Defaults{}, Rules{MinEvaluation: 3 * s, Confirmable: true}},
		{[]string{"epmin=3", "epmax=4"}, Defaults{}, Rules{MinEvaluation: 3 * s, MaxEvaluation: 4 * s}},
		{[]string{"pmin=4294967295"}, Defaults{}, Rules{MinPeriod: math.MaxUint32 * s}},
	} {
		if got := RulesOf(set(t, c.query...), c.with); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.query, got, c.want)
		}
	}
	one := Rules{MinPeriod: 1 * s, MaxPeriod: 9 * s, MaxEvaluation: 4 * s}
	two := Rules{MinPeriod: 3 * s, MaxPeriod: 7 * s, MinEvaluation: 2 * s, Confirmable: true}
	want := Rules{MinPeriod: 3 * s, MaxPeriod: 7 * s, MinEvaluation: 2 * s, MaxEvaluation: 4 * s, Confirmable: true}
	if got := one.Join(two); got != want || two.Join(one) != want {
		t.Errorf("joined: %+v", got)
	}
	if got := (Rules{MinPeriod: 8 * s}).Join(two); got.MaxPeriod != 0 {
		t.Errorf("joined in contradiction: %+v", got)
	}
}

// Thresholds count for the resource that has them, wherever it is observed.
func TestDiffer(t *testing.T) {
	var table Table
	if err := table.Put(valuetest.Path("/9/0/1"), Attributes{}.With(GreaterThan, 30).With(LessThan, 10).With(Step, 5)); err != nil {
		t.Fatal(err)
	}
	with := func(v lwm2m.Value, text string) []lwm2m.Node {
		return []lwm2m.Node{valuetest.Node("/9/0/1", v), valuetest.Node("/9/0/2", lwm2m.String(text))}
	}
	f := func(f float64) []lwm2m.Node { return with(lwm2m.Float(f), "a") }
	for _, c := range []struct {
		name       string
		told, now  []lwm2m.Node
		thresholds bool
		want       bool
	}{
		{"nothing", f(20), f(20), true, false},
		{"less than a step", f(20), f(24.9), true, false},
		{"less than a step, without thresholds", f(20), f(24.9), false, true},
		{"a step", f(20), f(25), true, true},
		{"a step down", f(20), f(15), true, true},
		{"from no end to the other", f(math.Inf(-1)), f(math.Inf(1)), true, true},
		{"from without end", f(math.Inf(1)), f(31), true, true},
		{"above gt", f(29), f(30.5), true, true},
		{"at gt", f(29), f(30), true, false},
		{"back to gt", f(30.5), f(30), true, true},
		{"below lt", f(10), f(9), true, true},
		{"at lt from above", f(11), f(10), true, false},
		{"back to lt", f(9), f(10), true, true},
		{"another resource", f(20), with(lwm2m.Float(20), "b"), true, true},
		{"no number any more", f(20), f(math.NaN()), true, true},
		{"still no number", f(math.NaN()), f(math.NaN()), true, false},
		{"of another kind", f(20), with(lwm2m.Integer(21), "a"), true, true},
		{"one less", f(20), f(20)[:1], true, true},
		{"another one", f(20), []lwm2m.Node{f(20)[0], valuetest.Node("/9/0/3", lwm2m.String("a"))}, true, true},
	} {
		thresholds := table.Thresholds()
		if !c.thresholds {
			thresholds = nil
		}
		if got := Differ(c.told, c.now, thresholds); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// Nor do thresholds: a number is compared with them as big.Float would.
func TestThresholdsOfAnyNumber(t *testing.T) {
	exact := func(v lwm2m.Value) *big.Float {
		f := new(big.Float).SetPrec(200)
		switch v.Kind() {
		case lwm2m.KindInteger:
			return f.SetInt64(v.Int())
		case lwm2m.KindUnsigned:
			return f.SetUint64(v.Uint())
		}
		return f.SetFloat64(v.Float64())
	}
	thresholds := []float64{
		0, 0.5, -0.5, 1, -1, 1 << 53, 1<<53 + 2, -(1 << 53), 1 << 62, 1 << 63, -(1 << 63), 1 << 64, 1<<64 - 2048, 1 << 65, -(1 << 65),
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64,
	}
	integers := []int64{0, 1, -1, 1<<53 - 1, 1 << 53, 1<<53 + 1, -(1 << 53) - 1, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1}
	for _, threshold := range thresholds {
		var values []lwm2m.Value
		for _, i := range integers {
			values = append(values, lwm2m.Integer(i), lwm2m.Unsigned(uint64(i)), lwm2m.Float(float64(i)))
		}
		for _, v := range append(values, lwm2m.Float(math.Inf(1)), lwm2m.Float(math.Inf(-1))) {
			if got, want := compare(v, threshold), exact(v).Cmp(big.NewFloat(threshold)); got != want {
				t.Errorf("%v %v against %v: %d, want %d", v.Kind(), v, threshold, got, want)
			}
		}
	}
	gt := Attributes{}.With(GreaterThan, 1<<53)
	if !gt.worth(lwm2m.Integer(1<<53), lwm2m.Integer(1<<53+1)) {
		t.Error("a counter has crossed the threshold")
	}
}

// A step is one in decimals: their floats are a little closer or farther.
func TestDecimalSteps(t *testing.T) {
	step := Attributes{}.With(Step, 0.1)
	for tenths := range 1000 {
		was, is := lwm2m.Float(float64(tenths-500)/10), lwm2m.Float(float64(tenths-499)/10)
		if !step.worth(was, is) || !step.worth(is, was) {
			t.Errorf("%v to %v is no step", was, is)
		}
	}
	if step.worth(lwm2m.Float(20.1), lwm2m.Float(20.1999999)) {
		t.Error("what is less is a step")
	}
}

// Steps of large integers do not get lost in floats.
func TestStepsOfLargeIntegers(t *testing.T) {
	step := Attributes{}.With(Step, 3)
	for _, c := range []struct {
		told, now lwm2m.Value
		want      bool
	}{
		{lwm2m.Integer(1 << 60), lwm2m.Integer(1<<60 + 3), true},
		{lwm2m.Integer(1 << 60), lwm2m.Integer(1<<60 + 2), false},
		{lwm2m.Integer(math.MinInt64), lwm2m.Integer(math.MaxInt64), true},
		{lwm2m.Unsigned(math.MaxUint64), lwm2m.Unsigned(math.MaxUint64 - 3), true},
		{lwm2m.Unsigned(math.MaxUint64), lwm2m.Unsigned(math.MaxUint64 - 2), false},
	} {
		if got := step.worth(c.told, c.now); got != c.want {
			t.Errorf("%v to %v: %t", c.told, c.now, got)
		}
	}
}
