package senml

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// paths parses paths that stand in a table.
func paths(s string) (out []lwm2m.Path) {
	for _, p := range strings.Fields(s) {
		out = append(out, path(p))
	}
	return out
}

// The request of a Read-Composite (section 7.4.4.1), in both representations.
func TestPathsExample(t *testing.T) {
	want := paths("/3/0/0 /3/0/9 /1/0/1")
	for _, tc := range []struct {
		format  Format
		encoded string
	}{
		{JSON, `[{"n":"/3/0/0"},{"n":"/3/0/9"},{"n":"/1/0/1"}]`},
		{CBOR, string(unhex(t, "83 a1 00 66 2f332f302f30 a1 00 66 2f332f302f39 a1 00 66 2f312f302f31"))},
	} {
		got, err := tc.format.DecodePaths([]byte(tc.encoded), lwm2m.Limits{})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", tc.format, got, err)
		}
		if b, err := tc.format.EncodePaths(want); err != nil || string(b) != tc.encoded {
			t.Errorf("%s: %q, %v", tc.format, b, err)
		}
	}
}

func TestDecodePaths(t *testing.T) {
	for in, want := range map[string]string{
		`[{"n":"/"}]`: "/",
		`[{"n":"/3"},{"n":"/3/0"},{"n":"/3/0/6/0"}]`:       "/3 /3/0 /3/0/6/0",
		`[{"bn":"/3/0/","n":"0"},{"n":"9"}]`:               "/3/0/0 /3/0/9",
		`[{"bn":"/3/0/"},{"n":"0"},{"n":"9"}]`:             "/3/0/0 /3/0/9",
		`[{"bn":"/","n":""},{"bn":"/1"}]`:                  "/ /1",
		`[{"bn":"/3/0/0"},{"bn":"/1/0/"},{"n":"1"}]`:       "/3/0/0 /1/0/1",
		`[{"n":"/3/0/0"},{"n":"/1"},{"n":"/3/0/0"}]`:       "/3/0/0 /1",
		`[{"bn":"/3/0/","bt":1,"n":"0","u":"m","ext":[]}]`: "/3/0/0",
	} {
		if got, err := JSON.DecodePaths([]byte(in), lwm2m.Limits{}); err != nil || !slices.Equal(got, paths(want)) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
}

func TestDecodePathsRefuses(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		``:                                 lwm2m.ReasonTruncated,
		`[]`:                               lwm2m.ReasonStructure,
		`[{}]`:                             lwm2m.ReasonStructure,
		`[{"bn":"/3/0/"}]`:                 lwm2m.ReasonStructure,
		`[{"n":"/3/0/0","v":1}]`:           lwm2m.ReasonStructure,
		`[{"n":"/3/0/0","v":null}]`:        lwm2m.ReasonStructure,
		`[{"n":"3/0/0"}]`:                  lwm2m.ReasonPath,
		`[{"n":"/3/0/"}]`:                  lwm2m.ReasonPath,
		`[{"n":"/3/0/6/0/0"}]`:             lwm2m.ReasonPath,
		`[{"n":"/3/../1"}]`:                lwm2m.ReasonPath,
		`[{"n":"/3/%30"}]`:                 lwm2m.ReasonPath,
		`[{"n":"/65535"}]`:                 lwm2m.ReasonPath,
		`[{"n":"/dev1/3/0/0"}]`:            lwm2m.ReasonPath,
		`[{"n":"/3","n":"/1"}]`:            lwm2m.ReasonDuplicate,
		`[{"n":"/3","x_":1}]`:              lwm2m.ReasonUnknown,
		`[{"n":"/3"},{"n":"/1"},{"n":""}]`: lwm2m.ReasonPath,
		`[` + strings.Repeat(`{"n":"/3"},`, 20) + `{"n":"/3"}]`: lwm2m.ReasonLimit,
	} {
		got, err := JSON.DecodePaths([]byte(in), lwm2m.Limits{Nodes: 20})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != want || got != nil {
			t.Errorf("%s: %v, %v, want %q", in, got, err, want)
		}
	}
}

func TestPathsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Uint16Max(lwm2m.MaxID-1), 0, 4)
		var want []lwm2m.Path
		for range rapid.IntRange(1, 20).Draw(t, "paths") {
			want = append(want, lwm2m.PathOf(ids.Draw(t, "path")...))
		}
		f := rapid.SampledFrom([]Format{JSON, CBOR}).Draw(t, "format")
		b, err := f.EncodePaths(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.DecodePaths(b, lwm2m.Limits{})
		if err != nil || !slices.Equal(got, unique(want)) {
			t.Fatalf("%v became %v, %v", want, got, err)
		}
	})
}

func unique(paths []lwm2m.Path) (out []lwm2m.Path) {
	for _, p := range paths {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// A Write-Composite over several objects that removes resource instances, too.
func TestWriteComposite(t *testing.T) {
	want := lwm2m.Payload{
		Nodes:     []lwm2m.Node{node("/3/0/14", lwm2m.String("+01:00")), node("/1/0/1", lwm2m.Integer(60)), node("/3/0/6/0", lwm2m.Integer(1))},
		Instances: paths("/3/0 /1/0"), Multiples: paths("/3/0/6"), Deleted: paths("/3/0/6/1 /3/0/6/2"),
	}
	for _, in := range []string{
		`[{"bn":"/3/0/","n":"14","vs":"+01:00"},{"bn":"/1/0/","n":"1","v":60},{"bn":"/3/0/6/","n":"0","v":1},{"n":"1","v":null},{"n":"2"}]`,
		`[{"n":"/3/0/14","vs":"+01:00"},{"n":"/1/0/1","v":60},{"n":"/3/0/6/0","v":1},{"n":"/3/0/6/1","vs":null},{"n":"/3/0/6/2","vlo":null}]`,
	} {
		got, err := JSON.DecodeComposite([]byte(in), testRegistry(), lwm2m.Limits{})
		if err != nil || !slices.EqualFunc(got.Nodes, want.Nodes, sameNode) || !slices.Equal(got.Instances, want.Instances) ||
			!slices.Equal(got.Multiples, want.Multiples) || !slices.Equal(got.Deleted, want.Deleted) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for f, encoded := range map[Format]string{
		JSON: `[{"bn":"/","n":"3/0/14","vs":"+01:00"},{"n":"1/0/1","v":60},{"n":"3/0/6/0","v":1},` +
			`{"bn":"/","n":"3/0/6/1","v":null},{"n":"3/0/6/2","v":null}]`,
		CBOR: "85a321612f0066332f302f313403662b30313a3030" +
			"a20065312f302f3102183ca20067332f302f362f300201a321612f0067332f302f362f3102f6a20067332f302f362f3202f6",
	} {
		if f == CBOR {
			encoded = string(unhex(t, encoded))
		}
		if got, err := f.EncodeComposite(want); err != nil || string(got) != encoded {
			t.Errorf("%s: %q\n%x, %v", f, got, got, err)
		}
		got, err := f.DecodeComposite([]byte(encoded), testRegistry(), lwm2m.Limits{})
		if err != nil || !slices.EqualFunc(got.Nodes, want.Nodes, sameNode) || !slices.Equal(got.Deleted, want.Deleted) {
			t.Errorf("%s: %v, %v", f, got, err)
		}
	}
}

// sameNode disregards whether the registry has the resource.
func sameNode(a, b lwm2m.Node) bool { return a.Path == b.Path && a.Value == b.Value }

func TestWriteCompositeRefuses(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		`[]`:                                             lwm2m.ReasonStructure,
		`[{"bn":"/3/0/6/1"}]`:                            lwm2m.ReasonStructure,
		`[{"n":"/3/0/9","v":null}]`:                      lwm2m.ReasonStructure,
		`[{"n":"/3/0/9/0","v":null}]`:                    lwm2m.ReasonStructure,
		`[{"n":"/3/0","v":null}]`:                        lwm2m.ReasonStructure,
		`[{"n":"/3/0/9"}]`:                               lwm2m.ReasonStructure,
		`[{"n":"/3/0","v":1}]`:                           lwm2m.ReasonStructure,
		`[{"n":"/","v":1}]`:                              lwm2m.ReasonStructure,
		`[{"n":"/3/0/6/0","v":null,"vs":null}]`:          lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/6/0","v":1,"vs":null}]`:             lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/6/0","v":null},{"n":"/3/0/6/0"}]`:   lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/6/0","v":1},{"n":"/3/0/6/0"}]`:      lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/6/0"},{"n":"/3/0/6/0","v":1}]`:      lwm2m.ReasonDuplicate,
		`[{"n":"/77/0/6/0"},{"n":"/77/0/6","v":1}]`:      lwm2m.ReasonDuplicate,
		`[{"n":"/77/0/6","v":1},{"n":"/77/0/6/0"}]`:      lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/6/0","v":[]}]`:                      lwm2m.ReasonValue,
		`[{"n":"/3/0/9","v":"1"}]`:                       lwm2m.ReasonValue,
		`[{"n":"dev/3/0/9","v":1}]`:                      lwm2m.ReasonPath,
		`[{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":2}]`:    lwm2m.ReasonDuplicate,
		`[{"n":"/3/0/6/0","v":1},{"n":"/3/0/6/65535"}]`:  lwm2m.ReasonPath,
		`[{"n":"/3/0/6/0","bv":1,"v":1}]`:                lwm2m.ReasonUnknown,
		`[{"n":"/3/0/9","v":1},{"n":"/1/0/1","v":true}]`: lwm2m.ReasonValue,
	} {
		got, err := JSON.DecodeComposite([]byte(in), testRegistry(), lwm2m.Limits{})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != want {
			t.Errorf("%s: %v, %v, want %q", in, got, err, want)
		}
	}
}

