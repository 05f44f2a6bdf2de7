package accounts

import (
	"cmp"
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// The limits of everything that is stored. They hold wherever a record is
// made, kept or read: what could not be read is never written.
const (
	// MaxRecord is the size in bytes of the largest record, and the largest
	// limits.bootstrap_bytes.
	MaxRecord = 1 << 20
	// MaxElements is the length of the longest list in a record: of objects, of
	// the instances of an object, of the resources of an instance, and of the
	// values of a resource. The object list of as many instances is less than
	// 64 KiB, which a Register can carry.
	MaxElements = 4096
	// maxNesting is how deep lists stand in each other; nine are in use.
	maxNesting = 10
)

// Limits bound what a bootstrap may leave: the lists by [MaxElements], and the
// whole by Bytes.
type Limits struct {
	// Bytes bounds objects 0, 1 and 2 as a whole, in the form in which they are
	// stored. 0 and more than [MaxRecord] mean MaxRecord. Reading asks for no
	// more than MaxRecord: what was stored under a larger limit stays readable
	// when the limit is lowered.
	Bytes int
}

func (l Limits) bytes() int { return min(cmp.Or(l.Bytes, MaxRecord), MaxRecord) }

// Measure names what a limit counts.
type Measure string

// What limits count.
const (
	MeasureBytes     Measure = "bytes as stored"
	MeasureObjects   Measure = "objects"
	MeasureInstances Measure = "instances of one object"
	MeasureResources Measure = "resources of one instance"
	MeasureValues    Measure = "values of one resource"
)

// LimitError says that a tree holds more than may be stored.
type LimitError struct {
	Path    lwm2m.Path // whose list is too long; the root for bytes and objects
	Measure Measure
	Max     int // how many there may be
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: more than %d %s", e.Path, e.Max, string(e.Measure))
}

// Check tells whether a tree may be stored. The error is a [*LimitError].
func (l Limits) Check(tree *lwm2m.Tree) error { return l.check(tree, &size{}) }

// CheckWith is Check for the tree that every instance of an object has the resource
// in, in place of one with its ID, if it has one.
func (l Limits) CheckWith(tree *lwm2m.Tree, obj uint16, r lwm2m.Resource) error {
	return l.check(tree, &size{object: obj, resource: &r})
}

func (l Limits) check(tree *lwm2m.Tree, s *size) error {
	if err := s.tree(tree); err != nil {
		return err
	}
	if limit := l.bytes(); s.bytes > limit {
		return &LimitError{Measure: MeasureBytes, Max: limit}
	}
	return nil
}

// EncodeWithin is [Encode] for what is to be stored: it returns nothing that
// [Decode] would refuse or read as another tree. The error is a [*LimitError]
// or a [*RecordError].
func EncodeWithin(tree *lwm2m.Tree, limits Limits) ([]byte, error) {
	if err := limits.Check(tree); err != nil {
		return nil, err
	}
	data := Encode(tree)
	back, err := Decode(data)
	switch {
	case err != nil:
		return nil, err
	case !back.Equal(tree):
		return nil, &RecordError{RecordForm}
	}
	return data, nil
}
