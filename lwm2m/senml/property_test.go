package senml

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

func drawTree(t *rapid.T) *lwm2m.Tree {
	tree := lwm2m.NewTree()
	for range rapid.IntRange(1, 8).Draw(t, "values") {
		inst := rapid.Uint16Max(3).Draw(t, "instance")
		kind := rapid.Uint16Range(uint16(lwm2m.KindString), uint16(lwm2m.KindCoreLink)).Draw(t, "kind")
		v := valuetest.Draw(t, lwm2m.Kind(kind))
		r := lwm2m.Resource{ID: kind, Value: v}
		if rapid.Bool().Draw(t, "multiple") {
			ri := lwm2m.ResourceInstance{ID: rapid.Uint16Max(lwm2m.MaxID-1).Draw(t, "resource instance"), Value: v}
			r = lwm2m.Resource{ID: kind + valuetest.Multiple, Multiple: true, Instances: []lwm2m.ResourceInstance{ri}}
		}
		tree.PutResource(valuetest.Object, inst, r)
	}
	return tree
}

// codec is one representation.
type codec struct {
	name   string
	encode func(lwm2m.Path, lwm2m.Payload) ([]byte, error)
	decode func(lwm2m.Path, []byte, *lwm2m.Registry) (lwm2m.Payload, error)
}

var codecs = []codec{
	{"cbor", EncodeCBOR, DecodeCBOR},
	{"json", EncodeJSON, DecodeJSON},
}

func TestRoundTrip(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) { roundTrip(t, c) })
	}
}

func roundTrip(t *testing.T, c codec) {
	reg := testRegistry()
	rapid.Check(t, func(t *rapid.T) {
		tree := drawTree(t)
		all, _ := tree.Payload(lwm2m.Path{})
		leaf := rapid.SampledFrom(all.Nodes).Draw(t, "node").Path
		target := leaf.Prefix(rapid.IntRange(0, 4).Draw(t, "length"))
		want, _ := tree.Payload(target)
		b, err := c.encode(target, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.decode(target, b, reg)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Nodes, want.Nodes) || !got.Tree().Equal(want.Tree()) {
			t.Fatalf("%v: %v became %v", target, want, got)
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		"[]", jsonExample, "[{}]", "null", `[{"n":"/3/0/9","v":-0.5e1}]`, `[{"x":[{"y":[1e400]}]}]`,
		`[{"n":"/3/0/6/0","vd":"-_8","bver":10}]`, `[{"vs":"\ud83d\ude00"}]`, `[{"n":"/77/0/1","v":1E19}]`,
	} {
		for level := range uint8(5) {
			f.Add(level, []byte(seed))
		}
	}
	reg := testRegistry()
	f.Fuzz(func(t *testing.T, level uint8, data []byte) {
		target := lwm2m.PathOf(3, 0, 6, 0).Prefix(int(level % 5))
		p, err := DecodeJSON(target, data, reg)
		if err == nil && !json.Valid(data) {
			t.Fatalf("%q is no JSON", data)
		}
		holds(t, codecs[1], target, p, err)
	})
}

// holds checks what every decoder promises: a typed error, or a payload that can
// be encoded and decoded again.
func holds(t *testing.T, c codec, target lwm2m.Path, p lwm2m.Payload, err error) {
	t.Helper()
	var de *lwm2m.DecodeError
	if err != nil {
		if !errors.As(err, &de) {
			t.Fatalf("untyped error %T", err)
		}
		return
	}
	b, err := c.encode(target, p)
	if err != nil {
		t.Fatalf("decoded but cannot be encoded: %v", err)
	}
	q, err := c.decode(target, b, testRegistry())
	if err != nil || !slices.Equal(p.Nodes, q.Nodes) {
		t.Fatalf("decodes to %v, which encodes as %q: %v, %v", p, b, q, err)
	}
}

func FuzzDecodeCBOR(f *testing.F) {
	for _, seed := range []string{"80", example, "81a0", "9fff", "f6", "81 a1 02 c4 82 20 14", "9a 80000000"} {
		for level := range uint8(5) {
			f.Add(level, unhex(f, seed))
		}
	}
	reg := testRegistry()
	f.Fuzz(func(t *testing.T, level uint8, data []byte) {
		target := lwm2m.PathOf(3, 0, 6, 0).Prefix(int(level % 5))
		p, err := DecodeCBOR(target, data, reg)
		holds(t, codecs[0], target, p, err)
	})
}

func BenchmarkDecodeCBOR(b *testing.B) {
	in, reg := unhex(b, example), testRegistry()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeCBOR(path("/3/0"), in, reg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeCBOR(b *testing.B) {
	p := lwm2m.Payload{Nodes: []lwm2m.Node{node("/3/0/0", lwm2m.String("Acme")), node("/3/0/6/0", lwm2m.Integer(1))}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeCBOR(path("/3/0"), p); err != nil {
			b.Fatal(err)
		}
	}
}
