package linkformat

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// comparePaths lets cmp compare links.
var comparePaths = cmp.Comparer(func(a, b lwm2m.Path) bool { return a == b })

// The examples of section 6.3.2, and one of each attribute.
func TestDiscoverExamples(t *testing.T) {
	for _, tc := range []struct {
		want  string
		links []DiscoverLink
	}{
		{"", nil},
		{"</3>;pmin=10,</3/0>,</3/0/1>,</3/0/6>;dim=8,</3/0/7>;dim=8;gt=50;lt=42.2", []DiscoverLink{
			{Path: lwm2m.PathOf(3), Numbers: []Number{{"pmin", 10}}},
			{Path: lwm2m.PathOf(3, 0)}, {Path: lwm2m.PathOf(3, 0, 1)},
			{Path: lwm2m.PathOf(3, 0, 6), Multiple: true, Dimension: 8},
			{Path: lwm2m.PathOf(3, 0, 7), Multiple: true, Dimension: 8, Numbers: []Number{{"gt", 50}, {"lt", 42.2}}},
		}},
		{"</3303>;ver=1.1,</3303/0/5700>;pmin=0;pmax=60;gt=-3.5;lt=-10;st=0.000001;epmin=1;epmax=4294967295;edge=1;con=0;hqmax=5;unit=\"Cel\"", []DiscoverLink{
			{Path: lwm2m.PathOf(3303), Version: "1.1"},
			{Path: lwm2m.PathOf(3303, 0, 5700), Numbers: []Number{
				{"pmin", 0}, {"pmax", 60}, {"gt", -3.5}, {"lt", -10}, {"st", 1e-6}, {"epmin", 1}, {"epmax", math.MaxUint32},
				{"edge", 1}, {"con", 0}, {"hqmax", 5}}, Other: []Attribute{{"unit", "Cel"}}},
		}},
		{"</3/0/6>;dim=0", []DiscoverLink{{Path: lwm2m.PathOf(3, 0, 6), Multiple: true}}},
	} {
		if got, err := EncodeDiscover("1.1", tc.links); err != nil || string(got) != tc.want {
			t.Errorf("encoded:\n%s, %v\n%s", got, err, tc.want)
		}
		got, err := ParseDiscover([]byte(tc.want), lwm2m.Limits{})
		if diff := cmp.Diff(tc.links, got, comparePaths); err != nil || len(tc.links)+len(got) > 0 && diff != "" {
			t.Errorf("%s: %v\n%s", tc.want, err, diff)
		}
	}
	got, err := EncodeDiscover("1.0", []DiscoverLink{{Path: lwm2m.PathOf(3303), Version: "1.1"}})
	if err != nil || string(got) != `</3303>;ver="1.1"` {
		t.Errorf("LwM2M 1.0: %s, %v", got, err)
	}
}

// Spellings of others.
func TestParseDiscoverTolerates(t *testing.T) {
	got, err := ParseDiscover([]byte(`</3> ; ver="1.0" ; pmin="10" , </3/0/7>;gt=5e1;lt=+4;x`), lwm2m.Limits{})
	want := []DiscoverLink{
		{Path: lwm2m.PathOf(3), Version: "1.0", Numbers: []Number{{"pmin", 10}}},
		{Path: lwm2m.PathOf(3, 0, 7), Numbers: []Number{{"gt", 50}, {"lt", 4}}, Other: []Attribute{{Name: "x"}}},
	}
	if diff := cmp.Diff(want, got, comparePaths); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if v, found := got[1].Number("lt"); v != 4 || !found {
		t.Error(v, found)
	}
	if v, found := got[1].Number("st"); found {
		t.Error(v)
	}
}

