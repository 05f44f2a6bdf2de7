package codec

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// spread is values of every type in several instances, in flat form.
func spread(t *rapid.T) lwm2m.Payload {
	tree := lwm2m.NewTree()
	for _, k := range kinds {
		inst := rapid.Uint16Max(3).Draw(t, "object instance")
		tree.PutResource(object, inst, lwm2m.Resource{ID: uint16(k), Value: valuetest.Draw(t, k)})
		tree.PutResource(object, inst, lwm2m.Resource{ID: uint16(k) + multiple, Multiple: true, Instances: []lwm2m.ResourceInstance{
			{ID: rapid.Uint16Max(lwm2m.MaxID-1).Draw(t, "resource instance"), Value: valuetest.Draw(t, k)},
		}})
	}
	p, _ := tree.Payload(lwm2m.Path{})
	return p
}

// Every value of every type comes back from both directions of composites, in every
// format that has them, and a removal beside it.
func TestCompositesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := spread(t)
		for _, f := range Formats(CompositeAnswer) {
			data, err := EncodeComposite(f, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeComposite(f, data, registry, lwm2m.Limits{})
			if err != nil || !slices.Equal(got.Nodes, want.Nodes) {
				t.Fatalf("format %d: %v became %v, %v", f, want.Nodes, got.Nodes, err)
			}
		}
		want.Deleted = []lwm2m.Path{lwm2m.PathOf(object, 9, multiple+1, 4)}
		for _, f := range Formats(WriteComposite) {
			data, err := EncodeWriteComposite(f, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeWriteComposite(f, data, registry, lwm2m.Limits{})
			if err != nil || !slices.Equal(got.Nodes, want.Nodes) || !slices.Equal(got.Deleted, want.Deleted) {
				t.Fatalf("format %d: %v became %v, %v", f, want.Nodes, got, err)
			}
		}
	})
}

// The same for samples, whatever their target.
func TestSamplesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(1767355200123)
		all := spread(t)
		leaf := rapid.SampledFrom(all.Nodes).Draw(t, "node").Path
		target := leaf.Prefix(rapid.IntRange(0, 4).Draw(t, "length"))
		part, _ := all.Tree().Payload(target)
		want := []lwm2m.Sample{{Payload: part}, {At: at, Payload: part}, {At: at.Add(time.Millisecond), Payload: part}}
		for _, f := range Formats(Send) {
			data, err := EncodeSamples(f, target, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeSamples(f, target, data, at, registry, lwm2m.Limits{})
			if err != nil || len(got) != len(want) {
				t.Fatalf("format %d: %v, %v", f, got, err)
			}
			for i := range got {
				if !got[i].At.Equal(want[i].At) || !slices.Equal(got[i].Payload.Nodes, part.Nodes) {
					t.Fatalf("format %d: %v became %v", f, want[i], got[i])
				}
			}
		}
	})
}

// A composite that found nothing is an empty pack.
func TestNothingFound(t *testing.T) {
	for f, want := range map[lwm2m.Format]string{lwm2m.FormatSenMLJSON: "[]", lwm2m.FormatSenMLCBOR: "\x80"} {
		if got, err := EncodeComposite(f, lwm2m.Payload{}); err != nil || string(got) != want {
			t.Errorf("format %d: %q, %v", f, got, err)
		}
	}
}
