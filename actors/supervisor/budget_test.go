package supervisor

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epochStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// crowded returns the first instants that share a window with too many.
func crowded(instants []time.Time) []time.Time {
	for _, w := range windows {
		for i := range max(0, len(instants)-w.most) {
			if group := instants[i : i+w.most+1]; group[w.most].Sub(group[0]) < w.span {
				return group
			}
		}
	}
	return nil
}

// greedy books n attempts that all want to begin at once.
func greedy(n int) []time.Duration {
	var p Plan
	var at []time.Duration
	for range n {
		t := p.Earliest(epochStart)
		p, at = p.With(t), append(at, t.Sub(epochStart))
	}
	return at
}

// Ten at once, ten after ten seconds and so on: sixty in ten minutes.
func TestPlanFillsBothWindows(t *testing.T) {
	at := greedy(130)
	for i, want := range map[int]time.Duration{
		0: 0, 9: 0, 10: 10 * time.Second, 19: 10 * time.Second, 20: 20 * time.Second, 59: 50 * time.Second,
		60: 10 * time.Minute, 69: 10 * time.Minute, 70: 10*time.Minute + 10*time.Second,
		119: 10*time.Minute + 50*time.Second, 120: 20 * time.Minute,
	} {
		if at[i] != want {
			t.Errorf("attempt %d at %v, want %v", i+1, at[i], want)
		}
	}
}

// A later booking neither moves earlier ones nor fits in between too tightly.
func TestPlanKeepsWhatIsBooked(t *testing.T) {
	var p Plan
	for range 10 {
		p = p.With(epochStart.Add(15 * time.Second))
	}
	for wanted, want := range map[time.Duration]time.Duration{
		0: 0, 5 * time.Second: 5 * time.Second, // ten seconds before: no span holds eleven
		5*time.Second + 1: 25 * time.Second, 15 * time.Second: 25 * time.Second, 24 * time.Second: 25 * time.Second,
		25 * time.Second: 25 * time.Second, time.Hour: time.Hour,
	} {
		if got := p.Earliest(epochStart.Add(wanted)).Sub(epochStart); got != want {
			t.Errorf("wanted %v, got %v, want %v", wanted, got, want)
		}
	}
}

// A success frees the attempts at that server, and nothing else.
func TestBudgetIsGivenBackByItsServer(t *testing.T) {
	var b Budget
	for i := range 10 {
		b.Begin(epochStart, []string{"coap://a", "coap://b"}[i%2])
	}
	if got := b.Plan(nil).Earliest(epochStart); got != epochStart.Add(10*time.Second) {
		t.Fatalf("earliest %v", got)
	}
	b.Succeeded("coap://c")
	if len(b.begun) != 10 {
		t.Fatalf("%d count", len(b.begun))
	}
	b.Succeeded("coap://a")
	if got := b.Plan(nil); len(got) != 5 || got.Earliest(epochStart) != epochStart {
		t.Fatalf("%v", got)
	}
}

// A suspend counts as time that has passed.
func TestBudgetAfterASuspend(t *testing.T) {
	var b Budget
	for range 10 {
		b.Begin(epochStart, "coap://a")
	}
	b.Slept(4 * time.Second)
	if got := b.Plan(nil).Earliest(epochStart); got != epochStart.Add(6*time.Second) {
		t.Fatalf("earliest %v", got)
	}
}

// What is older than the longest window is forgotten.
func TestBudgetIsBounded(t *testing.T) {
	var b Budget
	now := epochStart
	for range 1000 {
		now = b.Plan(nil).Earliest(now)
		b.Begin(now, "coap://a")
	}
	if len(b.begun) > 60 {
		t.Fatalf("%d are remembered", len(b.begun))
	}
}

// Whatever is asked for, in whatever order: no window is overfilled, no attempt
// begins earlier than asked, and none waits although there is room.
func TestPlanNeverCrowdsAWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Plan
		ms := rapid.Int64Range(0, 30*60*1000)
		for range rapid.SampledFrom([]int{5, 50, 150, 300}).Draw(t, "attempts") {
			wanted := epochStart.Add(time.Duration(ms.Draw(t, "wanted ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "early") {
				wanted = epochStart.Add(wanted.Sub(epochStart) % (20 * time.Second))
			}
			at := p.Earliest(wanted)
			if at.Before(wanted) {
				t.Fatalf("%v before %v", at, wanted)
			}
			if early := at.Add(-1); !early.Before(wanted) && crowded(slices.Clone(p).With(early)) == nil {
				t.Fatalf("there was room a nanosecond before %v", at)
			}
			p = p.With(at)
			if group := crowded(p); group != nil {
				t.Fatalf("too many: %v", group)
			}
		}
	})
}
