package linkformat

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

func TestParse(t *testing.T) {
	for in, want := range map[string][]Link{
		"":       nil,
		"</5>":   {{Target: "/5"}},
		"</>;x":  {{Target: "/", Attributes: []Attribute{{Name: "x"}}}},
		"<>":     {{Target: ""}},
		"</a,b>": {{Target: "/a,b"}},
		`</>;ct="60 112";rt="oma.lwm2m",</3>;ver=1.1,</3/0>`: {
			{Target: "/", Attributes: []Attribute{{"ct", "60 112"}, {"rt", "oma.lwm2m"}}},
			{Target: "/3", Attributes: []Attribute{{"ver", "1.1"}}},
			{Target: "/3/0"},
		},
		`</1>;a="x,y;\"\\" , </2> ; b = 1`: nil, // blanks around = are not tolerated
		`</1>;a="x,y;\"\\" ,	</2> ; b=1;c`: {
			{Target: "/1", Attributes: []Attribute{{"a", `x,y;"\`}}},
			{Target: "/2", Attributes: []Attribute{{"b", "1"}, {"c", ""}}},
		},
		`</3>;title*=UTF-8''%c3%a9;e="";u=a<b>c`: {
			{Target: "/3", Attributes: []Attribute{{"title*", "UTF-8''%c3%a9"}, {"e", ""}, {"u", "a<b>c"}}},
		},
	} {
		got, err := Parse([]byte(in))
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (in != "" && want == nil) {
			t.Errorf("%s: %v %s", in, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		"5":            lwm2m.ReasonSyntax,
		",":            lwm2m.ReasonSyntax,
		" </5>":        lwm2m.ReasonSyntax,
		"</5>,":        lwm2m.ReasonSyntax,
		"</5>,,</6>":   lwm2m.ReasonSyntax,
		"</5></6>":     lwm2m.ReasonSyntax,
		"</5>;":        lwm2m.ReasonSyntax,
		"</5>;=1":      lwm2m.ReasonSyntax,
		"</5>;a=":      lwm2m.ReasonSyntax,
		"</5>;a=,</6>": lwm2m.ReasonSyntax,
		"</5>;a=é":     lwm2m.ReasonSyntax,
		`</5>;a="x"y`:  lwm2m.ReasonSyntax,
		"</5 >":        lwm2m.ReasonSyntax,
		"</5\n>":       lwm2m.ReasonSyntax,
		"<</5>":        lwm2m.ReasonSyntax,
		"\xff":         lwm2m.ReasonSyntax,
		"</5":          lwm2m.ReasonTruncated,
		`</5>;a="x`:    lwm2m.ReasonTruncated,
		`</5>;a="x\`:   lwm2m.ReasonTruncated,
		`</5>;a="x\"`:  lwm2m.ReasonTruncated,
		"</5>" + strings.Repeat(";a", maxAttributes+1): lwm2m.ReasonLimit,
	} {
		links, err := Parse([]byte(in))
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != want || links != nil {
			t.Errorf("%.30q: %v, %v; want %q", in, links, err, want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	in := []byte("</1>,</2>,</3>")
	for _, tc := range []struct {
		limits lwm2m.Limits
		ok     bool
	}{
		{lwm2m.Limits{Bytes: len(in), Nodes: 3}, true},
		{lwm2m.Limits{Bytes: len(in) - 1}, false},
		{lwm2m.Limits{Nodes: 2}, false},
	} {
		_, err := ParseLimited(in, tc.limits)
		var de *lwm2m.DecodeError
		if tc.ok != (err == nil) || (!tc.ok && (!errors.As(err, &de) || de.Reason != lwm2m.ReasonLimit)) {
			t.Errorf("%+v: %v", tc.limits, err)
		}
	}
}

func TestParseRegistration(t *testing.T) {
	for in, want := range map[string]Registration{
		"": {},
		`</>;rt="oma.lwm2m";ct=11543,</1/0>,</3/0>,</5>`: {
			Formats: []uint16{11543},
			Objects: []ObjectLink{{ID: 1, Instances: []uint16{0}}, {ID: 3, Instances: []uint16{0}}, {ID: 5}},
		},
		`</>;ct="60 112",</3/5>,</3>;ver=1.1,</3/0>,</3/5>,</1/0>`: {
			Formats: []uint16{60, 112},
			Objects: []ObjectLink{{ID: 1, Instances: []uint16{0}}, {ID: 3, Version: "1.1", Instances: []uint16{0, 5}}},
		},
		`</lwm2m>;rt="core.x oma.lwm2m";ct=112,</lwm2m/3/0>,</other>`: {
			Root: "/lwm2m", Formats: []uint16{112}, Objects: []ObjectLink{{ID: 3, Instances: []uint16{0}}},
		},
		`</lwm2m>;rt="oma.lwm2m",</lwm2m2/4/0>,</lwm2m/3/0>,</lwm2mx>`: {
			Root: "/lwm2m", Objects: []ObjectLink{{ID: 3, Instances: []uint16{0}}},
		},
	} {
		got, err := ParseRegistration([]byte(in), lwm2m.Limits{})
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v %s", in, err, diff)
		}
	}
}

func TestParseRegistrationRefuses(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		"</3/0":          lwm2m.ReasonTruncated,
		"</3/x>":         lwm2m.ReasonPath,
		"</65535>":       lwm2m.ReasonPath,
		"</3/..>":        lwm2m.ReasonPath,
		"<coap://h/3>":   lwm2m.ReasonPath,
		"</3/0/1>":       lwm2m.ReasonStructure,
		"</3>;ver=1":     lwm2m.ReasonValue,
		`</>;ct="60 x"`:  lwm2m.ReasonValue,
		"</>;ct=65536":   lwm2m.ReasonValue,
		`</>;ct="-1"`:    lwm2m.ReasonValue,
		"</3>;ver=a.b":   lwm2m.ReasonValue,
		"</3>;ver=1.1.1": lwm2m.ReasonValue,
	} {
		_, err := ParseRegistration([]byte(in), lwm2m.Limits{})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != want {
			t.Errorf("%s: %v; want %q", in, err, want)
		}
	}
}

func TestRegistrationRoundTrip(t *testing.T) {
	version := rapid.SampledFrom([]string{"", "1.0", "1.1", "12.34"})
	rapid.Check(t, func(t *rapid.T) {
		want := Registration{Formats: rapid.SliceOfN(rapid.Uint16(), 0, 5).Draw(t, "formats")}
		ids := rapid.SliceOfNDistinct(rapid.Uint16Range(24, lwm2m.MaxID-1), 0, 8, rapid.ID[uint16]).Draw(t, "objects")
		slices.Sort(ids)
		for _, id := range ids {
			instances := rapid.SliceOfNDistinct(rapid.Uint16Max(lwm2m.MaxID-1), 0, 4, rapid.ID[uint16]).Draw(t, "instances")
			slices.Sort(instances)
			want.Objects = append(want.Objects, ObjectLink{ID: id, Version: version.Draw(t, "version"), Instances: instances})
		}
		want.LwM2M = rapid.SampledFrom([]string{"1.0", "1.1", "1.2"}).Draw(t, "enabler")
		b, err := EncodeRegister(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRegistration(b, lwm2m.Limits{})
		want.LwM2M = ""
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%s: %v %s", b, err, diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "</5>", `</>;ct="60 112",</3>;ver=1.1,</3/0>`, `</1>;a="\"`, "</3/..>;%2e", `lwm2m="1.0",</0>`,
		`</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		links, err := Parse(data)
		var de *lwm2m.DecodeError
		if err != nil && !errors.As(err, &de) {
			t.Fatalf("untyped error %T", err)
		}
		r, regErr := ParseRegistration(data, lwm2m.Limits{})
		if regErr != nil {
			if !errors.As(regErr, &de) {
				t.Fatalf("untyped error %T", regErr)
			}
			return
		}
		if err != nil {
			t.Fatalf("a registration that is no link-format: %v", err)
		}
		checkReencodes(t, links, r)
	})
}

// checkReencodes checks that a parsed registration survives the encoder.
func checkReencodes(t *testing.T, links []Link, r Registration) {
	r.Root = ""
	r.Objects = slices.DeleteFunc(r.Objects, func(o ObjectLink) bool { return Hidden(o.ID) })
	b, err := EncodeRegister(r)
	if err != nil {
		t.Fatalf("%v parses as %v, which does not encode: %v", links, r, err)
	}
	back, err := ParseRegistration(b, lwm2m.Limits{Bytes: len(b) + 1, Nodes: 1 << 20})
	if diff := cmp.Diff(r, back, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Fatalf("%s: %v %s", b, err, diff)
	}
}
