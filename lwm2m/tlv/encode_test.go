package tlv

import (
	"bytes"
	"encoding/hex"
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

func TestEncodeDevice(t *testing.T) {
	for _, tc := range []struct {
		base  string
		nodes []lwm2m.Node
		want  string
	}{
		{"/3", deviceNodes(), deviceWrapped},
		{"/3/0", deviceNodes(), deviceBare},
		{"/3/0/9", []lwm2m.Node{node("/3/0/9", lwm2m.Integer(42))}, "c1 09 2a"},
		{"/3/0/6", deviceNodes()[1:3], "86 06 41 00 01 41 01 05"},
		{"/3/0/6/1", deviceNodes()[2:3], "41 01 05"},
		{"/3/0", nil, ""},
		{"/3", nil, ""},
	} {
		got, err := Encode(path(tc.base), lwm2m.Payload{Nodes: tc.nodes})
		if err != nil || !bytes.Equal(got, unhex(t, tc.want)) {
			t.Errorf("%s: %x, %v", tc.base, got, err)
		}
	}
}

func TestEncodeEmptyContainers(t *testing.T) {
	got, err := Encode(path("/3"), lwm2m.Payload{
		Instances: []lwm2m.Path{path("/3/300"), path("/3/1")},
		Multiples: []lwm2m.Path{path("/3/1/6")},
	})
	if err != nil || !bytes.Equal(got, unhex(t, "02 01 80 06 20 01 2c")) {
		t.Errorf("%x, %v", got, err)
	}
	got, err = Encode(path("/3/0/6"), lwm2m.Payload{Multiples: []lwm2m.Path{path("/3/0/6")}})
	if err != nil || !bytes.Equal(got, unhex(t, "80 06")) {
		t.Errorf("%x, %v", got, err)
	}
}

func TestEncodeValuesInShortestForm(t *testing.T) {
	for _, tc := range []struct {
		v    lwm2m.Value
		want string
	}{
		{lwm2m.Integer(0), "00"},
		{lwm2m.Integer(127), "7f"},
		{lwm2m.Integer(128), "0080"},
		{lwm2m.Integer(-128), "80"},
		{lwm2m.Integer(-129), "ff7f"},
		{lwm2m.Integer(32768), "00008000"},
		{lwm2m.Integer(-32769), "ffff7fff"},
		{lwm2m.Integer(1 << 31), "0000000080000000"},
		{lwm2m.Unsigned(255), "ff"},
		{lwm2m.Unsigned(256), "0100"},
		{lwm2m.Unsigned(65536), "00010000"},
		{lwm2m.Unsigned(1 << 32), "0000000100000000"},
		{lwm2m.Float(1.5), "3fc00000"},
		{lwm2m.Float(0.1), "3fb999999999999a"},
		{lwm2m.Float(math.Copysign(0, -1)), "80000000"},
		{lwm2m.Boolean(true), "01"},
		{lwm2m.Boolean(false), "00"},
		{lwm2m.Time(time.Unix(1367491215, 0)), "5182428f"},
		{lwm2m.ObjectLink(66, 1), "00420001"},
		{lwm2m.String(""), ""},
		{lwm2m.CoreLink("</3>"), "3c2f333e"},
		{lwm2m.Opaque([]byte{1}), "01"},
	} {
		got, ok := encodeValue(tc.v)
		if !ok || hex.EncodeToString(got) != tc.want {
			t.Errorf("%#v: %x", tc.v, got)
		}
	}
}

func TestEncodeHeaders(t *testing.T) {
	for _, tc := range []struct {
		id     uint16
		length int
		want   string
	}{
		{1, 0, "c001"}, {255, 7, "c7ff"}, {256, 7, "e70100"}, {1, 8, "c80108"}, {1, 255, "c801ff"},
		{1, 256, "d0010100"}, {1, 65535, "d001ffff"}, {256, 65536, "f80100010000"},
	} {
		got := appendEntry(nil, kindResource, tc.id, make([]byte, tc.length))
		if head := got[:len(got)-tc.length]; hex.EncodeToString(head) != tc.want {
			t.Errorf("ID %d, %d bytes: %x, want %s", tc.id, tc.length, head, tc.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	one := lwm2m.Integer(1)
	tooLong := lwm2m.String(strings.Repeat("x", maxLength+1))
	for _, tc := range []struct {
		name, base string
		nodes      []lwm2m.Node
		want       lwm2m.Reason
	}{
		{"root", "/", nil, lwm2m.ReasonMismatch},
		{"outside", "/3/0", []lwm2m.Node{node("/3/1/9", one)}, lwm2m.ReasonPath},
		{"not a value's path", "/3", []lwm2m.Node{node("/3/0", one)}, lwm2m.ReasonPath},
		{"missing resource", "/3/0/9", nil, lwm2m.ReasonMismatch},
		{"missing resource instance", "/3/0/6/0", nil, lwm2m.ReasonMismatch},
		{"no value", "/3/0", []lwm2m.Node{node("/3/0/4", lwm2m.Value{})}, lwm2m.ReasonMismatch},
		{"no value in an array", "/3", []lwm2m.Node{node("/3/0/6/0", lwm2m.Value{})}, lwm2m.ReasonMismatch},
		{"too long", "/3/0", []lwm2m.Node{node("/3/0/0", tooLong)}, lwm2m.ReasonLimit},
		{"reserved ID", "/3/0", []lwm2m.Node{{Path: lwm2m.PathOf(3, 0, lwm2m.MaxID), Value: one}}, lwm2m.ReasonPath},
	} {
		_, err := Encode(path(tc.base), lwm2m.Payload{Nodes: tc.nodes})
		var ee *lwm2m.EncodeError
		if !errors.As(err, &ee) || ee.Reason != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// drawTree draws instances of the object that has all types.
func drawTree(t *rapid.T) *lwm2m.Tree {
	tree := lwm2m.NewTree()
	kinds := rapid.Uint16Range(uint16(lwm2m.KindString), uint16(lwm2m.KindCoreLink))
	for _, inst := range rapid.SliceOfN(rapid.Uint16Max(400), 0, 3).Draw(t, "instances") {
		tree.PutInstance(valuetest.Object, lwm2m.Instance{ID: inst})
		for _, kind := range rapid.SliceOfN(kinds, 0, 6).Draw(t, "resources") {
			tree.PutResource(valuetest.Object, inst, drawResource(t, kind))
		}
	}
	return tree
}

func drawResource(t *rapid.T, kind uint16) lwm2m.Resource {
	if rapid.Bool().Draw(t, "single") {
		return lwm2m.Resource{ID: kind, Value: valuetest.Draw(t, lwm2m.Kind(kind))}
	}
	r := lwm2m.Resource{ID: kind + valuetest.Multiple, Multiple: true}
	for _, id := range rapid.SliceOfN(rapid.Uint16Max(lwm2m.MaxID-1), 0, 4).Draw(t, "resource instances") {
		r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: id, Value: valuetest.Draw(t, lwm2m.Kind(kind))})
	}
	return r
}

func TestRoundTrip(t *testing.T) {
	reg := testRegistry()
	rapid.Check(t, func(t *rapid.T) {
		tree := drawTree(t)
		targets := []lwm2m.Path{lwm2m.PathOf(valuetest.Object)}
		if p, _ := tree.Payload(lwm2m.Path{}); len(p.Nodes)+len(p.Instances) > 0 {
			targets = slices.Concat(targets, p.Instances, p.Multiples)
			for _, n := range p.Nodes {
				targets = append(targets, n.Path)
			}
		}
		target := rapid.SampledFrom(targets).Draw(t, "target")
		want, _ := tree.Payload(target)
		b, err := Encode(target, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(target, b, reg)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Tree().Equal(want.Tree()) || !slices.Equal(got.Nodes, want.Nodes) {
			t.Fatalf("%v: %v became %v", target, want, got)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", deviceBare, deviceWrapped, "41 01 05", "d8 00 ff ff ff 41", "20 ff ff", "c0 09"} {
		for level := range uint8(5) {
			f.Add(level, unhex(f, seed))
		}
	}
	reg := testRegistry()
	f.Fuzz(func(t *testing.T, level uint8, data []byte) {
		base := lwm2m.PathOf(3, 0, 6, 1).Prefix(int(level % 5))
		p, err := Decode(base, data, reg)
		var de *lwm2m.DecodeError
		if err != nil {
			if !errors.As(err, &de) {
				t.Fatalf("untyped error %T", err)
			}
			return
		}
		b, err := Encode(base, p)
		if err != nil {
			t.Fatalf("decoded but cannot be encoded: %v", err)
		}
		q, err := Decode(base, b, reg)
		if err != nil || !q.Tree().Equal(p.Tree()) {
			t.Fatalf("%x decodes to %v, which encodes as %x: %v, %v", data, p, b, q, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	in, reg := unhex(b, deviceWrapped), testRegistry()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(path("/3"), in, reg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	p := lwm2m.Payload{Nodes: deviceNodes()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(path("/3"), p); err != nil {
			b.Fatal(err)
		}
	}
}
