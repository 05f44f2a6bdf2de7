package reporting

import (
	"errors"
	"maps"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// MaxAttributed is at how many paths one server can set attributes.
const MaxAttributed = 1024

// ErrFull is the error of [Table.Put] when a server has set attributes at
// [MaxAttributed] paths.
var ErrFull = errors.New("attributes are set at too many paths")

// Table has the attributes that one server has set. The zero value is empty and ready
// for use.
type Table struct {
	at map[lwm2m.Path]Attributes
	// thresholds counts the paths that have one: without any, values are only
	// compared for being the same.
	thresholds int
}

// Put sets the attributes of a path, as a whole. The only error is [ErrFull].
func (t *Table) Put(path lwm2m.Path, a Attributes) error {
	was, there := t.at[path]
	switch {
	case a.IsZero():
		delete(t.at, path)
	case !there && len(t.at) == MaxAttributed:
		return ErrFull
	case t.at == nil:
		t.at = map[lwm2m.Path]Attributes{path: a}
	default:
		t.at[path] = a
	}
	t.count(was, -1)
	t.count(a, +1)
	return nil
}

func (t *Table) count(a Attributes, by int) {
	if a.thresholds() {
		t.thresholds += by
	}
}

// At returns what the server has set at the path itself.
func (t *Table) At(path lwm2m.Path) Attributes { return t.at[path] }

// InForce returns what counts at a path: of what is set there and above, the most
// specific of each attribute. The defaults of the Server object are not in it.
func (t *Table) InForce(path lwm2m.Path) (a Attributes) {
	if len(t.at) == 0 {
		return a
	}
	for n := path.Len(); n > 0; n-- {
		a = a.Over(t.at[path.Prefix(n)])
	}
	return a
}

// Thresholds returns what decides whether a change at a path is worth telling; nil
// where nothing does and any change is.
func (t *Table) Thresholds() func(lwm2m.Path) Attributes {
	if t.thresholds == 0 {
		return nil
	}
	return t.InForce
}

// Forget removes what is set at a path and below, because what it names is gone. It
// reports whether there was anything.
func (t *Table) Forget(path lwm2m.Path) bool {
	before := len(t.at)
	for _, p := range t.Paths() {
		if path.Contains(p) {
			t.count(t.at[p], -1)
			delete(t.at, p)
		}
	}
	return len(t.at) != before
}

// Len is at how many paths attributes are set.
func (t *Table) Len() int { return len(t.at) }

// Paths returns the paths at which attributes are set, sorted.
func (t *Table) Paths() []lwm2m.Path {
	return slices.SortedFunc(maps.Keys(t.at), lwm2m.Path.Compare)
}
