package senml

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func sample(at time.Time, nodes ...lwm2m.Node) lwm2m.Sample {
	return lwm2m.Sample{At: at, Payload: lwm2m.Payload{Nodes: nodes}}
}

func TestEncodeSamples(t *testing.T) {
	warm, cold := node("/3303/0/5700", lwm2m.Float(21.5)), node("/3303/0/5700", lwm2m.Float(-4))
	for _, tc := range []struct {
		target  string
		samples []lwm2m.Sample
		want    string
	}{
		{"/3303/0/5700", []lwm2m.Sample{sample(noon, warm), sample(noon.Add(time.Minute), cold)},
			`[{"bt":1767355200,"bn":"/3303/0/5700","v":21.5},{"bt":1767355260,"v":-4}]`},
		{"/", []lwm2m.Sample{sample(noon.Add(1500*time.Millisecond), warm, node("/3/0/9", lwm2m.Integer(80))), sample(time.Time{}, cold)},
			`[{"bt":1767355201.5,"bn":"/","n":"3303/0/5700","v":21.5},{"n":"3/0/9","v":80},{"bt":0,"n":"3303/0/5700","v":-4}]`},
		{"/", []lwm2m.Sample{sample(time.Time{}, warm), sample(noon), sample(noon, cold)},
			`[{"bn":"/","n":"3303/0/5700","v":21.5},{"bt":1767355200,"n":"3303/0/5700","v":-4}]`},
		{"/", []lwm2m.Sample{sample(noon.Add(1234567*time.Nanosecond), warm)}, `[{"bt":1767355200.001,"bn":"/","n":"3303/0/5700","v":21.5}]`},
		{"/", []lwm2m.Sample{sample(time.Unix(1<<28, 0), warm)}, `[{"bt":268435456,"bn":"/","n":"3303/0/5700","v":21.5}]`},
		{"/", nil, `[]`},
	} {
		if got, err := JSON.EncodeSamples(path(tc.target), tc.samples); err != nil || string(got) != tc.want {
			t.Errorf("%s, %v, want %s", got, err, tc.want)
		}
	}
	got, err := CBOR.EncodeSamples(path("/3303/0/5700"), []lwm2m.Sample{sample(noon, warm), sample(noon.Add(time.Second/2), cold)})
	want := unhex(t, "82 a3 22 1a 6957b340 21 6c 2f333330332f302f35373030 02 fa 41ac0000"+
		"a2 22 fb 41da55ecd0200000 02 fa c0800000")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%x, %v", got, err)
	}
}