func TestEncodeDiscoverRefuses(t *testing.T) {
	resource := lwm2m.PathOf(3, 0, 7)
	for name, l := range map[string]DiscoverLink{
		"a version of an instance": {Path: lwm2m.PathOf(3, 0), Version: "1.0"},
		"no version":               {Path: lwm2m.PathOf(3), Version: "1"},
		"the dimension of one":     {Path: lwm2m.PathOf(3, 0), Multiple: true},
		"a negative dimension":     {Path: resource, Multiple: true, Dimension: -1},
		"NaN":                      {Path: resource, Numbers: []Number{{"gt", math.NaN()}}},
		"an infinity":              {Path: resource, Numbers: []Number{{"lt", math.Inf(-1)}}},
		"half a second":            {Path: resource, Numbers: []Number{{"pmin", 0.5}}},
		"a negative period":        {Path: resource, Numbers: []Number{{"pmax", -1}}},
		"a period beyond 32 bits":  {Path: resource, Numbers: []Number{{"epmax", 1 << 32}}},
		"an unknown number":        {Path: resource, Numbers: []Number{{"foo", 1}}},
		"an attribute in two":      {Path: resource, Other: []Attribute{{"a;b", "c"}}},
		"an attribute of é":        {Path: resource, Other: []Attribute{{"é", "c"}}},
		"an attribute of nothing":  {Path: resource, Other: []Attribute{{"", "c"}}},
	} {
		var ee *lwm2m.EncodeError
		if got, err := EncodeDiscover("1.1", []DiscoverLink{l}); !errors.As(err, &ee) || ee.Path != l.Path {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestParseDiscoverRefuses(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		"</3":                             lwm2m.ReasonTruncated,
		"3":                               lwm2m.ReasonSyntax,
		"</3>,":                           lwm2m.ReasonSyntax,
		"</3/../1>":                       lwm2m.ReasonPath,
		"</65535>":                        lwm2m.ReasonPath,
		"</3>,</3/0>,</3>":                lwm2m.ReasonDuplicate,
		"</3>;pmin=1;pmin=2":              lwm2m.ReasonDuplicate,
		"</3/0/6>;dim=1;dim=1":            lwm2m.ReasonDuplicate,
		"</3>;ver=1.0;ver=1.1":            lwm2m.ReasonDuplicate,
		"</3>;ver":                        lwm2m.ReasonValue,
		"</3>;ver=one":                    lwm2m.ReasonValue,
		"</3>;pmin":                       lwm2m.ReasonValue,
		"</3>;pmin=-1":                    lwm2m.ReasonValue,
		"</3>;pmin=1.5":                   lwm2m.ReasonValue,
		"</3>;pmin=99999999999":           lwm2m.ReasonValue,
		"</3/0/7>;gt=NaN":                 lwm2m.ReasonValue,
		"</3/0/7>;gt=Inf":                 lwm2m.ReasonValue,
		"</3/0/7>;gt=1e999":               lwm2m.ReasonValue,
		"</3/0/7>;gt=0x10":                lwm2m.ReasonValue,
		"</3/0/6>;dim=-1":                 lwm2m.ReasonValue,
		"</3/0/6>;dim=70000":              lwm2m.ReasonValue,
		strings.Repeat("</3>,", 9):        lwm2m.ReasonLimit,
		"</3>" + strings.Repeat(";a", 99): lwm2m.ReasonLimit,
	} {
		got, err := ParseDiscover([]byte(in), lwm2m.Limits{Nodes: 8})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != want || got != nil {
			t.Errorf("%.40s: %v, %v, want %q", in, got, err, want)
		}
	}
}

func TestDiscoverRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := make([]DiscoverLink, rapid.IntRange(1, 8).Draw(t, "links"))
		for i := range want {
			want[i].Path = lwm2m.PathOf(rapid.Uint16Max(9).Draw(t, "object"), uint16(i), 7)
			want[i].Multiple = rapid.Bool().Draw(t, "multiple")
			if want[i].Multiple {
				want[i].Dimension = rapid.IntRange(0, 65535).Draw(t, "dimension")
			}
			want[i].Numbers = []Number{
				{"pmin", float64(rapid.Uint32().Draw(t, "pmin"))}, {"gt", rapid.Float64().Draw(t, "gt")},
			}
			want[i].Other = []Attribute{{"x", rapid.StringMatching(`[ -~é😀]*`).Draw(t, "x")}}
		}
		b, err := EncodeDiscover("1.1", want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseDiscover(b, lwm2m.Limits{})
		if diff := cmp.Diff(want, got, comparePaths); err != nil || diff != "" {
			t.Fatalf("%s: %v\n%s", b, err, diff)
		}
	})
}

func FuzzParseDiscover(f *testing.F) {
	for _, seed := range []string{
		"", "</3>;pmin=10,</3/0>,</3/0/6>;dim=8", `</3303>;ver="1.1";x="\"";lt=-4.5e2`, "</>;lwm2m=1.1", "</3>;pmin=",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		links, err := ParseDiscover(data, lwm2m.Limits{})
		var de *lwm2m.DecodeError
		if err != nil {
			if !errors.As(err, &de) {
				t.Fatalf("untyped error %T", err)
			}
			return
		}
		b, err := EncodeDiscover("1.1", links)
		if err != nil {
			return // a version or dimension where LwM2M has none
		}
		again, err := ParseDiscover(b, lwm2m.Limits{Bytes: 1 << 20})
		if diff := cmp.Diff(links, again, comparePaths); err != nil || diff != "" {
			t.Fatalf("%s became %s: %v\n%s", data, b, err, diff)
		}
	})
}
