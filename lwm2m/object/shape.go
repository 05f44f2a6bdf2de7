package object

import (
	"context"
	"fmt"
	"reflect"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

const shapesHelp = "a resource is held by a string, an integer, a float, a bool, a []byte, a time.Time, an object.Link or " +
	"an object.CoreLink, by a pointer to one (nil: not there), by a slice or a map[uint16] of them (several instances), " +
	"or by a func that returns one"

// shapeAs settles how a field of type t holds its resource. defined says that the kind and
// the number of instances are given. The reason is for a person, empty on success.
func (f *field) shapeAs(t reflect.Type, defined bool) (reason string) {
	if t.Kind() == reflect.Func {
		return f.function(t, defined)
	}
	var element reflect.Type
	f.shape, element = shapeOf(t)
	s, ok := scalarOf(element, f.def.Kind)
	multiple := f.shape == shapeList || f.shape == shapeMap
	switch {
	case element == durationType:
		return "a time.Duration has no unit for servers; use an integer of seconds, for instance"
	case s == nil:
		return fmt.Sprintf("the type %s holds no resource: %s", t, shapesHelp)
	case !ok:
		return fmt.Sprintf("the type %s holds no %s, but %s; change the type of the field, or the kind", t, f.def.Kind, s.natural)
	case defined && multiple != f.def.Multiple:
		return fmt.Sprintf("the type %s is for %s, and the definition says %s", t, instances(multiple), instances(f.def.Multiple))
	}
	f.scalar, f.def.Kind, f.def.Multiple = s, s.kind, multiple
	return ""
}

func instances(multiple bool) string {
	if multiple {
		return "several instances"
	}
	return "a single one"
}

// shapeOf returns the shape of a type that is no function, and the type of the
// values.
func shapeOf(t reflect.Type) (shape, reflect.Type) {
	_, isScalar := special(t)
	switch {
	case isScalar:
		return shapePlain, t
	case t.Kind() == reflect.Pointer:
		return shapePointer, t.Elem()
	case t.Kind() == reflect.Slice:
		return shapeList, t.Elem()
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.Uint16:
		return shapeMap, t.Elem()
	default:
		return shapePlain, t
	}
}

var (
	contextType   = reflect.TypeFor[context.Context]()
	errorType     = reflect.TypeFor[error]()
	argumentsType = reflect.TypeFor[lwm2m.Arguments]()
)

// function settles a field that is executed, or computed.
func (f *field) function(t reflect.Type, defined bool) (reason string) {
	if f.def.Operations.Has(lwm2m.OpExecute) {
		f.shape = shapeExecutable
		if !isAction(t) {
			return fmt.Sprintf("the type %s cannot be executed; use a func(), or a func(context.Context, lwm2m.Arguments) error", t)
		}
		return ""
	}
	if !isSource(t) {
		return fmt.Sprintf("the type %s cannot be read; use a func() T, or a func(context.Context) (T, error)", t)
	}
	f.shape, f.result = shapeComputed, &field{def: f.def, name: f.name}
	reason = f.result.shapeAs(t.Out(0), defined)
	f.def = f.result.def
	return reason
}

// isAction reports whether t is a func of a context and arguments, or without either,
// that returns an error or nothing.
func isAction(t reflect.Type) bool {
	in := parameters(t)
	return !t.IsVariadic() && (len(in) == 0 || in[0] == contextType) && (len(in) < 2 || in[1] == argumentsType) && len(in) <= 2 &&
		(t.NumOut() == 0 || t.NumOut() == 1 && t.Out(0) == errorType)
}

// isSource reports whether t is a func of a context, or without, that returns something
// that is no function, and maybe an error.
func isSource(t reflect.Type) bool {
	in := parameters(t)
	return !t.IsVariadic() && (len(in) == 0 || len(in) == 1 && in[0] == contextType) &&
		(t.NumOut() == 1 || t.NumOut() == 2 && t.Out(1) == errorType) && t.Out(0).Kind() != reflect.Func
}

func parameters(t reflect.Type) (in []reflect.Type) {
	for i := range t.NumIn() {
		in = append(in, t.In(i))
	}
	return in
}

// call calls a function of one of these types, and returns what it returns apart from
// the error.
func call(ctx context.Context, function reflect.Value, args lwm2m.Arguments) (out []reflect.Value, err error) {
	all := [...]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(args)}
	out = function.Call(all[:function.Type().NumIn()])
	if last := len(out) - 1; last >= 0 && out[last].Type() == errorType {
		err, _ = out[last].Interface().(error)
		out = out[:last]
	}
	return out, err
}