func TestEncodeSamplesRefuses(t *testing.T) {
	one := node("/3/0/9", lwm2m.Integer(1))
	for name, samples := range map[string][]lwm2m.Sample{
		"a time before 1978":              {sample(time.Unix(1<<28-1, 0), one)},
		"a time before 1970":              {sample(time.Unix(-5, 0), one)},
		"a time after 9999":               {sample(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), one)},
		"a node outside":                  {sample(noon, node("/3/1/9", lwm2m.Integer(1)))},
		"no value":                        {sample(noon, node("/3/0/9", lwm2m.Value{}))},
		"NaN":                             {sample(noon, node("/3/0/9", lwm2m.Float(math.NaN())))},
		"one value, then instances":       {sample(noon, one), sample(noon.Add(1e9), node("/3/0/9/1", lwm2m.Integer(1)))},
		"instances, then one value":       {sample(noon, node("/3/0/9/1", lwm2m.Integer(1))), sample(noon.Add(1e9), one)},
		"one value and instances at once": {sample(noon, one, node("/3/0/9/1", lwm2m.Integer(1)))},
	} {
		target := path("/3/0/9")
		var ee *lwm2m.EncodeError
		if got, err := JSON.EncodeSamples(target, samples); !errors.As(err, &ee) || ee.Format != "senml+json" {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// The examples of RFC 8428 section 5.1.2, with paths for names and without the units'
// changes.
func TestPublishedSeries(t *testing.T) {
	in := `[{"bn":"/3303/0/","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"5701","u":"V","v":120.1},
		{"n":"5700","t":-5,"v":1.2},{"n":"5700","t":-4,"v":1.3},{"n":"5700","t":-3,"v":1.4},
		{"n":"5700","t":-2,"v":1.5},{"n":"5700","t":-1,"v":1.6},{"n":"5700","v":1.7}]`
	got, err := JSON.DecodeSamples(path("/3303"), []byte(in), noon, nil, lwm2m.Limits{})
	if err != nil || len(got) != 6 {
		t.Fatalf("%v, %v", got, err)
	}
	base := time.Unix(1276020076, 1e6).UTC()
	for i, want := range []struct {
		at     time.Duration
		values []float64
	}{{0, []float64{120.1, 1.7}}, {-5, []float64{1.2}}, {-4, []float64{1.3}}, {-3, []float64{1.4}}, {-2, []float64{1.5}}, {-1, []float64{1.6}}} {
		if !got[i].At.Equal(base.Add(want.at * time.Second)) {
			t.Errorf("sample %d at %v", i, got[i].At)
		}
		for j, n := range got[i].Payload.Nodes {
			if n.Value != lwm2m.Float(want.values[j]) {
				t.Errorf("sample %d: %v", i, got[i].Payload.Nodes)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]time.Time{
		`"v":1`:                              {},
		`"t":0,"v":1`:                        {},
		`"bt":1767355200,"v":1`:              noon,
		`"bt":1767355200,"t":-60,"v":1`:      noon.Add(-time.Minute),
		`"bt":1767355200,"t":0.25,"v":1`:     noon.Add(250 * time.Millisecond),
		`"t":1767355200.123,"v":1`:           noon.Add(123 * time.Millisecond),
		`"t":-10,"v":1`:                      noon.Add(-10 * time.Second),
		`"bt":-10,"t":-0.5,"v":1`:            noon.Add(-10*time.Second - 500*time.Millisecond),
		`"t":268435455,"v":1`:                noon.Add((1<<28 - 1) * time.Second),
		`"t":268435456,"v":1`:                time.Unix(1<<28, 0),
		`"t":253402300799,"ut":5,"v":1`:      time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		`"bt":1.7673552e9,"bver":10,"v":1.0`: noon,
	} {
		got, err := JSON.DecodeSamples(lwm2m.Path{}, []byte(`[{"n":"/3/0/9",`+in+`}]`), noon, testRegistry(), lwm2m.Limits{})
		if err != nil || len(got) != 1 || !got[0].At.Equal(want) || got[0].Payload.Nodes[0] != node("/3/0/9", lwm2m.Integer(1)) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
}

func TestDecodeSamplesRefuses(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		`[{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":2}]`:                   lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/9","t":5,"v":1},{"n":"/3/0/9","bt":5,"v":2}]`:      lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/9","t":1e300,"v":1}]`:                              lwm2m.ReasonValue,
		`[{"n":"/3/0/9","t":-1e11,"v":1}]`:                              lwm2m.ReasonValue,
		`[{"n":"/3/0/9","t":253402300800,"v":1}]`:                       lwm2m.ReasonValue,
		`[{"n":"/3/0/9","bt":1.7e308,"t":1.7e308,"v":1}]`:               lwm2m.ReasonValue,
		`[{"n":"/3/0/9","t":"now","v":1}]`:                              lwm2m.ReasonValue,
		`[{"n":"/3/0/9","t":null,"v":1}]`:                               lwm2m.ReasonValue,
		`[{"n":"/3/0/6/0","v":null}]`:                                   lwm2m.ReasonValue,
		`[{"n":"/3/0/9"}]`:                                              lwm2m.ReasonStructure,
		`[{"n":"x","v":1}]`:                                             lwm2m.ReasonPath,
		`[` + strings.Repeat(`{"n":"/3/0/9","v":1},`, 9) + `{"n":"/"}]`: lwm2m.ReasonLimit,
	} {
		got, err := JSON.DecodeSamples(lwm2m.Path{}, []byte(in), noon, testRegistry(), lwm2m.Limits{Nodes: 9})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != want && want != lwm2m.ReasonLimit || got != nil {
			t.Errorf("%s: %v, %v, want %q", in, got, err, want)
		}
	}
	for _, hex := range []string{"81 a3 00 66 2f332f302f39 06 f9 7e00 02 01", "81 a3 00 66 2f332f302f39 06 f9 7c00 02 01"} {
		var de *lwm2m.DecodeError
		if got, err := CBOR.DecodeSamples(lwm2m.Path{}, unhex(t, hex), noon, testRegistry(), lwm2m.Limits{}); !errors.As(err, &de) || de.Reason != lwm2m.ReasonValue {
			t.Errorf("%s: %v, %v", hex, got, err)
		}
	}
}

// Samples of any times and values come back, to the millisecond.
func TestSamplesRoundTrip(t *testing.T) {
	reg := testRegistry()
	rapid.Check(t, func(t *rapid.T) {
		var want []lwm2m.Sample
		seen := make(map[int64]bool)
		for range rapid.IntRange(0, 6).Draw(t, "samples") {
			ms := rapid.Int64Range((1<<28)*1000, 253402300799000).Draw(t, "time")
			if seen[ms] {
				continue
			}
			seen[ms] = true
			payload, _ := drawTree(t).Payload(lwm2m.Path{})
			want = append(want, lwm2m.Sample{At: time.UnixMilli(ms), Payload: payload})
		}
		f := rapid.SampledFrom([]Format{JSON, CBOR}).Draw(t, "format")
		b, err := f.EncodeSamples(lwm2m.Path{}, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.DecodeSamples(lwm2m.Path{}, b, noon, reg, lwm2m.Limits{Bytes: 1 << 20})
		if err != nil || !slices.EqualFunc(got, want, sameSample) {
			t.Fatalf("%v became %v, %v", want, got, err)
		}
	})
}

func sameSample(a, b lwm2m.Sample) bool {
	return a.At.Equal(b.At) && slices.Equal(a.Payload.Nodes, b.Payload.Nodes)
}

// Whatever arrives, the decoder returns a typed error, or samples of times that are all
// different.
func FuzzDecodeSamples(f *testing.F) {
	for _, seed := range []string{
		`[{"n":"/3/0/9","bt":1.7e9,"t":-5,"v":1},{"n":"/3/0/9","v":2},{"n":"/3/0/9","bt":0,"v":2}]`,
		string(unhex(f, "81 a3 00 66 2f332f302f39 22 1a 6957ae40 02 01")), `[{"n":"/3/0/9","t":1e400,"v":1}]`,
	} {
		f.Add(seed[0] != '[', []byte(seed))
	}
	reg := valuetest.Registry()
	f.Fuzz(func(t *testing.T, inCBOR bool, data []byte) {
		format := JSON
		if inCBOR {
			format = CBOR
		}
		samples, err := format.DecodeSamples(lwm2m.Path{}, data, noon, reg, lwm2m.Limits{})
		if !typed(t, err) {
			return
		}
		for _, s := range samples {
			if len(s.Payload.Nodes) == 0 || s.At.Year() > 9999 {
				t.Fatalf("%v", s)
			}
		}
	})
}
