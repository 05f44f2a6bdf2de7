package lwm2m

import (
	"cmp"
	"slices"
)

// ResourceInstance is one value of a multiple-instance resource.
type ResourceInstance struct {
	ID    uint16
	Value Value
}

// Resource is one resource of an object instance: a Value, or Instances sorted
// by ID when Multiple is set. A multiple-instance resource may have none.
type Resource struct {
	ID        uint16
	Multiple  bool
	Value     Value
	Instances []ResourceInstance
}

// Instance is one object instance, its resources sorted by ID.
type Instance struct {
	ID        uint16
	Resources []Resource
}

// Object is one object, its instances sorted by ID. It may have none.
type Object struct {
	ID        uint16
	Instances []Instance
}

// Resource finds a resource by ID. The result shares its Instances with i.
func (i Instance) Resource(id uint16) (Resource, bool) {
	at, found := find(i.Resources, id)
	if !found {
		return Resource{}, false
	}
	return i.Resources[at], true
}

// Value finds the value of a single-instance resource.
func (i Instance) Value(id uint16) (Value, bool) {
	r, found := i.Resource(id)
	return r.Value, found && !r.Multiple
}

// identified is what the sorted slices of the model hold.
type identified interface{ id() uint16 }

func (r ResourceInstance) id() uint16 { return r.ID }
func (r Resource) id() uint16         { return r.ID }
func (i Instance) id() uint16         { return i.ID }
func (o Object) id() uint16           { return o.ID }
func (d ResourceDef) id() uint16      { return d.ID }

// find returns where id is, or where it belongs, in a sorted slice.
func find[T identified](s []T, id uint16) (int, bool) {
	return slices.BinarySearchFunc(s, id, func(e T, id uint16) int {
		return cmp.Compare(e.id(), id)
	})
}

// put replaces the item of the same ID, or inserts it in order.
func put[T identified](s []T, item T) []T {
	at, found := find(s, item.id())
	if found {
		s[at] = item
		return s
	}
	return slices.Insert(s, at, item)
}

// drop removes the item with the ID and reports whether there was one.
func drop[T identified](s []T, id uint16) ([]T, bool) {
	at, found := find(s, id)
	if !found {
		return s, false
	}
	return slices.Delete(s, at, at+1), true
}

// sorted is a sorted copy of s; of several items with one ID the last stays.
func sorted[T identified](s []T, clone func(T) T) []T {
	out := make([]T, 0, len(s))
	for _, item := range s {
		out = put(out, clone(item))
	}
	return out
}

func cloneResource(r Resource) Resource {
	if !r.Multiple {
		r.Instances = nil
		return r
	}
	r.Value = Value{}
	r.Instances = sorted(r.Instances, func(ri ResourceInstance) ResourceInstance { return ri })
	return r
}

func cloneInstance(i Instance) Instance {
	i.Resources = sorted(i.Resources, cloneResource)
	return i
}

func cloneObject(o Object) Object {
	o.Instances = sorted(o.Instances, cloneInstance)
	return o
}

func equalResources(a, b Resource) bool {
	return a.ID == b.ID && a.Multiple == b.Multiple && a.Value == b.Value &&
		slices.Equal(a.Instances, b.Instances)
}

func equalInstances(a, b Instance) bool {
	return a.ID == b.ID && slices.EqualFunc(a.Resources, b.Resources, equalResources)
}

func equalObjects(a, b Object) bool {
	return a.ID == b.ID && slices.EqualFunc(a.Instances, b.Instances, equalInstances)
}
