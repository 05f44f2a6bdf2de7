package offer

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// offered is an object with a definition and instances, and nothing behind them.
type offered struct {
	def       lwm2m.ObjectDef
	instances []uint16
}

func (o offered) Definition() lwm2m.ObjectDef { return o.def }
func (o offered) Instances() []uint16         { return o.instances }

func (o offered) Read(context.Context, lwm2m.Path) ([]lwm2m.Resource, error) { return nil, nil }

// Each fault of an object that is offered is named, with where it is.
func TestObjectsAreChecked(t *testing.T) {
	r, e := lwm2m.OpRead, lwm2m.OpExecute
	with := func(resources ...lwm2m.ResourceDef) object.Object {
		return offered{def: lwm2m.ObjectDef{ID: 3303, Resources: resources}}
	}
	for _, c := range []struct {
		offer object.Object
		want  string
	}{
		{offered{def: lwm2m.ObjectDef{ID: 3, Mandatory: true}, instances: []uint16{0}}, ""},
		{with(lwm2m.ResourceDef{ID: 1, Kind: lwm2m.KindFloat, Operations: r}, lwm2m.ResourceDef{ID: 2, Operations: e}), ""},
		{nil, "is nil"},
		{(*object.Values)(nil), "is nil"},
		{with(lwm2m.ResourceDef{ID: 1, Kind: lwm2m.KindBoolean, Operations: r, Range: lwm2m.Range{Max: 1}}), "resource 1 has a range, and none is possible for boolean: leave it out"},
		{offered{def: lwm2m.ObjectDef{ID: 0}}, "has the ID 0, and that object is the client's own"},
		{offered{def: lwm2m.ObjectDef{ID: 1}}, "has the ID 1, and that object is the client's own"},
		{offered{def: lwm2m.ObjectDef{ID: 2}}, "has the ID 2, and that object is the client's own"},
		{offered{def: lwm2m.ObjectDef{ID: 21}}, "has the ID 21, and that object is the client's own"},
		{offered{def: lwm2m.ObjectDef{ID: 65535}}, "has the ID 65535, which is reserved"},
		{offered{def: lwm2m.ObjectDef{ID: 4000}}, "has the ID 4000, as objects[0]"},
		{offered{def: lwm2m.ObjectDef{ID: 5, Version: "1"}}, `has a Version that is not "major.minor"`},
		{with(lwm2m.ResourceDef{ID: 65535}), "resource 65535 has a reserved ID"},
		{with(lwm2m.ResourceDef{ID: 7}, lwm2m.ResourceDef{ID: 7}), "resource 7 is defined twice"},
		{with(lwm2m.ResourceDef{ID: 7, Kind: 99}), "resource 7 has a Kind that is not known"},
		{with(lwm2m.ResourceDef{ID: 7, Kind: lwm2m.KindFloat, Operations: r | e}), "resource 7 can be executed, and read or written too: make two resources of it"},
		{with(lwm2m.ResourceDef{ID: 7, Operations: r}), "resource 7 can be read or written, and has no Kind"},
		{with(lwm2m.ResourceDef{ID: 7, Operations: e, Kind: lwm2m.KindFloat}), "resource 7 can be executed, and has a Kind: leave it out"},
		{with(lwm2m.ResourceDef{ID: 7, Operations: e, Multiple: true}), "resource 7 can be executed, and is Multiple"},
		{with(lwm2m.ResourceDef{ID: 7, Kind: lwm2m.KindInteger, Operations: r, Range: lwm2m.Range{Min: 2, Max: 1}}), "resource 7 has a Range whose Min is above its Max"},
		{offered{def: lwm2m.ObjectDef{ID: 5, Multiple: true}, instances: []uint16{3, 1}}, "has instances that are not sorted, or one of them twice"},
		{offered{def: lwm2m.ObjectDef{ID: 5, Multiple: true}, instances: []uint16{1, 1}}, "has instances that are not sorted, or one of them twice"},
		{offered{def: lwm2m.ObjectDef{ID: 5, Multiple: true}, instances: []uint16{65535}}, "has an instance 65535, which is reserved"},
		{offered{def: lwm2m.ObjectDef{ID: 5}, instances: []uint16{1}}, "is not Multiple, and has other instances than 0"},
	} {
		got := ""
		for _, p := range Check([]object.Object{offered{def: lwm2m.ObjectDef{ID: 4000, Multiple: true}}, c.offer}) {
			if got += p.Text; p.At != 1 {
				t.Errorf("%s: of the other object", p.Text)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v: %s", c.offer, diff)
		}
	}
}
