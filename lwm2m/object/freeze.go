package object

import (
	"reflect"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// image is an instance as servers see it. It never changes: a change makes another one,
// which shares what is the same.
type image struct {
	frozen lwm2m.Instance // what servers can read, without what is computed
	ids    []uint16       // the resources that are there, sorted
	whole  bool           // nothing is computed
}

// painter makes the image of a struct from the image of what it was before.
type painter struct {
	resources growing[lwm2m.Resource]
	ids       growing[uint16]
	at        int // in the old resources: the first that has not been compared
	changed   []uint16
	computed  bool // there is something that is
}

// paint makes the image of a struct. changed, which is appended to, are the resources
// that servers read differently. The error is a [*ValueError].
func (p *plan) paint(v reflect.Value, old image, changed []uint16) (image, []uint16, error) {
	w := painter{resources: growing[lwm2m.Resource]{old: old.frozen.Resources}, ids: growing[uint16]{old: old.ids}, changed: changed}
	for _, f := range p.fields {
		if err := w.field(f, f.of(v)); err != nil {
			return old, nil, err
		}
	}
	frozen := lwm2m.Instance{ID: old.frozen.ID, Resources: w.resources.done()}
	return image{frozen, w.ids.done(), !w.computed}, w.changed, nil
}

func (w *painter) field(f *field, v reflect.Value) error {
	present := f.present(v)
	if !present && f.def.Mandatory {
		return f.fault(ValueMissing)
	}
	if present {
		id, found := w.ids.next()
		w.ids.add(f.def.ID, found && id == f.def.ID)
	}
	if !f.isValue() {
		w.computed = w.computed || present && f.shape == shapeComputed
		return nil
	}
	if !f.readable() {
		return w.unseen(f, v, present)
	}
	return w.value(f, v, present)
}

// unseen checks what servers cannot read, and leaves it out.
func (w *painter) unseen(f *field, v reflect.Value, present bool) error {
	if !present {
		return nil
	}
	_, err := f.resource(v, lwm2m.Resource{})
	return err
}

// value compares one resource with what it was.
func (w *painter) value(f *field, v reflect.Value, present bool) error {
	old, had := w.before(f.def.ID)
	if !present {
		if had {
			w.resources.diverge()
			w.changed = append(w.changed, f.def.ID)
		}
		return nil
	}
	r, err := f.resource(v, old)
	if err != nil {
		return err
	}
	same := had && r.Value == old.Value && slices.Equal(r.Instances, old.Instances)
	if !same {
		w.changed = append(w.changed, f.def.ID)
	}
	w.resources.add(r, same && !w.resources.differs)
	return nil
}

// before finds a resource in the old image. It is asked in the order of the IDs.
func (w *painter) before(id uint16) (lwm2m.Resource, bool) {
	if old := w.resources.old; w.at < len(old) && old[w.at].ID == id {
		w.at++
		return old[w.at-1], true
	}
	return lwm2m.Resource{}, false
}
