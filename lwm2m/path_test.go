package lwm2m

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParsePath(t *testing.T) {
	for in, want := range map[string]Path{
		"/":              {},
		"/0":             PathOf(0),
		"/3":             PathOf(3),
		"/3/0":           PathOf(3, 0),
		"/3/0/1":         PathOf(3, 0, 1),
		"/65534/1/2/300": PathOf(65534, 1, 2, 300),
	} {
		got, err := ParsePath(in)
		if err != nil || got != want {
			t.Errorf("ParsePath(%q) = %v, %v; want %v", in, got, err, want)
		}
		if got.String() != in {
			t.Errorf("ParsePath(%q).String() = %q", in, got)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for in, want := range map[string]PathReason{
		"":                      PathNotAbsolute,
		"3/0":                   PathNotAbsolute,
		"//":                    PathEmptySegment,
		"/3/":                   PathEmptySegment,
		"/3//1":                 PathEmptySegment,
		"/1/2/3/4/5":            PathTooLong,
		"/a":                    PathNotNumeric,
		"/-1":                   PathNotNumeric,
		"/+1":                   PathNotNumeric,
		"/03":                   PathNotNumeric,
		"/3/0/..":               PathNotNumeric,
		"/3/%30":                PathNotNumeric,
		"/ 3":                   PathNotNumeric,
		"/٣":                    PathNotNumeric,
		"/65535":                PathIDOutOfRange,
		"/3/65535":              PathIDOutOfRange,
		"/99999999999999999999": PathIDOutOfRange,
	} {
		_, err := ParsePath(in)
		var pe *PathError
		if !errors.As(err, &pe) || pe.Reason != want || pe.Path != in {
			t.Errorf("ParsePath(%q) = %v; want reason %q", in, err, want)
		}
	}
}

func TestPathErrorIsBounded(t *testing.T) {
	_, err := ParsePath("/" + strings.Repeat("x", 1000))
	if n := len(err.Error()); n > 200 {
		t.Errorf("error of %d bytes", n)
	}
}

func TestPathFromSegments(t *testing.T) {
	for _, tc := range []struct {
		segs []string
		want Path
		ok   bool
	}{
		{nil, Path{}, true},
		{[]string{""}, Path{}, true},
		{[]string{"3", "0"}, PathOf(3, 0), true},
		{[]string{"1", "2", "3", "4"}, PathOf(1, 2, 3, 4), true},
		{[]string{"", ""}, Path{}, false},
		{[]string{"3", ""}, Path{}, false},
		{[]string{"3/0"}, Path{}, false},
		{[]string{"bs"}, Path{}, false},
		{[]string{"1", "2", "3", "4", "5"}, Path{}, false},
		{slices.Repeat([]string{"1"}, 10000), Path{}, false},
	} {
		got, err := PathFromSegments(tc.segs)
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("PathFromSegments(%.20q) = %v, %v", tc.segs, got, err)
		}
	}
}

func TestPathAccessors(t *testing.T) {
	p := PathOf(3, 1, 6, 9)
	if p.Object() != 3 || p.Instance() != 1 || p.Resource() != 6 || p.ResourceInstance() != 9 || p.Len() != 4 {
		t.Errorf("accessors of %v", p)
	}
	if got := p.Segments(); !slices.Equal(got, []string{"3", "1", "6", "9"}) {
		t.Errorf("Segments() = %q", got)
	}
	if got := p.Prefix(2); got != PathOf(3, 1) || got.Resource() != 0 {
		t.Errorf("Prefix(2) = %v", got)
	}
	if p.Prefix(9) != p || p.Prefix(-1) != (Path{}) {
		t.Error("Prefix does not clamp")
	}
}

func TestPathContains(t *testing.T) {
	for _, tc := range []struct {
		outer, inner Path
		want         bool
	}{
		{Path{}, Path{}, true},
		{Path{}, PathOf(3, 0), true},
		{PathOf(3), PathOf(3), true},
		{PathOf(3), PathOf(3, 0, 1), true},
		{PathOf(3, 0), PathOf(3), false},
		{PathOf(3, 0), PathOf(3, 1), false},
		{PathOf(0), Path{}, false},
		{PathOf(3), PathOf(33), false},
	} {
		if got := tc.outer.Contains(tc.inner); got != tc.want {
			t.Errorf("%v.Contains(%v) = %v", tc.outer, tc.inner, got)
		}
	}
}

func TestPathCompareWalksTheTree(t *testing.T) {
	ordered := []Path{{}, PathOf(0), PathOf(0, 0), PathOf(0, 0, 0), PathOf(0, 1), PathOf(1), PathOf(1, 0, 2, 3), PathOf(10)}
	for i, p := range ordered {
		for j, q := range ordered {
			if got := p.Compare(q); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%v.Compare(%v) = %d", p, q, got)
			}
		}
	}
}

func TestPathPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"PathOf": func() { PathOf(1, 2, 3, 4, 5) },
		"Child":  func() { PathOf(1, 2, 3, 4).Child(5) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}

func TestPathRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := PathOf(rapid.SliceOfN(rapid.Uint16Max(MaxID-1), 0, MaxPathLength).Draw(t, "ids")...)
		if q, err := ParsePath(p.String()); err != nil || q != p {
			t.Fatalf("%v reads back as %v, %v", p, q, err)
		}
		if q, err := PathFromSegments(p.Segments()); err != nil || q != p {
			t.Fatalf("%q reads back as %v, %v", p.Segments(), q, err)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"/", "/3/0/1", "/3/0/../../0", "/65535", "//", "/3/", "/00", "/%2e%2e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		var pe *PathError
		if err != nil && !errors.As(err, &pe) {
			t.Fatalf("untyped error %T", err)
		}
		if err == nil && p.String() != s {
			t.Fatalf("%q is accepted and means %q", s, p)
		}
		if q, err2 := PathFromSegments(strings.Split(strings.TrimPrefix(s, "/"), "/")); strings.HasPrefix(s, "/") && ((err == nil) != (err2 == nil) || p != q) {
			t.Fatalf("%q: text gives %v, %v; segments give %v, %v", s, p, err, q, err2)
		}
	})
}
