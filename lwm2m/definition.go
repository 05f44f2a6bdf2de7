package lwm2m

import (
	"slices"
	"strings"
)

// Operations says what a management server may do with a resource. The
// bootstrap interface is not bound by it.
type Operations uint8

// The operations of a resource definition.
const (
	OpRead Operations = 1 << iota
	OpWrite
	OpExecute
)

// Has reports whether all operations of o are allowed.
func (ops Operations) Has(o Operations) bool { return ops&o == o }

// String is "R", "RW", "E", or "-" for none.
func (ops Operations) String() string {
	var b strings.Builder
	for i, letter := range []byte("RWE") {
		if ops.Has(1 << i) {
			b.WriteByte(letter)
		}
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

// Range bounds a numeric value, or the length in bytes of a String or Opaque,
// both ends included. The zero Range means no bound.
type Range struct {
	Min, Max int64
}

// FloatRange bounds a Float, both ends included.
type FloatRange struct {
	Min, Max float64
}

// Details are what few definitions say of a resource, or few programs ask for. They
// are kept apart so that the other definitions stay small.
type Details struct {
	Units       string // as the definition writes them: "Cel", "%", "m/s2" (RFC 8428 section 12.1)
	Description string
	// Ranges are where the value, or the length in bytes, lies in one of several,
	// such as an enumeration.
	Ranges []Range
	// Floats are the ranges of a Float, where these are no whole numbers or several.
	Floats []FloatRange
}

// ResourceDef defines one resource of an object.
type ResourceDef struct {
	ID         uint16
	Name       string
	Kind       Kind
	Operations Operations
	Multiple   bool
	Mandatory  bool
	Range      Range
	Details    *Details // nil when there are none; shared by copies of the definition, and never changed
}

// Units are those of the resource, "" where it has none.
func (d ResourceDef) Units() string {
	if d.Details == nil {
		return ""
	}
	return d.Details.Units
}

// Check tells whether v fits the definition. An empty String or Opaque always
// does: servers write it for "not set". The error is a [*RangeError].
func (d ResourceDef) Check(v Value) error {
	if v.Kind() == d.Kind && d.inRange(v) {
		return nil
	}
	return &RangeError{Resource: d.ID, Name: d.Name, Kind: d.Kind, Got: v.Kind(), Range: d.Range, Details: d.Details}
}

// RangeFault says what is wrong with the ranges of the definition, in words that follow
// the resource; "" when nothing is. Ranges are of whole numbers, of Floats and of lengths,
// and those in Details.Floats are of Floats only: with others a definition would allow
// nothing, or everything.
func (d ResourceDef) RangeFault() string {
	ranges, floats := []Range{d.Range}, []FloatRange(nil)
	if d.Details != nil {
		ranges, floats = append(ranges, d.Details.Ranges...), d.Details.Floats
	}
	bounded := d.Range != (Range{}) || len(ranges) > 1 || len(floats) > 0
	switch {
	case !bounded:
		return ""
	case slices.ContainsFunc(ranges, func(r Range) bool { return r.Min > r.Max }),
		slices.ContainsFunc(floats, func(r FloatRange) bool { return !(r.Min <= r.Max) }):
		return "has a Range whose Min is above its Max"
	case d.Kind == KindNone, d.Kind == KindBoolean, d.Kind == KindObjectLink:
		return "has a range, and none is possible for " + d.Kind.String() + ": leave it out"
	case d.Kind != KindFloat && len(floats) > 0:
		return "has a range that is not of whole numbers, and is no float: write whole numbers"
	case d.isLength() && slices.ContainsFunc(ranges, func(r Range) bool { return r.Max < 0 }):
		return "has a range of lengths that are negative"
	}
	return ""
}

// isLength reports whether the ranges are those of a length.
func (d ResourceDef) isLength() bool {
	return d.Kind == KindString || d.Kind == KindOpaque || d.Kind == KindCoreLink
}

func (d ResourceDef) inRange(v Value) bool {
	if d.Range != (Range{}) && !d.Range.holds(v) {
		return false
	}
	if d.Details == nil {
		return true
	}
	return allowed(d.Details.Ranges, v, Range.holds) && allowed(d.Details.Floats, v, FloatRange.holds)
}

// allowed reports whether one of the ranges has the value; with none there is no
// bound.
func allowed[R any](ranges []R, v Value, holds func(R, Value) bool) bool {
	return len(ranges) == 0 || slices.ContainsFunc(ranges, func(r R) bool { return holds(r, v) })
}

func (r FloatRange) holds(v Value) bool {
	f := v.Float64()
	return v.Kind() != KindFloat || f >= r.Min && f <= r.Max
}

func (r Range) holds(v Value) bool {
	n := int64(v.Size())
	switch v.Kind() {
	case KindString, KindOpaque, KindCoreLink:
		if n == 0 {
			return true
		}
	case KindFloat:
		return FloatRange{Min: float64(r.Min), Max: float64(r.Max)}.holds(v)
	default:
		i, ok := v.exactInt()
		if !ok {
			return false
		}
		n = i
	}
	return n >= r.Min && n <= r.Max
}

// ObjectDef defines one object. Resources are sorted by ID once it is in a
// [Registry].
type ObjectDef struct {
	ID        uint16
	Name      string
	Version   string // "1.0" when empty
	Multiple  bool
	Mandatory bool
	Resources []ResourceDef

	LWM2MVersion string // the least version of LwM2M that has the object; "1.0" when empty
	URN          string // "urn:oma:lwm2m:ext:3303:1.1"; may be empty
	Description  string // for people; may be empty
}

// Resource finds a definition by resource ID. The resources must be sorted.
func (o *ObjectDef) Resource(id uint16) (ResourceDef, bool) {
	at, found := find(o.Resources, id)
	if !found {
		return ResourceDef{}, false
	}
	return o.Resources[at], true
}

// Registry holds object definitions. It cannot be changed once made and may be
// shared between goroutines. A nil Registry defines nothing.
type Registry struct {
	objects map[uint16]*ObjectDef
}

// NewRegistry makes a registry of copies of the definitions; of two with the
// same object ID the last stays.
func NewRegistry(defs ...ObjectDef) *Registry {
	r := &Registry{objects: make(map[uint16]*ObjectDef, len(defs))}
	for _, d := range defs {
		d.Resources = sorted(d.Resources, func(rd ResourceDef) ResourceDef { return rd })
		r.objects[d.ID] = &d
	}
	return r
}

// Object finds a definition by object ID. The result must not be changed.
func (r *Registry) Object(id uint16) (*ObjectDef, bool) {
	if r == nil {
		return nil, false
	}
	d, found := r.objects[id]
	return d, found
}

// Resource finds the definition of the resource that a path of three or four
// segments names.
func (r *Registry) Resource(path Path) (ResourceDef, bool) {
	d, found := r.Object(path.Object())
	if !found || path.Len() < 3 {
		return ResourceDef{}, false
	}
	return d.Resource(path.Resource())
}
