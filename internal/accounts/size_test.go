package accounts

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// The size is that of the record to the byte, also with a resource in every
// instance of an object.
func TestSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := anyTree().Draw(t, "tree")
		var s size
		if err := s.tree(tree); err != nil {
			t.Fatal(err)
		}
		if want := len(Encode(tree)); s.bytes != want {
			t.Fatalf("%d bytes, encoded %d", s.bytes, want)
		}
		obj := rapid.SampledFrom(append(tree.Objects(), 7)).Draw(t, "object")
		r := lwm2m.Resource{ID: rapid.Uint16Max(3).Draw(t, "resource"), Value: lwm2m.Integer(rapid.Int64().Draw(t, "value"))}
		with := tree.Clone()
		for _, inst := range tree.Instances(obj) {
			with.PutResource(obj, inst, r)
		}
		want := len(Encode(with))
		if err := (Limits{Bytes: want}).CheckWith(tree, obj, r); err != nil {
			t.Errorf("%d bytes fit: %v", want, err)
		}
		var beyond *LimitError
		if err := (Limits{Bytes: want - 1}).CheckWith(tree, obj, r); !errors.As(err, &beyond) || beyond.Measure != MeasureBytes {
			t.Errorf("%d bytes do not fit: %v", want, err)
		}
	})
}

// A resource that is added counts for the length of the list as well.
func TestSizeOfAFullInstance(t *testing.T) {
	tree := lwm2m.NewTree()
	i := lwm2m.Instance{}
	for id := range uint16(MaxElements) {
		i.Resources = append(i.Resources, lwm2m.Resource{ID: id, Value: lwm2m.Boolean(true)})
	}
	tree.PutInstance(1, i)
	if err := (Limits{}).CheckWith(tree, 1, lwm2m.Resource{ID: 12, Value: lwm2m.Boolean(true)}); err != nil {
		t.Errorf("one in place of another: %v", err)
	}
	var beyond *LimitError
	if err := (Limits{}).CheckWith(tree, 1, lwm2m.Resource{ID: MaxElements}); !errors.As(err, &beyond) || beyond.Measure != MeasureResources {
		t.Errorf("one more: %v", err)
	}
	if err := (Limits{}).CheckWith(tree, 2, lwm2m.Resource{ID: MaxElements}); err != nil {
		t.Errorf("one more of another object: %v", err)
	}
}

func TestHead(t *testing.T) {
	for n, want := range map[uint64]int{0: 1, 23: 1, 24: 2, 255: 2, 256: 3, 65535: 3, 65536: 5, math.MaxUint32: 5, math.MaxUint32 + 1: 9, math.MaxUint64: 9} {
		if got := head(n); got != want {
			t.Errorf("%d: %d bytes", n, got)
		}
	}
}
