package object

import (
	"context"
	"iter"
	"reflect"
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Typed is an [Object] whose instances are values of a struct type. It is made by [Of]. It
// is a [Writer], [Executor], [Creator], [Deleter], [Watcher], [Sampler], [Lister] and
// [Snapshotter] too. All methods may be called from several goroutines at once.
type Typed[T any] struct {
	core
}

// Option is an option of [Of].
type Option[T any] func(*Typed[T])

// OnWrite has apply called when a server has written to an instance, before that
// changes: here an actuator is set. An error refuses the request, and nothing changes. So
// does an apply that returns after its context has ended: the server has been told that the
// request has failed, and what was done has to be taken back there.
// The reasons that can be known before belong in a method Validate() error of *T, which
// is called while the request is being prepared.
func OnWrite[T any](apply func(ctx context.Context, instance uint16, before, after T) error) Option[T] {
	if apply == nil {
		return nil
	}
	return func(t *Typed[T]) {
		t.hooks.write = func(ctx context.Context, instance uint16, before, after reflect.Value) error {
			return apply(ctx, instance, *as[T](before), *as[T](after))
		}
	}
}

// OnCreate allows servers to create instances. create returns the new instance as it
// is before the values of the server, or refuses it. It is called while the request is
// being prepared: there may be no instance in the end.
func OnCreate[T any](create func(ctx context.Context, instance uint16) (T, error)) Option[T] {
	if create == nil {
		return nil
	}
	return func(t *Typed[T]) {
		t.hooks.create = func(ctx context.Context, instance uint16) (reflect.Value, error) {
			value, err := create(ctx, instance)
			return reflect.ValueOf(&value).Elem(), err
		}
	}
}

// OnDelete allows servers to delete instances, unless remove returns an error.
func OnDelete[T any](remove func(ctx context.Context, instance uint16, last T) error) Option[T] {
	if remove == nil {
		return nil
	}
	return func(t *Typed[T]) {
		t.hooks.remove = func(ctx context.Context, instance uint16, last reflect.Value) error {
			return remove(ctx, instance, *as[T](last))
		}
	}
}

// Of makes an object of a struct type, whose fields are the resources that their tags
// name; the package comment has the types and the tags. def says what the object is. Where def
// has Resources, it is these that count, and the tags need only name their IDs; the
// object has those of them that T has a field for. Without Resources the tags define
// them. When def is not Multiple, the only instance is 0.
//
// The error is a [*DefinitionError], which names the field and says what to do.
func Of[T any](def lwm2m.ObjectDef, options ...Option[T]) (*Typed[T], error) {
	p, err := planOf(reflect.TypeFor[T](), def)
	if err != nil {
		return nil, err
	}
	t := &Typed[T]{core{plan: p, fresh: fresh[T]}}
	for at, option := range options {
		if option == nil {
			return nil, &DefinitionError{Object: def.ID, Type: reflect.TypeFor[T]().String(), Reason: optionFault(at)}
		}
		option(t)
	}
	return t, nil
}

func optionFault(at int) string {
	return "option " + strconv.Itoa(at) + " is nil, or has a nil function; leave it out"
}

// fresh makes an empty instance.
func fresh[T any]() *record {
	i := &Instance[T]{}
	i.handle = i
	return &i.record
}

// Add adds an instance. The object has a copy of value from then on. The error is an
// [*InstanceError] or a [*ValueError].
func (t *Typed[T]) Add(instance uint16, value T) (*Instance[T], error) {
	i, err := t.add(instance, reflect.ValueOf(&value).Elem())
	if err != nil {
		return nil, err
	}
	return i.handle.(*Instance[T]), nil
}

// Remove removes an instance. It reports whether there was one.
func (t *Typed[T]) Remove(instance uint16) bool {
	i, found := t.table.find(instance)
	return found && t.take(i)
}

// Get finds an instance.
func (t *Typed[T]) Get(instance uint16) (*Instance[T], bool) {
	i, found := t.table.find(instance)
	if !found {
		return nil, false
	}
	return i.handle.(*Instance[T]), true
}

// All goes through the instances that are there when it begins, in the order of their
// IDs.
func (t *Typed[T]) All() iter.Seq2[uint16, *Instance[T]] {
	return func(yield func(uint16, *Instance[T]) bool) {
		r := t.table.now()
		for at, id := range r.ids {
			if !yield(id, r.elements[at].handle.(*Instance[T])) {
				return
			}
		}
	}
}
