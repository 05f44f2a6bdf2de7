package object

import (
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// field is one field of a struct as a resource.
type field struct {
	def    lwm2m.ResourceDef
	index  []int
	name   string // "Value"
	scalar *scalar
	shape  shape
	sample time.Duration // of a computed one

	result *field // of a computed one: what the function returns, as if it were a field
}

// shape says how a field holds a resource.
type shape uint8

const (
	shapePlain      shape = iota // X
	shapePointer                 // *X: nil is not there
	shapeList                    // []X: a resource with the instances 0, 1, 2 ...
	shapeMap                     // map[uint16]X: a resource with any instances
	shapeComputed                // func() X
	shapeExecutable              // func()
)

// of is the field of a struct.
func (f *field) of(v reflect.Value) reflect.Value { return v.FieldByIndex(f.index) }

// isValue reports whether the field holds its value, and is no function.
func (f *field) isValue() bool { return f.shape < shapeComputed }

func (f *field) readable() bool { return f.def.Operations.Has(lwm2m.OpRead) }
func (f *field) writable() bool { return f.def.Operations.Has(lwm2m.OpWrite) }

// present reports whether the resource is there.
func (f *field) present(v reflect.Value) bool {
	if f.shape == shapePlain {
		return f.scalar.absent == nil || !f.scalar.absent(v)
	}
	return !v.IsNil()
}

// fault is an error about the field's resource.
func (f *field) fault(reason ValueReason) *ValueError {
	return &ValueError{Path: lwm2m.PathOf(f.def.ID), Name: f.name, Reason: reason}
}

// resource is the resource of a field that is present. old is what it was before,
// whose Instances are kept when they are the same.
func (f *field) resource(v reflect.Value, old lwm2m.Resource) (r lwm2m.Resource, err error) {
	r = lwm2m.Resource{ID: f.def.ID, Multiple: f.def.Multiple}
	switch f.shape {
	case shapeList:
		r.Instances, err = f.list(v, old.Instances)
	case shapeMap:
		r.Instances, err = f.mapping(v, old.Instances)
	case shapePointer:
		r.Value, err = f.value(v.Elem(), old.Value)
	default:
		r.Value, err = f.value(v, old.Value)
	}
	return r, err
}

// value converts and checks one value. What is as it was has been checked before.
func (f *field) value(v reflect.Value, old lwm2m.Value) (lwm2m.Value, error) {
	value, ok := f.scalar.value(v)
	if !ok {
		return value, f.fault(ValueKind)
	}
	if value == old {
		return value, nil
	}
	return value, f.check(value)
}

func (f *field) check(value lwm2m.Value) error {
	if !utf8.ValidString(value.Text()) {
		return f.fault(ValueUTF8)
	}
	if err := f.def.Check(value); err != nil {
		fault := f.fault(ValueRange)
		fault.Err = err
		return fault
	}
	return nil
}

// list returns the instances of a slice: the old ones if these are the same.
func (f *field) list(v reflect.Value, old []lwm2m.ResourceInstance) ([]lwm2m.ResourceInstance, error) {
	g := growing[lwm2m.ResourceInstance]{old: old}
	for i := range v.Len() {
		if i >= lwm2m.MaxID {
			return nil, f.fault(ValueInstances)
		}
		value, err := f.instance(v.Index(i), uint16(i), &g)
		if err != nil {
			return nil, err
		}
		ri := lwm2m.ResourceInstance{ID: uint16(i), Value: value}
		before, found := g.next()
		g.add(ri, found && before == ri)
	}
	return g.done(), nil
}

// instance converts the value of one resource instance, the next one.
func (f *field) instance(v reflect.Value, id uint16, g *growing[lwm2m.ResourceInstance]) (lwm2m.Value, error) {
	var before lwm2m.Value
	if next, found := g.next(); found && next.ID == id {
		before = next.Value
	}
	return f.value(v, before)
}

// mapping returns the instances of a map: the old ones if these are the same.
func (f *field) mapping(v reflect.Value, old []lwm2m.ResourceInstance) ([]lwm2m.ResourceInstance, error) {
	if same, err := f.unchanged(v, old); same || err != nil {
		return old, err
	}
	out := make([]lwm2m.ResourceInstance, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		value, err := f.value(it.Value(), lwm2m.Value{})
		if err != nil {
			return nil, err
		}
		id := uint16(it.Key().Uint())
		if id == lwm2m.MaxID {
			return nil, f.fault(ValueInstances)
		}
		out = append(out, lwm2m.ResourceInstance{ID: id, Value: value})
	}
	slices.SortFunc(out, func(a, b lwm2m.ResourceInstance) int { return int(a.ID) - int(b.ID) })
	return out, nil
}

// unchanged reports whether a map holds these instances.
func (f *field) unchanged(v reflect.Value, old []lwm2m.ResourceInstance) (bool, error) {
	if v.Len() != len(old) {
		return false, nil
	}
	for it := v.MapRange(); it.Next(); {
		at, found := instanceAt(old, uint16(it.Key().Uint()))
		if !found {
			return false, nil
		}
		value, ok := f.scalar.value(it.Value())
		if !ok {
			return false, f.fault(ValueKind)
		}
		if value != old[at].Value {
			return false, nil
		}
	}
	return true, nil
}

func instanceAt(instances []lwm2m.ResourceInstance, id uint16) (int, bool) {
	return slices.BinarySearchFunc(instances, id, func(ri lwm2m.ResourceInstance, id uint16) int { return int(ri.ID) - int(id) })
}

// detach gives a field of a shallow copy values of its own, so that who changes them
// changes the copy only.
func (f *field) detach(v reflect.Value) {
	switch {
	case f.shape != shapePlain && v.IsNil():
	case f.shape == shapePlain:
		v.Set(f.copied(v))
	case f.shape == shapePointer:
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(f.copied(v.Elem()))
		v.Set(p)
	case f.shape == shapeList:
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		for i := 0; f.opaque() && i < list.Len(); i++ {
			list.Index(i).Set(f.copied(list.Index(i)))
		}
		v.Set(list)
	case f.shape == shapeMap:
		m := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			m.SetMapIndex(it.Key(), f.copied(it.Value()))
		}
		v.Set(m)
	}
}

// opaque reports whether the values are slices of bytes.
func (f *field) opaque() bool { return f.scalar.natural == lwm2m.KindOpaque }

// copied is a scalar with bytes of its own.
func (f *field) copied(v reflect.Value) reflect.Value {
	if !f.opaque() || v.IsNil() {
		return v
	}
	b := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	reflect.Copy(b, v)
	return b
}

// shared reports whether copies of the struct share what the field holds.
func (f *field) shared() bool {
	return f.isValue() && (f.shape != shapePlain || f.opaque())
}
