package object

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Typed is an [Object] whose instances are values of a struct type. It is made by [Of].
// All methods may be called from several goroutines at once.
type Typed[T any] struct {
	Watchers
	plan  *plan
	table table[*Instance[T]]
	hooks hooks[T]
}

// hooks are what the options of an object ask for; nil where they do not.
type hooks[T any] struct {
	write  func(ctx context.Context, instance uint16, before, after T) error
	create func(ctx context.Context, instance uint16) (T, error)
	remove func(ctx context.Context, instance uint16, last T) error
}

// Option is an option of [Of].
type Option[T any] func(*Typed[T])

// OnWrite has apply called when a server has written to an instance, before that
// changes: here an actuator is set. An error refuses the request, and nothing changes.
// The reasons that can be known before belong in a method Validate() error of *T, which
// is called while the request is being prepared.
func OnWrite[T any](apply func(ctx context.Context, instance uint16, before, after T) error) Option[T] {
	return func(t *Typed[T]) { t.hooks.write = apply }
}

// OnCreate allows servers to create instances. create returns the new instance as it
// is before the values of the server, or refuses it. It is called while the request is
// being prepared: there may be no instance in the end.
func OnCreate[T any](create func(ctx context.Context, instance uint16) (T, error)) Option[T] {
	return func(t *Typed[T]) { t.hooks.create = create }
}

// OnDelete allows servers to delete instances, unless remove returns an error.
func OnDelete[T any](remove func(ctx context.Context, instance uint16, last T) error) Option[T] {
	return func(t *Typed[T]) { t.hooks.remove = remove }
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
	t := &Typed[T]{plan: p}
	for _, option := range options {
		option(t)
	}
	return t, nil
}

// Add adds an instance. The object has a copy of value from then on. The error is an
// [*InstanceError] or a [*ValueError].
func (t *Typed[T]) Add(instance uint16, value T) (*Instance[T], error) {
	if err := t.admits(instance); err != nil {
		return nil, err
	}
	i, err := t.instance(instance, value, value)
	if err != nil {
		return nil, err
	}
	if err := t.insert(i); err != nil {
		return nil, err
	}
	return i, nil
}

// admits asks whether there can be an instance with that ID.
func (t *Typed[T]) admits(instance uint16) error {
	return admits(&t.plan.def, instance)
}

func admits(def *lwm2m.ObjectDef, instance uint16) error {
	path := lwm2m.PathOf(def.ID, instance)
	switch {
	case instance == lwm2m.MaxID:
		return &InstanceError{Path: path, Reason: InstanceID}
	case instance != 0 && !def.Multiple:
		return &InstanceError{Path: path, Reason: InstanceSingle}
	default:
		return nil
	}
}

// instance makes one that is not yet there.
func (t *Typed[T]) instance(id uint16, initial, value T) (*Instance[T], error) {
	i := &Instance[T]{owner: t, path: lwm2m.PathOf(t.plan.def.ID, id)}
	if t.plan.defaults {
		own := copyOf(t.plan, &initial)
		i.initial = &own
	}
	s := &state[T]{value: copyOf(t.plan, &value)}
	painted, _, err := t.plan.paint(reflect.ValueOf(&s.value).Elem(), image{frozen: lwm2m.Instance{ID: id}}, nil)
	if err != nil {
		return nil, located(i.path, err)
	}
	s.image = painted
	i.state.Store(s)
	return i, nil
}

func (t *Typed[T]) insert(i *Instance[T]) error {
	if !t.table.add(i.ID(), i) {
		return &InstanceError{Path: i.path, Reason: InstanceExists}
	}
	t.Tell(lwm2m.PathOf(t.plan.def.ID))
	return nil
}

// Remove removes an instance. It reports whether there was one.
func (t *Typed[T]) Remove(instance uint16) bool {
	i, found := t.table.find(instance)
	return found && t.take(i)
}

// take removes that very instance.
func (t *Typed[T]) take(i *Instance[T]) bool {
	if !i.removed.CompareAndSwap(false, true) {
		return false
	}
	t.table.remove(i.ID())
	t.Tell(lwm2m.PathOf(t.plan.def.ID))
	return true
}

// Get finds an instance.
func (t *Typed[T]) Get(instance uint16) (*Instance[T], bool) { return t.table.find(instance) }

// All goes through the instances that are there when it begins, in the order of their
// IDs.
func (t *Typed[T]) All() iter.Seq2[uint16, *Instance[T]] {
	return func(yield func(uint16, *Instance[T]) bool) {
		r := t.table.now()
		for at, id := range r.ids {
			if !yield(id, r.elements[at]) {
				return
			}
		}
	}
}

// Definition is that which [Of] was given, with the resources that T has.
func (t *Typed[T]) Definition() lwm2m.ObjectDef {
	def := t.plan.def
	def.Resources = slices.Clone(def.Resources)
	return def
}

// Instances lists the instances that are there.
func (t *Typed[T]) Instances() []uint16 { return t.table.now().ids }

// Resources lists the resources that an instance has: those whose field is not nil.
func (t *Typed[T]) Resources(instance uint16) []uint16 {
	i, found := t.table.find(instance)
	if !found {
		return nil
	}
	return i.state.Load().ids
}

// Snapshot returns what the struct holds. It takes no lock, and no memory.
func (t *Typed[T]) Snapshot(instance uint16) (frozen lwm2m.Instance, whole, ok bool) {
	i, found := t.table.find(instance)
	if !found {
		return lwm2m.Instance{}, false, false
	}
	s := i.state.Load()
	return s.frozen, s.whole, true
}

// Sample is how often a computed resource is read while it is observed: the sample
// period of its tag, else [DefaultSample].
func (t *Typed[T]) Sample(target lwm2m.Path) time.Duration {
	if f, found := t.plan.field(target.Resource()); found && f.shape == shapeComputed {
		return f.sample
	}
	return 0
}
