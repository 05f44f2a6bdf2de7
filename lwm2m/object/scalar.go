package object

import (
	"reflect"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Link is the value of an Object Link resource: an object and one of its instances.
type Link struct {
	Object, Instance uint16
}

// NoLink is the link to nothing.
var NoLink = Link{lwm2m.MaxID, lwm2m.MaxID}

// CoreLink is the value of a Corelnk resource: a link of RFC 6690, unparsed.
type CoreLink string

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	linkType     = reflect.TypeFor[Link]()
	coreLinkType = reflect.TypeFor[CoreLink]()
)

// scalar converts between a Go type and one kind of value.
type scalar struct {
	natural lwm2m.Kind // what get and set speak of
	kind    lwm2m.Kind // that of the resource
	get     func(reflect.Value) lwm2m.Value
	// set reports whether the value fits the Go type.
	set func(reflect.Value, lwm2m.Value) bool
	// absent reports whether a Go value means that there is none.
	absent func(reflect.Value) bool
}

// value is the value of a Go value; ok is false when the kind has no place for it.
func (s *scalar) value(v reflect.Value) (value lwm2m.Value, ok bool) {
	value = s.get(v)
	if s.natural == s.kind {
		return value, true
	}
	value, err := value.As(s.kind)
	return value, err == nil
}

// put sets a Go value, and reports whether it has a place for the value.
func (s *scalar) put(v reflect.Value, value lwm2m.Value) bool {
	value, err := value.As(s.natural)
	return err == nil && s.set(v, value)
}

// scalarOf returns the conversion for a Go type and a kind; KindNone is the one that
// is natural for the type.
func scalarOf(t reflect.Type, kind lwm2m.Kind) (*scalar, bool) {
	s, found := special(t)
	if !found {
		s, found = plain(t)
	}
	if !found || t == durationType {
		return nil, false
	}
	if s.kind = kind; kind == lwm2m.KindNone {
		s.kind = s.natural
	}
	return &s, convertible(s.natural, s.kind)
}

// families are kinds that the same Go types can hold.
var families = [][]lwm2m.Kind{
	{lwm2m.KindString, lwm2m.KindCoreLink},
	{lwm2m.KindInteger, lwm2m.KindUnsigned},
}

func convertible(a, b lwm2m.Kind) bool {
	return a == b || slices.ContainsFunc(families, func(f []lwm2m.Kind) bool {
		return slices.Contains(f, a) && slices.Contains(f, b)
	})
}

// special are the types that are more than their underlying ones.
func special(t reflect.Type) (scalar, bool) {
	switch {
	case t == timeType:
		return timeScalar, true
	case t == linkType:
		return linkScalar, true
	case t == coreLinkType:
		return coreLinkScalar, true
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return opaqueScalar, true
	default:
		return scalar{}, false
	}
}

func plain(t reflect.Type) (s scalar, found bool) {
	switch t.Kind() {
	case reflect.String:
		return stringScalar, true
	case reflect.Bool:
		return boolScalar, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return intScalar, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return uintScalar, true
	case reflect.Float32, reflect.Float64:
		return floatScalar, true
	default:
		return scalar{}, false
	}
}

var (
	stringScalar = scalar{
		natural: lwm2m.KindString,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.String(v.String()) },
		set:     func(v reflect.Value, x lwm2m.Value) bool { v.SetString(x.Text()); return true },
	}
	coreLinkScalar = scalar{
		natural: lwm2m.KindCoreLink,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.CoreLink(v.String()) },
		set:     func(v reflect.Value, x lwm2m.Value) bool { v.SetString(x.Text()); return true },
	}
	boolScalar = scalar{
		natural: lwm2m.KindBoolean,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.Boolean(v.Bool()) },
		set:     func(v reflect.Value, x lwm2m.Value) bool { v.SetBool(x.Bool()); return true },
	}
	intScalar = scalar{
		natural: lwm2m.KindInteger,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.Integer(v.Int()) },
		set: func(v reflect.Value, x lwm2m.Value) bool {
			v.SetInt(x.Int())
			return v.Int() == x.Int()
		},
	}
	uintScalar = scalar{
		natural: lwm2m.KindUnsigned,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.Unsigned(v.Uint()) },
		set: func(v reflect.Value, x lwm2m.Value) bool {
			v.SetUint(x.Uint())
			return v.Uint() == x.Uint()
		},
	}
	floatScalar = scalar{
		natural: lwm2m.KindFloat,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.Float(v.Float()) },
		set: func(v reflect.Value, x lwm2m.Value) bool {
			v.SetFloat(x.Float64())
			return !v.OverflowFloat(x.Float64())
		},
	}
	opaqueScalar = scalar{
		natural: lwm2m.KindOpaque,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.Opaque(v.Bytes()) },
		set:     func(v reflect.Value, x lwm2m.Value) bool { v.SetBytes(x.Bytes()); return true },
		absent:  reflect.Value.IsNil,
	}
	timeScalar = scalar{
		natural: lwm2m.KindTime,
		get:     func(v reflect.Value) lwm2m.Value { return lwm2m.Time(timeOf(v)) },
		set: func(v reflect.Value, x lwm2m.Value) bool {
			v.Set(reflect.ValueOf(x.When()))
			return !x.When().IsZero() // which would mean that there is none
		},
		absent: func(v reflect.Value) bool { return timeOf(v).IsZero() },
	}
	linkScalar = scalar{
		natural: lwm2m.KindObjectLink,
		get: func(v reflect.Value) lwm2m.Value {
			return lwm2m.ObjectLink(uint16(v.Field(0).Uint()), uint16(v.Field(1).Uint()))
		},
		set: func(v reflect.Value, x lwm2m.Value) bool {
			object, instance := x.Link()
			v.Set(reflect.ValueOf(Link{object, instance}))
			return true
		},
	}
)

// timeOf avoids a copy on the heap where it can: what an update compares is
// addressable.
func timeOf(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}
