package accounts

import (
	"math"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// size counts the bytes of the record of a tree, and finds lists that are too long
// for one, without encoding anything: a server's every Write is measured. Each
// instance of the object counts as if it had the resource too, in place of the one
// with its ID.
type size struct {
	bytes    int
	object   uint16
	resource *lwm2m.Resource // nil for none
}

// bytesOf returns the size of the record of a tree, as far as it can be stored.
func bytesOf(tree *lwm2m.Tree) int {
	var s size
	_ = s.tree(tree) // a list that is too long is refused elsewhere
	return s.bytes
}

func (s *size) tree(tree *lwm2m.Tree) error {
	objects := tree.Objects()
	s.bytes += head(2) + head(recordVersion) + head(len(objects))
	if len(objects) > MaxElements {
		return &LimitError{Measure: MeasureObjects, Max: MaxElements}
	}
	for _, obj := range objects {
		if err := s.instances(tree, obj); err != nil {
			return err
		}
	}
	return nil
}

func (s *size) instances(tree *lwm2m.Tree, obj uint16) error {
	instances := tree.Instances(obj)
	s.bytes += head(2) + head(int(obj)) + head(len(instances))
	if len(instances) > MaxElements {
		return &LimitError{Path: lwm2m.PathOf(obj), Measure: MeasureInstances, Max: MaxElements}
	}
	for _, inst := range instances {
		i, _ := tree.Instance(obj, inst)
		if err := s.instance(lwm2m.PathOf(obj, inst), i); err != nil {
			return err
		}
	}
	return nil
}

func (s *size) instance(path lwm2m.Path, i lwm2m.Instance) error {
	count := len(i.Resources)
	if s.resource != nil && path.Object() == s.object {
		if _, replaced := i.Resource(s.resource.ID); !replaced {
			count++
		}
		s.one(*s.resource)
	}
	s.bytes += head(2) + head(int(i.ID)) + head(count)
	if count > MaxElements {
		return &LimitError{Path: path, Measure: MeasureResources, Max: MaxElements}
	}
	for _, r := range i.Resources {
		if len(r.Instances) > MaxElements {
			return &LimitError{Path: path.Child(r.ID), Measure: MeasureValues, Max: MaxElements}
		}
		if s.resource == nil || path.Object() != s.object || r.ID != s.resource.ID {
			s.one(r)
		}
	}
	return nil
}

func (s *size) one(r lwm2m.Resource) {
	s.bytes += head(3) + head(int(r.ID)) + 1
	if !r.Multiple {
		s.bytes += head(1)
		s.value(0, r.Value)
		return
	}
	s.bytes += head(len(r.Instances))
	for _, ri := range r.Instances {
		s.value(ri.ID, ri.Value)
	}
}

func (s *size) value(id uint16, v lwm2m.Value) {
	s.bytes += head(4) + head(int(id)) + head(int(v.Kind())) + head(number(v)) + head(v.Size()) + v.Size()
}

// head is the length of the head of a CBOR item (RFC 8949 section 3): of an
// unsigned integer, or of the length of a string or list.
func head[N int | uint64](n N) int {
	switch n := uint64(n); {
	case n < 24:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	case n <= math.MaxUint32:
		return 5
	}
	return 9
}
