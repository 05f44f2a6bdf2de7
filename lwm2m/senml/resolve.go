package senml

import "github.com/holdfast-iot/holdfast/lwm2m"

// resolver turns the records of one pack into a payload.
type resolver struct {
	format string
	target lwm2m.Path
	reg    *lwm2m.Registry
	base   string // the base name in force
	seen   map[lwm2m.Path]seenAs
	out    lwm2m.Payload
}

// seenAs tells in which role a path has been mentioned.
type seenAs uint8

const (
	seenContainer seenAs = iota + 1 // has something below it
	seenValue
)

func resolve(format string, target lwm2m.Path, records []record, reg *lwm2m.Registry) (lwm2m.Payload, error) {
	r := &resolver{format: format, target: target, reg: reg, seen: make(map[lwm2m.Path]seenAs)}
	if target.Len() >= 2 {
		r.container(target.Prefix(2))
	}
	for i, rec := range records {
		if path, f := r.record(rec); f != noFault {
			return lwm2m.Payload{}, r.fail(i, path, f)
		}
	}
	return r.out, nil
}

func (r *resolver) fail(index int, path lwm2m.Path, f fault) error {
	return &lwm2m.DecodeError{Format: r.format, Offset: index, Path: path, Reason: f.reason, Detail: f.detail}
}

// record resolves one record. The path is as much as is known of it.
func (r *resolver) record(rec record) (lwm2m.Path, fault) {
	if rec.baseName != nil {
		r.base = *rec.baseName
	}
	if rec.bare() {
		return r.target, noFault
	}
	path, err := lwm2m.ParsePath(r.base + rec.name)
	if err != nil {
		return r.target, fault{lwm2m.ReasonPath, "the resolved name is not an absolute numeric path"}
	}
	if !r.target.Contains(path) {
		return path, fault{lwm2m.ReasonPath, "outside the target of the request"}
	}
	if path.Len() < 3 {
		return path, fault{lwm2m.ReasonStructure, "only a resource or resource instance has a value"}
	}
	if rec.value == nil {
		return path, fault{lwm2m.ReasonStructure, "no value"}
	}
	return path, r.node(path, *rec.value)
}

// node adds the value at a path of three or four segments.
func (r *resolver) node(path lwm2m.Path, natural lwm2m.Value) fault {
	def, known := r.reg.Resource(path)
	if known && def.Multiple != (path.Len() == 4) {
		return fault{lwm2m.ReasonStructure, "path length does not fit the resource"}
	}
	v, f := typed(natural, def, known)
	if f != noFault {
		return f
	}
	r.container(path.Prefix(2))
	if path.Len() == 4 && !r.container(path.Prefix(3)) {
		return fault{lwm2m.ReasonDuplicate, "both a value and resource instances"}
	}
	if r.seen[path] != 0 {
		return fault{lwm2m.ReasonDuplicate, "path given twice"}
	}
	r.seen[path] = seenValue
	r.out.Nodes = append(r.out.Nodes, lwm2m.Node{Path: path, Value: v, Unknown: !known})
	return noFault
}

// container notes an object instance or multiple resource once. It reports
// false for a path that has been given a value.
func (r *resolver) container(path lwm2m.Path) bool {
	if r.seen[path] == 0 {
		r.seen[path] = seenContainer
		if path.Len() == 2 {
			r.out.Instances = append(r.out.Instances, path)
		} else {
			r.out.Multiples = append(r.out.Multiples, path)
		}
	}
	return r.seen[path] == seenContainer
}

// typed gives a value the kind of the definition. SenML has one number type and
// writes whole floats as integers and integers as floats.
func typed(natural lwm2m.Value, def lwm2m.ResourceDef, known bool) (lwm2m.Value, fault) {
	if !known {
		return natural, noFault
	}
	v, err := natural.As(def.Kind)
	if err != nil {
		return lwm2m.Value{}, fault{lwm2m.ReasonValue, "the value has another type than the resource"}
	}
	return v, noFault
}

// names splits the paths of one pack into a base name and relative names.
type names struct {
	base   string
	prefix int  // bytes of a full path that the base name covers
	whole  bool // the base name is that of the only node
}

// namesFor picks the base name: the target itself when it is the only node, else
// the target as a prefix.
func namesFor(target lwm2m.Path, nodes []lwm2m.Node) names {
	base := target.String()
	if len(nodes) == 1 && nodes[0].Path == target {
		return names{base: base, whole: true}
	}
	if target.Len() > 0 {
		base += "/"
	}
	return names{base: base, prefix: len(base)}
}

func (n names) relative(p lwm2m.Path) string {
	if n.whole {
		return ""
	}
	return p.String()[n.prefix:]
}

// checkNodes finds nodes that a pack for target cannot carry.
func checkNodes(format string, target lwm2m.Path, nodes []lwm2m.Node) error {
	for _, n := range nodes {
		if f := checkNode(target, n, len(nodes)); f != noFault {
			return &lwm2m.EncodeError{Format: format, Path: n.Path, Reason: f.reason, Detail: f.detail}
		}
	}
	return nil
}

func checkNode(target lwm2m.Path, n lwm2m.Node, count int) fault {
	switch {
	case n.Path.Len() < 3 || !target.Contains(n.Path):
		return fault{lwm2m.ReasonPath, "not a value of the target"}
	case target.Len() == 3 && n.Path == target && count > 1:
		return fault{lwm2m.ReasonDuplicate, "a single value among others"}
	case n.Value.Kind() == lwm2m.KindNone:
		return fault{lwm2m.ReasonMismatch, "no value to encode"}
	}
	return noFault
}