// A removal leaves room for other instances of the resource, whichever comes first.
func TestRemovalBesideValues(t *testing.T) {
	for _, in := range []string{
		`[{"n":"/77/0/6/0"},{"n":"/77/0/6/1","v":1}]`, `[{"n":"/77/0/6/1","v":1},{"n":"/77/0/6/0"}]`,
	} {
		got, err := JSON.DecodeComposite([]byte(in), testRegistry(), lwm2m.Limits{})
		if err != nil || len(got.Nodes) != 1 || !slices.Equal(got.Deleted, paths("/77/0/6/0")) || !slices.Equal(got.Multiples, paths("/77/0/6")) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
}

// Nothing but a Write-Composite removes anything.
func TestNullElsewhere(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		`[{"n":"/3/0/6/0","v":null}]`: lwm2m.ReasonValue,
		`[{"n":"/3/0/6/0"}]`:          lwm2m.ReasonStructure,
	} {
		var de *lwm2m.DecodeError
		if got, err := DecodeJSON(path("/3/0"), []byte(in), testRegistry()); !errors.As(err, &de) || de.Reason != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
}

func TestCreate(t *testing.T) {
	for _, tc := range []struct {
		in, instance, nodes string
	}{
		{`[{"bn":"/1/","n":"5/0","v":1},{"n":"5/1","v":60}]`, "/1/5", "/1/5/0 /1/5/1"},
		{`[{"bn":"/1/5/","n":"0","v":1},{"n":"1","v":60}]`, "/1/5", "/1/5/0 /1/5/1"},
		{`[{"bn":"/1/","n":"0","v":1},{"n":"1","v":60}]`, "/1/65535", "/1/65535/0 /1/65535/1"},
		{`[{"bn":"/1/"},{"n":"1","v":1}]`, "/1/65535", "/1/65535/1"},
		{`[{"n":"/1/1","v":1},{"n":"/1/77/3","v":1}]`, "/1/65535", "/1/65535/1 /1/65535/77/3"},
		{`[{"n":"/1/77/3","v":1},{"n":"/1/1","v":1}]`, "/1/65535", "/1/65535/77/3 /1/65535/1"},
		{`[]`, "", ""},
	} {
		got, err := JSON.DecodeCreate(1, []byte(tc.in), testRegistry(), lwm2m.Limits{})
		var found []lwm2m.Path
		for _, n := range got.Nodes {
			found = append(found, n.Path)
		}
		if err != nil || !slices.Equal(got.Instances, reserved(tc.instance)) || !slices.Equal(found, reserved(tc.nodes)) {
			t.Errorf("%s: %v, %v", tc.in, got, err)
		}
	}
}

// reserved parses paths that may have the reserved ID.
func reserved(s string) (out []lwm2m.Path) {
	for _, text := range strings.Fields(s) {
		p := path(strings.Replace(text, "/65535", "/65534", 1))
		if text != p.String() {
			ids := lwm2m.PathOf(p.Object(), lwm2m.MaxID, p.Resource(), p.ResourceInstance())
			p = ids.Prefix(p.Len())
		}
		out = append(out, p)
	}
	return out
}

func TestCreateRefuses(t *testing.T) {
	for in, want := range map[string]lwm2m.Reason{
		`[{"n":"/1/5/1","v":1},{"n":"/1/6/1","v":1}]`:             lwm2m.ReasonStructure,
		`[{"n":"/1/1","v":1},{"n":"/1/5/1","v":1}]`:               lwm2m.ReasonStructure, // resource 5 has no instances
		`[{"n":"/1/1","v":1},{"n":"/1/5/77/1","v":1}]`:            lwm2m.ReasonStructure,
		`[{"n":"/1/1","v":1},{"n":"/1/1","v":1}]`:                 lwm2m.ReasonDuplicate,
		`[{"n":"/1","v":1}]`:                                      lwm2m.ReasonStructure,
		`[{"n":"/3/1","v":1}]`:                                    lwm2m.ReasonPath,
		`[{"n":"/3/0/1","v":1}]`:                                  lwm2m.ReasonPath,
		`[{"n":"/1/65535/1","v":1}]`:                              lwm2m.ReasonPath,
		`[{"n":"/1/1"}]`:                                          lwm2m.ReasonStructure,
		`[{"n":"/1/1","v":null}]`:                                 lwm2m.ReasonValue,
		`[{"n":"/1/1","v":"x"}]`:                                  lwm2m.ReasonValue,
		`{}`:                                                      lwm2m.ReasonStructure,
		`[{"bn":"/1/","n":"1","v":1},{"bn":"/3/","n":"1","v":1}]`: lwm2m.ReasonPath,
	} {
		got, err := JSON.DecodeCreate(1, []byte(in), testRegistry(), lwm2m.Limits{})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != want || got.Nodes != nil {
			t.Errorf("%s: %v, %v, want %q", in, got, err, want)
		}
	}
}

// Whatever arrives, the decoders of composites and Creates return a typed error, or what
// can be encoded and decoded again.
func FuzzDecodeComposite(f *testing.F) {
	for i, seed := range []string{
		`[{"n":"/3/0/0"},{"bn":"/3/0/"},{"n":"9"}]`, `[{"n":"/3/0/6/0","v":null},{"n":"/3/0/9","v":1}]`,
		`[{"n":"/1/1","v":1}]`, string(unhex(f, "82 a1 00 64 2f332f30 a2 00 68 2f332f302f362f30 02 f6")),
	} {
		f.Add(uint8(i), []byte(seed))
	}
	reg := testRegistry()
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		format := JSON + Format(which>>7)
		p, err := format.DecodeComposite(data, reg, lwm2m.Limits{})
		if typed(t, err) {
			b, err := format.EncodeComposite(p)
			if err != nil {
				t.Fatal(err)
			}
			q, err := format.DecodeComposite(b, reg, lwm2m.Limits{Bytes: 1 << 20})
			if err != nil || !slices.Equal(p.Nodes, q.Nodes) || !slices.Equal(p.Deleted, q.Deleted) {
				t.Fatalf("%v became %v, %v", p, q, err)
			}
		}
		wanted, err := format.DecodePaths(data, lwm2m.Limits{})
		if typed(t, err) && (len(wanted) == 0 || len(unique(wanted)) != len(wanted)) {
			t.Fatalf("%v", wanted)
		}
		created, err := format.DecodeCreate(1, data, reg, lwm2m.Limits{})
		if typed(t, err) && (len(created.Instances) > 1 || len(created.Deleted) > 0) {
			t.Fatalf("%v", created)
		}
	})
}

// typed reports whether there is no error, and fails for one of another type.
func typed(t *testing.T, err error) bool {
	t.Helper()
	var de *lwm2m.DecodeError
	if err != nil && !errors.As(err, &de) {
		t.Fatalf("untyped error %T", err)
	}
	return err == nil
}
