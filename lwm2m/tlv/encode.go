package tlv

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Encode encodes what base names, in the form that [DecodeLimited] reads:
// instances of an object are wrapped in Object Instance entries, the resources
// of an instance are bare, a single resource or resource instance is one entry.
// Everything comes out sorted by ID; an object or instance without content is
// empty. Nodes outside base, values without content (KindNone), text that is not UTF-8
// and entries above 16 MiB are a [*lwm2m.EncodeError].
func Encode(base lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	if base.Len() == 0 {
		return nil, fail(base, lwm2m.ReasonMismatch, "TLV cannot address the root")
	}
	if err := check(base, p); err != nil {
		return nil, err
	}
	if base.Len() == 3 && len(p.Nodes) == 1 && p.Nodes[0].Path == base && len(p.Multiples) == 0 {
		return appendValue(nil, kindResource, base, base.Resource(), p.Nodes[0].Value) // by far the most frequent
	}
	t := p.Tree()
	switch base.Len() {
	case 1:
		return encodeObject(t, base.Object())
	case 2:
		i, _ := t.Instance(base.Object(), base.Instance())
		return appendResources(nil, base, i)
	default:
		return encodeOne(t, base)
	}
}

func fail(p lwm2m.Path, r lwm2m.Reason, detail string) error {
	return &lwm2m.EncodeError{Format: format, Path: p, Reason: r, Detail: detail}
}

// check finds nodes that are no values of the target.
func check(base lwm2m.Path, p lwm2m.Payload) error {
	for _, n := range p.Nodes {
		if n.Path.Len() < 3 || !base.Contains(n.Path) {
			return fail(n.Path, lwm2m.ReasonPath, "not a value of the target")
		}
	}
	return nil
}

func encodeObject(t *lwm2m.Tree, obj uint16) ([]byte, error) {
	var out []byte
	for _, id := range t.Instances(obj) {
		i, _ := t.Instance(obj, id)
		path := lwm2m.PathOf(obj, id)
		body, err := appendResources(nil, path, i)
		if err != nil {
			return nil, err
		}
		if out, err = appendChecked(out, kindObjectInstance, path, id, body); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// encodeOne encodes a single resource or resource instance, which must be there.
func encodeOne(t *lwm2m.Tree, target lwm2m.Path) ([]byte, error) {
	r, found := t.Resource(target.Prefix(3))
	if !found {
		return nil, fail(target, lwm2m.ReasonMismatch, "the target has no value")
	}
	if target.Len() == 3 {
		return appendResource(nil, target, r)
	}
	v, found := t.Value(target)
	if !found {
		return nil, fail(target, lwm2m.ReasonMismatch, "the target has no value")
	}
	return appendValue(nil, kindResourceInstance, target, target.ResourceInstance(), v)
}

func appendResources(b []byte, path lwm2m.Path, i lwm2m.Instance) ([]byte, error) {
	var err error
	for _, r := range i.Resources {
		if b, err = appendResource(b, path.Child(r.ID), r); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendResource(b []byte, path lwm2m.Path, r lwm2m.Resource) ([]byte, error) {
	if !r.Multiple {
		return appendValue(b, kindResource, path, r.ID, r.Value)
	}
	var body []byte
	var err error
	for _, ri := range r.Instances {
		if body, err = appendValue(body, kindResourceInstance, path.Child(ri.ID), ri.ID, ri.Value); err != nil {
			return nil, err
		}
	}
	return appendChecked(b, kindMultipleResource, path, r.ID, body)
}

func appendValue(b []byte, kind byte, path lwm2m.Path, id uint16, v lwm2m.Value) ([]byte, error) {
	value, ok := encodeValue(v)
	if !ok {
		return nil, fail(path, lwm2m.ReasonMismatch, "no value to encode, or text that is not UTF-8")
	}
	return appendChecked(b, kind, path, id, value)
}

// appendChecked appends an entry that the format can carry.
func appendChecked(b []byte, kind byte, path lwm2m.Path, id uint16, value []byte) ([]byte, error) {
	if id == lwm2m.MaxID {
		return nil, fail(path, lwm2m.ReasonPath, "reserved ID 65535")
	}
	if len(value) > maxLength {
		return nil, fail(path, lwm2m.ReasonLimit, "longer than 16 MiB")
	}
	return appendEntry(b, kind, id, value), nil
}
