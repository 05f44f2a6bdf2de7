package senml

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// drawValue draws a value of any kind that has content.
func drawValue(t *rapid.T, kind lwm2m.Kind) lwm2m.Value {
	switch kind {
	case lwm2m.KindString:
		return lwm2m.String(rapid.StringN(0, 40, 300).Draw(t, "string"))
	case lwm2m.KindInteger:
		return lwm2m.Integer(rapid.Int64().Draw(t, "integer"))
	case lwm2m.KindUnsigned:
		return lwm2m.Unsigned(rapid.Uint64().Draw(t, "unsigned"))
	case lwm2m.KindFloat:
		return lwm2m.Float(rapid.Float64().Draw(t, "float"))
	case lwm2m.KindBoolean:
		return lwm2m.Boolean(rapid.Bool().Draw(t, "boolean"))
	case lwm2m.KindOpaque:
		return lwm2m.Opaque(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "opaque"))
	case lwm2m.KindTime:
		return lwm2m.Time(time.Unix(rapid.Int64().Draw(t, "time"), 0))
	case lwm2m.KindObjectLink:
		return lwm2m.ObjectLink(rapid.Uint16().Draw(t, "object"), rapid.Uint16().Draw(t, "instance"))
	default:
		return lwm2m.CoreLink(rapid.String().Draw(t, "link"))
	}
}

func drawTree(t *rapid.T) *lwm2m.Tree {
	tree := lwm2m.NewTree()
	for range rapid.IntRange(1, 8).Draw(t, "values") {
		inst := rapid.Uint16Max(3).Draw(t, "instance")
		kind := rapid.Uint16Range(uint16(lwm2m.KindString), uint16(lwm2m.KindCoreLink)).Draw(t, "kind")
		v := drawValue(t, lwm2m.Kind(kind))
		r := lwm2m.Resource{ID: kind, Value: v}
		if rapid.Bool().Draw(t, "multiple") {
			ri := lwm2m.ResourceInstance{ID: rapid.Uint16Max(lwm2m.MaxID-1).Draw(t, "resource instance"), Value: v}
			r = lwm2m.Resource{ID: kind + 100, Multiple: true, Instances: []lwm2m.ResourceInstance{ri}}
		}
		tree.PutResource(typesObject, inst, r)
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
