package object

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Read returns what the struct holds and, computed now, what its functions return. Of a
// whole instance it leaves out what cannot be computed; when that is what is asked
// for, the error is that of the function.
func (t *core) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	i, found := t.table.find(target.Instance())
	if !found {
		return nil, nil
	}
	s := i.state.Load()
	v := s.v
	if target.Len() == 2 {
		return t.plan.readAll(ctx, v, s.frozen.Resources)
	}
	if f, found := t.plan.field(target.Resource()); found && f.shape == shapeComputed {
		return f.read(ctx, f.of(v))
	}
	if r, found := s.frozen.Resource(target.Resource()); found {
		return []lwm2m.Resource{r}, nil
	}
	return nil, nil
}

// readAll adds what is computed to what is held.
func (p *plan) readAll(ctx context.Context, v reflect.Value, held []lwm2m.Resource) ([]lwm2m.Resource, error) {
	if !p.computed {
		return held, nil
	}
	all := slices.Clone(held)
	for _, f := range p.fields {
		if f.shape != shapeComputed {
			continue
		}
		r, err := f.read(ctx, f.of(v))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			all = append(all, r...)
		}
	}
	slices.SortFunc(all, byID)
	return all, nil
}

func byID(a, b lwm2m.Resource) int { return cmp.Compare(a.ID, b.ID) }

// read calls the function of a computed resource. There is none when the function is
// nil, or returns nil.
func (f *field) read(ctx context.Context, function reflect.Value) ([]lwm2m.Resource, error) {
	if function.IsNil() {
		return nil, nil
	}
	out, err := call(ctx, function, nil)
	if err != nil {
		return nil, err
	}
	if !f.result.present(out[0]) {
		return nil, nil
	}
	r, err := f.result.resource(out[0], lwm2m.Resource{})
	if err != nil {
		return nil, err
	}
	return []lwm2m.Resource{r}, nil
}

// Execute calls the function of a resource.
func (t *core) Execute(ctx context.Context, target lwm2m.Path, args lwm2m.Arguments) error {
	i, found := t.table.find(target.Instance())
	f, defined := t.plan.field(target.Resource())
	switch {
	case !found || !defined:
		return Refuse(lwm2m.CodeNotFound, target.String()+" is not there")
	case f.shape != shapeExecutable:
		return Refuse(lwm2m.CodeMethodNotAllowed, target.String()+" cannot be executed")
	}
	function := f.of(i.state.Load().v)
	if function.IsNil() {
		return Refuse(lwm2m.CodeNotFound, target.String()+" is not there")
	}
	_, err := call(ctx, function, args)
	return err
}

// validator is implemented by a struct that says which values go together.
type validator interface{ Validate() error }

// validate asks a struct whether it may become the instance. An error that says
// nothing else is 4.00 Bad Request.
func validate(value reflect.Value) error {
	v, ok := value.Addr().Interface().(validator)
	if !ok {
		return nil
	}
	err := v.Validate()
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return refused(lwm2m.CodeBadRequest, "the values are refused", err)
}
