package codec

import "github.com/holdfast-iot/holdfast/lwm2m"

// Creation is the content of a Create (section 6.3.6): one new instance.
type Creation struct {
	ID        uint16 // that the server has chosen, if any
	HasID     bool
	Resources []lwm2m.Resource // sorted by ID
}

// EncodeCreate writes the payload of a Create on an object. Errors are those of [Encode];
// in SenML and JSON, an instance that has an ID and no resources cannot be represented.
func EncodeCreate(f lwm2m.Format, object uint16, c Creation) ([]byte, error) {
	target := lwm2m.PathOf(object)
	row, err := find(Create, f, target)
	if err != nil {
		return nil, err
	}
	instance := lwm2m.Instance{ID: lwm2m.MaxID, Resources: c.Resources}
	if c.HasID {
		instance.ID = c.ID
	} else {
		target = target.Child(lwm2m.MaxID)
	}
	p := content(object, instance)
	if c.HasID && len(p.Nodes) == 0 && row.number != lwm2m.FormatTLV {
		return nil, &lwm2m.EncodeError{Format: "create", Path: target.Child(c.ID), Reason: lwm2m.ReasonMismatch, Detail: "an ID without resources"}
	}
	return row.encode(target, p)
}

// content is an instance in flat form.
func content(object uint16, i lwm2m.Instance) lwm2m.Payload {
	tree := lwm2m.NewTree()
	tree.PutInstance(object, i)
	p, _ := tree.Payload(lwm2m.PathOf(object, i.ID))
	return p
}

// DecodeCreate reads the payload of a Create on an object, with the types of the
// registry; resources that it does not define are there too, with the types that the
// format tells or as Opaque. Without resources the payload may be empty. The error is a
// [*FormatError] or a [*lwm2m.DecodeError]; more than one instance is one of the second.
// Paths in it have [lwm2m.MaxID] for an instance that has no ID.
func DecodeCreate(f lwm2m.Format, object uint16, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (Creation, error) {
	row, err := find(Create, f, lwm2m.PathOf(object))
	if err != nil {
		return Creation{}, err
	}
	p, err := row.create(object, data, reg, limits)
	if err != nil || len(p.Instances) == 0 {
		return Creation{}, err
	}
	id := p.Instances[0].Instance()
	i, _ := p.Tree().Instance(object, id)
	if id == lwm2m.MaxID {
		return Creation{Resources: i.Resources}, nil
	}
	return Creation{ID: id, HasID: true, Resources: i.Resources}, nil
}
