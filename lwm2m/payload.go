package lwm2m

import (
	"cmp"
	"slices"
)

// Node is one value in flat form: a single-instance resource (path of three
// segments) or a resource instance (four).
type Node struct {
	Path  Path
	Value Value
	// Unknown is set by decoders when the registry does not define the resource.
	// TLV does not say a type, so the value then is the raw bytes, KindOpaque;
	// SenML does, and the value has the kind that the field implies.
	Unknown bool
}

// Payload is the flat form of a request's or response's content. It is what the
// decoders return and the encoders take.
type Payload struct {
	Nodes []Node
	// Instances holds every object instance mentioned, in order of appearance,
	// also when it has no resources. Encoders need only the empty ones.
	Instances []Path
	// Multiples holds every multiple-instance resource mentioned, also when it
	// has no instances. Encoders need only the empty ones.
	Multiples []Path
	// Deleted holds the resource instances that a Write-Composite removes, in order of
	// appearance. Nothing else has any.
	Deleted []Path
}

// Limits bounds a decoder. A zero field means the default.
type Limits struct {
	Bytes int // input length, default 64 KiB
	Nodes int // values and containers together, default 4096
}

// Default limits: 64 KiB is what a bootstrap may write in one request unless
// configured otherwise.
const (
	DefaultMaxBytes = 64 << 10
	DefaultMaxNodes = 4096
)

// OrDefault fills in the defaults.
func (l Limits) OrDefault() Limits {
	return Limits{
		Bytes: cmp.Or(l.Bytes, DefaultMaxBytes),
		Nodes: cmp.Or(l.Nodes, DefaultMaxNodes),
	}
}

// Objects groups the payload into sorted objects. Of two nodes for one path the
// last stays; decoders return no duplicates.
func (p Payload) Objects() []Object { return p.Tree().objects }

// Tree groups the payload into a tree of its own.
func (p Payload) Tree() *Tree {
	t := NewTree()
	for _, path := range p.Instances {
		t.ensureInstance(path.Object(), path.Instance())
	}
	for _, path := range p.Multiples {
		t.multiple(path)
	}
	for _, n := range p.Nodes {
		t.putNode(n)
	}
	return t
}

// multiple points to the multiple-instance resource at path, made if need be.
func (t *Tree) multiple(path Path) *Resource {
	i := t.ensureInstance(path.Object(), path.Instance())
	at, found := find(i.Resources, path.Resource())
	if !found || !i.Resources[at].Multiple {
		i.Resources = put(i.Resources, Resource{ID: path.Resource(), Multiple: true})
	}
	return &i.Resources[at]
}

func (t *Tree) putNode(n Node) {
	if n.Path.Len() == 4 {
		r := t.multiple(n.Path)
		r.Instances = put(r.Instances, ResourceInstance{ID: n.Path.ResourceInstance(), Value: n.Value})
		return
	}
	t.PutResource(n.Path.Object(), n.Path.Instance(), Resource{ID: n.Path.Resource(), Value: n.Value})
}

// Filter is the payload without the nodes, empty multiple-instance resources and
// removals for whose path keep says no. Instances stay.
func (p Payload) Filter(keep func(Path) bool) Payload {
	return Payload{
		Nodes:     slices.DeleteFunc(slices.Clone(p.Nodes), func(n Node) bool { return !keep(n.Path) }),
		Instances: p.Instances,
		Multiples: kept(p.Multiples, keep),
		Deleted:   kept(p.Deleted, keep),
	}
}

func kept(paths []Path, keep func(Path) bool) []Path {
	return slices.DeleteFunc(slices.Clone(paths), func(q Path) bool { return !keep(q) })
}

// Payload is everything at and below target, sorted; false when nothing exists
// there. The root always exists.
func (t *Tree) Payload(target Path) (Payload, bool) {
	var p Payload
	switch target.Len() {
	case 0:
		for _, o := range t.objects {
			p.addObject(o)
		}
		return p, true
	case 1:
		at, found := find(t.objects, target.Object())
		if found {
			p.addObject(t.objects[at])
		}
		return p, found
	}
	i := t.instance(target.Object(), target.Instance())
	if i == nil {
		return p, false
	}
	return PayloadOf(target, *i)
}

// PayloadOf is what the object instance i has at and below target, a path of two to
// four segments whose object and instance IDs name i; false when nothing is there.
func PayloadOf(target Path, i Instance) (p Payload, found bool) {
	if target.Len() == 2 {
		p.addInstance(target, i)
		return p, true
	}
	found = p.addOne(target, i)
	return p, found
}

func (p *Payload) addObject(o Object) {
	for _, i := range o.Instances {
		p.addInstance(PathOf(o.ID, i.ID), i)
	}
}

func (p *Payload) addInstance(path Path, i Instance) {
	p.Nodes = slices.Grow(p.Nodes, len(i.Resources))
	for _, r := range i.Resources {
		p.addResource(path.Child(r.ID), r)
	}
	p.Instances = append(p.Instances, path)
}

func (p *Payload) addResource(path Path, r Resource) {
	if !r.Multiple {
		p.Nodes = append(p.Nodes, Node{Path: path, Value: r.Value})
		return
	}
	for _, ri := range r.Instances {
		p.Nodes = append(p.Nodes, Node{Path: path.Child(ri.ID), Value: ri.Value})
	}
	p.Multiples = append(p.Multiples, path)
}

// addOne adds the resource or resource instance target of the instance, and
// reports whether it is there.
func (p *Payload) addOne(target Path, i Instance) bool {
	r, found := i.Resource(target.Resource())
	switch {
	case !found:
		return false
	case target.Len() == 3:
		p.addResource(target, r)
	default:
		at, there := find(r.Instances, target.ResourceInstance())
		if !there {
			return false
		}
		p.Nodes = append(p.Nodes, Node{Path: target, Value: r.Instances[at].Value})
		p.Multiples = append(p.Multiples, target.Prefix(3))
	}
	p.Instances = append(p.Instances, target.Prefix(2))
	return true
}
