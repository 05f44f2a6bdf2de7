package lwm2m

import "slices"

// Tree is a set of objects, sorted by ID at every level. It copies what it takes
// and what it gives, so nobody outside holds a part of it; [Tree.Clone] gives it
// value semantics. It checks no definitions. Not safe for concurrent use. The
// zero value is an empty tree.
type Tree struct {
	objects []Object
	// shared says that objects may belong to clones too: then they are never
	// changed, and the first change to this tree takes a copy.
	shared bool
}

// NewTree returns an empty tree.
func NewTree() *Tree { return &Tree{} }

// Clone is an independent copy. It costs nothing until one of the two is changed:
// only then are the objects copied. The clone may be used on another goroutine.
func (t *Tree) Clone() *Tree {
	if !t.shared {
		t.shared = true
	}
	return &Tree{objects: t.objects, shared: true}
}

// own makes sure that the objects are this tree's alone, before a change.
func (t *Tree) own() {
	if t.shared {
		t.objects, t.shared = sorted(t.objects, cloneObject), false
	}
}

// Equal reports whether both hold the same objects, instances and values.
func (t *Tree) Equal(o *Tree) bool {
	return slices.EqualFunc(t.objects, o.objects, equalObjects)
}

// Objects lists the object IDs in order, objects without instances included.
func (t *Tree) Objects() []uint16 { return ids(t.objects) }

// Instances lists an object's instance IDs in order; none for an unknown object.
func (t *Tree) Instances(obj uint16) []uint16 {
	at, found := find(t.objects, obj)
	if !found {
		return nil
	}
	return ids(t.objects[at].Instances)
}

func ids[T identified](s []T) []uint16 {
	out := make([]uint16, len(s))
	for i, item := range s {
		out[i] = item.id()
	}
	return out
}

// Instance is a copy of an object instance.
func (t *Tree) Instance(obj, inst uint16) (Instance, bool) {
	i := t.instance(obj, inst)
	if i == nil {
		return Instance{}, false
	}
	return cloneInstance(*i), true
}

// HasInstance reports whether there is an object instance.
func (t *Tree) HasInstance(obj, inst uint16) bool { return t.instance(obj, inst) != nil }

// instance points into the tree, nil when there is none. Whoever changes it calls
// own first.
func (t *Tree) instance(obj, inst uint16) *Instance {
	at, found := find(t.objects, obj)
	if !found {
		return nil
	}
	instances := t.objects[at].Instances
	at, found = find(instances, inst)
	if !found {
		return nil
	}
	return &instances[at]
}

// PutObject makes sure that the object exists, with no instances if it is new.
func (t *Tree) PutObject(obj uint16) { t.object(obj) }

// object points into the tree and creates the object if need be.
func (t *Tree) object(obj uint16) *Object {
	t.own()
	at, found := find(t.objects, obj)
	if !found {
		t.objects = slices.Insert(t.objects, at, Object{ID: obj})
	}
	return &t.objects[at]
}

// PutInstance creates an object instance or replaces it as a whole. The object
// is created if need be. Resources need no order; of two with the same ID the
// last stays.
func (t *Tree) PutInstance(obj uint16, i Instance) {
	o := t.object(obj)
	o.Instances = put(o.Instances, cloneInstance(i))
}

// DeleteInstance removes an object instance and reports whether there was one.
// The object stays, without instances if it was the last.
func (t *Tree) DeleteInstance(obj, inst uint16) bool {
	t.own()
	at, found := find(t.objects, obj)
	if !found {
		return false
	}
	o := &t.objects[at]
	o.Instances, found = drop(o.Instances, inst)
	return found
}

// DeleteObject removes an object with all its instances.
func (t *Tree) DeleteObject(obj uint16) {
	if t.shared { // what is left still is
		t.objects = slices.Clone(t.objects)
	}
	t.objects, _ = drop(t.objects, obj)
}

// Resource is a copy of the resource at a path of three segments; other paths
// name no resource.
func (t *Tree) Resource(path Path) (Resource, bool) {
	i := t.instance(path.Object(), path.Instance())
	if path.Len() != 3 || i == nil {
		return Resource{}, false
	}
	r, found := i.Resource(path.Resource())
	return cloneResource(r), found
}

// Value is the value at a path of three segments (single-instance resource) or
// four (resource instance).
func (t *Tree) Value(path Path) (Value, bool) {
	i := t.instance(path.Object(), path.Instance())
	if path.Len() < 3 || i == nil {
		return Value{}, false
	}
	r, found := i.Resource(path.Resource())
	if !found || r.Multiple != (path.Len() == 4) {
		return Value{}, false
	}
	if !r.Multiple {
		return r.Value, true
	}
	at, found := find(r.Instances, path.ResourceInstance())
	if !found {
		return Value{}, false
	}
	return r.Instances[at].Value, true
}

// PutResource creates a resource or replaces it as a whole. The object and the
// instance are created if need be.
func (t *Tree) PutResource(obj, inst uint16, r Resource) {
	i := t.ensureInstance(obj, inst)
	i.Resources = put(i.Resources, cloneResource(r))
}

// ensureInstance points into the tree and creates the instance if need be.
func (t *Tree) ensureInstance(obj, inst uint16) *Instance {
	o := t.object(obj)
	at, found := find(o.Instances, inst)
	if !found {
		o.Instances = slices.Insert(o.Instances, at, Instance{ID: inst})
	}
	return &o.Instances[at]
}

// DeleteResource removes the resource at a path of three segments, or the
// resource instance at a path of four, and reports whether there was one.
func (t *Tree) DeleteResource(path Path) bool {
	t.own()
	i := t.instance(path.Object(), path.Instance())
	if path.Len() < 3 || i == nil {
		return false
	}
	if path.Len() == 4 {
		return i.deleteResourceInstance(path.Resource(), path.ResourceInstance())
	}
	var found bool
	i.Resources, found = drop(i.Resources, path.Resource())
	return found
}

func (i *Instance) deleteResourceInstance(res, ri uint16) bool {
	at, found := find(i.Resources, res)
	if !found {
		return false
	}
	r := &i.Resources[at]
	r.Instances, found = drop(r.Instances, ri)
	return found
}
