package records

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Pack says what the records of one payload are to be resolved against.
type Pack struct {
	Format   string // for errors
	Target   lwm2m.Path
	Registry *lwm2m.Registry
	// Convert gives a value the kind of its definition.
	Convert func(lwm2m.Value, lwm2m.Kind) (lwm2m.Value, error)
	// Deletes says that a record without a value, or with null, removes a resource
	// instance; otherwise it is refused.
	Deletes bool
}

// Fail is the error of the record with that index, -1 for none.
func (p Pack) Fail(index int, path lwm2m.Path, f strict.Fault) error {
	return &lwm2m.DecodeError{Format: p.Format, Offset: index, Path: path, Reason: f.Reason, Detail: f.Detail}
}

// Resolve returns the payload of a write to the target, or of what was read from it.
// Every name must be the target or lie below it. Times do not matter. The error is a
// [*lwm2m.DecodeError].
func (p Pack) Resolve(records []Record) (lwm2m.Payload, error) {
	r := newResolver(p)
	return r.all(records)
}

// cursor holds the base fields in force.
type cursor struct {
	name string
	time float64
}

// next takes a record's base fields over.
func (c *cursor) next(rec *Record) {
	if rec.BaseName != nil {
		c.name = *rec.BaseName
	}
	if rec.BaseTime != nil {
		c.time = *rec.BaseTime
	}
}

// path is the record's resolved name.
func (c *cursor) path(rec *Record) (lwm2m.Path, strict.Fault) {
	path, err := lwm2m.ParsePath(c.name + rec.Name)
	if err != nil {
		return path, strict.Refuse(lwm2m.ReasonPath, "the resolved name is not an absolute numeric path")
	}
	return path, strict.None
}

// resolver turns records into a payload.
type resolver struct {
	Pack
	base cursor
	seen map[lwm2m.Path]seenAs
	out  lwm2m.Payload
	// place is where a path of the records belongs; nil for the path itself.
	place func(lwm2m.Path) (lwm2m.Path, strict.Fault)
}

// seenAs tells in which role a path has been mentioned.
type seenAs uint8

const (
	seenContainer seenAs = iota + 1 // has something below it
	seenValue
	seenShrinking // has something below it removed
)

func newResolver(p Pack) *resolver {
	r := &resolver{Pack: p, seen: make(map[lwm2m.Path]seenAs)}
	if p.Target.Len() >= 2 {
		r.container(p.Target.Prefix(2))
	}
	return r
}

func (r *resolver) all(records []Record) (lwm2m.Payload, error) {
	for i := range records {
		if path, f := r.record(&records[i]); f != strict.None {
			return lwm2m.Payload{}, r.Fail(i, path, f)
		}
	}
	return r.out, nil
}

// record resolves one record. The path is as much as is known of it.
func (r *resolver) record(rec *Record) (lwm2m.Path, strict.Fault) {
	r.base.next(rec)
	if rec.bare() && !(r.Deletes && rec.Named) {
		return r.Target, strict.None
	}
	path, f := r.base.path(rec)
	if f == strict.None && r.place != nil {
		path, f = r.place(path)
	}
	if f != strict.None {
		return r.Target, f
	}
	return path, r.at(path, rec)
}

// at takes the record's content in.
func (r *resolver) at(path lwm2m.Path, rec *Record) strict.Fault {
	switch {
	case !r.Target.Contains(path):
		return strict.Refuse(lwm2m.ReasonPath, "outside the target of the request")
	case path.Len() < 3:
		return strict.Refuse(lwm2m.ReasonStructure, "only a resource or resource instance has a value")
	case rec.hasValue():
		return r.node(path, rec)
	case r.Deletes:
		return r.remove(path)
	case rec.Null:
		return strict.Refuse(lwm2m.ReasonValue, "null is no value")
	}
	return strict.Refuse(lwm2m.ReasonStructure, "no value")
}

// node adds the value at a path of three or four segments.
func (r *resolver) node(path lwm2m.Path, rec *Record) strict.Fault {
	def, known := r.Registry.Resource(path)
	if known && def.Multiple != (path.Len() == 4) {
		return strict.Refuse(lwm2m.ReasonStructure, "path length does not fit the resource")
	}
	v, f := r.typed(rec, def, known)
	if f != strict.None {
		return f
	}
	r.container(path.Prefix(2))
	if path.Len() == 4 && !r.container(path.Prefix(3)) {
		return strict.Refuse(lwm2m.ReasonDuplicate, "both a value and resource instances")
	}
	if f := r.once(path); f != strict.None {
		return f
	}
	r.out.Nodes = append(r.out.Nodes, lwm2m.Node{Path: path, Value: v, Unknown: !known})
	return strict.None
}

// remove notes a resource instance to be removed.
func (r *resolver) remove(path lwm2m.Path) strict.Fault {
	def, known := r.Registry.Resource(path)
	if path.Len() != 4 || (known && !def.Multiple) {
		return strict.Refuse(lwm2m.ReasonStructure, "only a resource instance can be removed")
	}
	if r.seen[path.Prefix(3)] == seenValue {
		return strict.Refuse(lwm2m.ReasonDuplicate, "both a value and resource instances")
	}
	if f := r.once(path); f != strict.None {
		return f
	}
	if r.seen[path.Prefix(3)] == 0 {
		r.seen[path.Prefix(3)] = seenShrinking
	}
	r.out.Deleted = append(r.out.Deleted, path)
	return strict.None
}

// once refuses a path that has been there before.
func (r *resolver) once(path lwm2m.Path) strict.Fault {
	if r.seen[path] != 0 {
		return strict.Refuse(lwm2m.ReasonDuplicate, "path given twice")
	}
	r.seen[path] = seenValue
	return strict.None
}

// container notes an object instance or multiple resource once. It reports
// false for a path that has been given a value.
func (r *resolver) container(path lwm2m.Path) bool {
	if as := r.seen[path]; as == 0 || as == seenShrinking {
		r.seen[path] = seenContainer
		if path.Len() == 2 {
			r.out.Instances = append(r.out.Instances, path)
		} else {
			r.out.Multiples = append(r.out.Multiples, path)
		}
	}
	return r.seen[path] == seenContainer
}

// typed gives a value the kind of the definition. The formats have one number type
// and write whole floats as integers and integers as floats.
func (r *resolver) typed(rec *Record, def lwm2m.ResourceDef, known bool) (lwm2m.Value, strict.Fault) {
	if !known {
		return rec.Value, strict.None
	}
	v, err := r.Convert(rec.Value, def.Kind)
	if err != nil || rec.Rounded && def.Kind != lwm2m.KindFloat {
		return lwm2m.Value{}, strict.Refuse(lwm2m.ReasonValue, "the value has another type than the resource")
	}
	return v, strict.None
}
