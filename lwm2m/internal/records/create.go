package records

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Create returns the payload of a Create on the target, an object: its nodes are those
// of one instance, whose ID is [lwm2m.MaxID] where the records name none. They name
// resources below the instance, or below the object itself: one of two segments says
// that none of them has an instance. The error is a [*lwm2m.DecodeError].
func (p Pack) Create(records []Record) (lwm2m.Payload, error) {
	r := newResolver(p)
	if withoutInstance(records) {
		r.place = below(p.Target)
	}
	out, err := r.all(records)
	if err != nil {
		return lwm2m.Payload{}, err
	}
	if len(out.Instances) > 1 {
		return lwm2m.Payload{}, p.Fail(-1, p.Target, strict.Refuse(lwm2m.ReasonStructure, "a Create makes one instance"))
	}
	return out, nil
}

// withoutInstance reports whether a record names a resource right below the object.
func withoutInstance(records []Record) bool {
	var base cursor
	for i := range records {
		base.next(&records[i])
		path, f := base.path(&records[i])
		if f == strict.None && path.Len() == 2 && records[i].valued() {
			return true
		}
	}
	return false
}

// below puts the resources right below an object into an instance without an ID.
func below(object lwm2m.Path) func(lwm2m.Path) (lwm2m.Path, strict.Fault) {
	return func(path lwm2m.Path) (lwm2m.Path, strict.Fault) {
		switch {
		case !object.Contains(path):
			return path, strict.None // which is refused for what it is
		case path.Len() == 2:
			return object.Child(lwm2m.MaxID).Child(path.Instance()), strict.None
		case path.Len() == 3:
			return object.Child(lwm2m.MaxID).Child(path.Instance()).Child(path.Resource()), strict.None
		}
		return path, strict.Refuse(lwm2m.ReasonStructure, "some resources have an instance, and others none")
	}
}
