package accounts

import "github.com/holdfast-iot/holdfast/lwm2m"

// reader reads the resources of one instance and notes what is wrong.
type reader struct {
	tree   *lwm2m.Tree
	base   lwm2m.Path
	faults Faults
}

func newReader(tree *lwm2m.Tree, obj, inst uint16) *reader {
	return &reader{tree: tree, base: lwm2m.PathOf(obj, inst)}
}

func (r *reader) has(id uint16) bool {
	_, found := r.tree.Resource(r.base.Child(id))
	return found
}

func (r *reader) ok() bool { return len(r.faults) == 0 }

func (r *reader) fault(id uint16, reason Reason, cause error) {
	r.faults = append(r.faults, &Fault{Path: r.base.Child(id), Reason: reason, Cause: cause})
}

// need returns a mandatory value, the zero Value after a fault.
func (r *reader) need(id uint16, kind lwm2m.Kind) lwm2m.Value {
	if !r.has(id) {
		r.fault(id, ReasonMissing, nil)
		return lwm2m.Value{}
	}
	return r.optional(id, kind)
}

// optional returns a value, the zero Value when it is absent or after a fault.
func (r *reader) optional(id uint16, kind lwm2m.Kind) lwm2m.Value {
	if !r.has(id) {
		return lwm2m.Value{}
	}
	v, single := r.tree.Value(r.base.Child(id))
	if !single || v.Kind() != kind {
		r.fault(id, ReasonType, nil)
		return lwm2m.Value{}
	}
	return v
}

// bytes returns a mandatory opaque that has content.
func (r *reader) bytes(id uint16) []byte {
	before := len(r.faults)
	b := r.need(id, lwm2m.KindOpaque).Bytes()
	if len(b) == 0 && len(r.faults) == before {
		r.fault(id, ReasonEmpty, nil)
	}
	return b
}
