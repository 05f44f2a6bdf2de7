package tlv

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Decode decodes what was written to, or read from, base with the default
// limits. See [DecodeLimited].
func Decode(base lwm2m.Path, data []byte, reg *lwm2m.Registry) (lwm2m.Payload, error) {
	return DecodeLimited(base, data, reg, lwm2m.Limits{})
}

// DecodeLimited decodes data, whose meaning depends on base:
//
//   - an object: Object Instance entries;
//   - an object instance: bare resources, or all of them wrapped in one Object
//     Instance entry with the ID of base. Both are in use;
//   - a resource: one Resource or Multiple Resource entry with the ID of base;
//   - a resource instance: one Resource Instance entry with the ID of base.
//
// TLV has no form for the root. The registry gives the types; a resource that it
// does not define becomes an opaque node marked Unknown. Empty strings and
// opaques are values. The error is a [*lwm2m.DecodeError].
func DecodeLimited(base lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	limits = limits.OrDefault()
	d := &decoder{reg: reg, left: limits.Nodes, seen: make(map[lwm2m.Path]struct{})}
	if len(data) > limits.Bytes {
		return lwm2m.Payload{}, d.fail(0, base, lwm2m.ReasonLimit, "input too long")
	}
	if err := d.decode(base, data); err != nil {
		return lwm2m.Payload{}, err
	}
	return d.out, nil
}

// decoder holds one decoding. Nothing of out is given away after an error.
type decoder struct {
	reg  *lwm2m.Registry
	left int // entries that may still come
	seen map[lwm2m.Path]struct{}
	out  lwm2m.Payload
}

func (d *decoder) fail(at int, p lwm2m.Path, r lwm2m.Reason, detail string) error {
	return &lwm2m.DecodeError{Format: format, Offset: at, Path: p, Reason: r, Detail: detail}
}

func (d *decoder) decode(base lwm2m.Path, data []byte) error {
	switch base.Len() {
	case 1:
		return d.each(base, data, 0, d.objectInstance)
	case 2:
		return d.instanceTarget(base, data)
	case 3:
		d.mentionInstance(base.Prefix(2))
		return d.single(base, data, d.resource)
	case 4:
		d.mentionInstance(base.Prefix(2))
		d.out.Multiples = append(d.out.Multiples, base.Prefix(3))
		return d.single(base, data, d.resourceInstance)
	default:
		return d.fail(0, base, lwm2m.ReasonMismatch, "TLV cannot address the root")
	}
}

// handler takes one entry found below parent.
type handler func(parent lwm2m.Path, e entry) error

// each hands every entry of data to h. Offsets in errors start at offset.
func (d *decoder) each(parent lwm2m.Path, data []byte, offset int, h handler) error {
	for len(data) > 0 {
		e, n, err := d.next(parent, data, offset)
		if err != nil {
			return err
		}
		if err := h(parent, e); err != nil {
			return err
		}
		data = data[n:]
		offset += n
	}
	return nil
}

// next reads one entry and counts it.
func (d *decoder) next(parent lwm2m.Path, data []byte, offset int) (entry, int, error) {
	e, n, reason, detail := readEntry(data, offset)
	if reason != "" {
		return entry{}, 0, d.fail(offset, parent, reason, detail)
	}
	if d.left--; d.left < 0 {
		return entry{}, 0, d.fail(offset, parent, lwm2m.ReasonLimit, "too many entries")
	}
	return e, n, nil
}

// instanceTarget decodes a target that is one object instance. The first entry
// tells the bare form from the wrapped one.
func (d *decoder) instanceTarget(base lwm2m.Path, data []byte) error {
	if len(data) > 0 && data[0]>>6 == kindObjectInstance {
		return d.single(base, data, d.objectInstance)
	}
	d.mentionInstance(base)
	return d.each(base, data, 0, d.resource)
}

// single decodes exactly one entry, whose ID must be that of target.
func (d *decoder) single(target lwm2m.Path, data []byte, h handler) error {
	parent := target.Prefix(target.Len() - 1)
	e, n, err := d.next(parent, data, 0)
	if err != nil {
		return err
	}
	if n != len(data) {
		return d.fail(n, target, lwm2m.ReasonSyntax, "more than one entry for one target")
	}
	if parent.Child(e.id) != target {
		return d.fail(0, target, lwm2m.ReasonPath, "the entry has another ID than the target")
	}
	return h(parent, e)
}

func (d *decoder) objectInstance(parent lwm2m.Path, e entry) error {
	path, err := d.enter(parent, e)
	if err != nil {
		return err
	}
	if e.kind != kindObjectInstance {
		return d.fail(e.at, path, lwm2m.ReasonStructure, "want an Object Instance entry")
	}
	d.mentionInstance(path)
	return d.each(path, e.value, e.valueAt, d.resource)
}

func (d *decoder) resource(parent lwm2m.Path, e entry) error {
	path, err := d.enter(parent, e)
	if err != nil {
		return err
	}
	def, known := d.reg.Resource(path)
	switch {
	case e.kind == kindResource && !(known && def.Multiple):
		return d.value(path, e, def, known)
	case e.kind == kindMultipleResource && (!known || def.Multiple):
		d.out.Multiples = append(d.out.Multiples, path)
		return d.each(path, e.value, e.valueAt, d.resourceInstance)
	default:
		return d.fail(e.at, path, lwm2m.ReasonStructure, "entry kind does not fit the resource")
	}
}

func (d *decoder) resourceInstance(parent lwm2m.Path, e entry) error {
	path, err := d.enter(parent, e)
	if err != nil {
		return err
	}
	def, known := d.reg.Resource(path)
	if e.kind != kindResourceInstance || (known && !def.Multiple) {
		return d.fail(e.at, path, lwm2m.ReasonStructure, "want a Resource Instance entry of a multiple resource")
	}
	return d.value(path, e, def, known)
}

// enter checks an entry's ID and returns its path.
func (d *decoder) enter(parent lwm2m.Path, e entry) (lwm2m.Path, error) {
	if e.id == lwm2m.MaxID {
		return parent, d.fail(e.at, parent, lwm2m.ReasonPath, "reserved ID 65535")
	}
	path := parent.Child(e.id)
	if _, again := d.seen[path]; again {
		return path, d.fail(e.at, path, lwm2m.ReasonDuplicate, "ID given twice")
	}
	d.seen[path] = struct{}{}
	return path, nil
}

func (d *decoder) mentionInstance(path lwm2m.Path) {
	d.out.Instances = append(d.out.Instances, path)
}

func (d *decoder) value(path lwm2m.Path, e entry, def lwm2m.ResourceDef, known bool) error {
	kind := def.Kind
	if !known {
		kind = lwm2m.KindOpaque
	}
	v, problem := decodeValue(kind, e.value)
	if problem != "" {
		return d.fail(e.at, path, lwm2m.ReasonValue, problem)
	}
	d.out.Nodes = append(d.out.Nodes, lwm2m.Node{Path: path, Value: v, Unknown: !known})
	return nil
}
