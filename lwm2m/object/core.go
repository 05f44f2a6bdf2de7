package object

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// core is a [Typed], whatever its type.
type core struct {
	Watchers
	plan  *plan
	table table[*record]
	hooks hooks
	fresh func() *record // makes an empty instance
}

// hooks are what the options of an object ask for; nil where they do not. The values are
// structs of the type.
type hooks struct {
	write  func(ctx context.Context, instance uint16, before, after reflect.Value) error
	create func(ctx context.Context, instance uint16) (reflect.Value, error)
	remove func(ctx context.Context, instance uint16, last reflect.Value) error
}

// add adds an instance with a copy of a struct.
func (t *core) add(instance uint16, value reflect.Value) (*record, error) {
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
func (t *core) admits(instance uint16) error {
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
func (t *core) instance(id uint16, initial, value reflect.Value) (*record, error) {
	i := t.fresh()
	i.owner, i.path = t, lwm2m.PathOf(t.plan.def.ID, id)
	if t.plan.defaults {
		i.initial = t.plan.copyOf(initial)
	}
	s := &state{v: t.plan.copyOf(value)}
	painted, _, err := t.plan.paint(s.v, image{frozen: lwm2m.Instance{ID: id}}, nil)
	if err != nil {
		return nil, located(i.path, err)
	}
	s.image = painted
	i.state.Store(s)
	return i, nil
}

func (t *core) insert(i *record) error {
	if !t.table.add(i.path.Instance(), i) {
		return &InstanceError{Path: i.path, Reason: InstanceExists}
	}
	t.Tell(lwm2m.PathOf(t.plan.def.ID))
	return nil
}

// take removes that very instance.
func (t *core) take(i *record) bool {
	if !i.removed.CompareAndSwap(false, true) {
		return false
	}
	t.table.remove(i.path.Instance())
	t.Tell(lwm2m.PathOf(t.plan.def.ID))
	return true
}

// Definition is that which [Of] was given, with the resources that the struct has.
func (t *core) Definition() lwm2m.ObjectDef {
	def := t.plan.def
	def.Resources = slices.Clone(def.Resources)
	return def
}

// Instances lists the instances that are there.
func (t *core) Instances() []uint16 { return t.table.now().ids }

// Resources lists the resources that an instance has: those whose field is not nil.
func (t *core) Resources(instance uint16) []uint16 {
	i, found := t.table.find(instance)
	if !found {
		return nil
	}
	return i.state.Load().ids
}

// Snapshot returns what the struct holds. It takes no lock, and no memory.
func (t *core) Snapshot(instance uint16) (frozen lwm2m.Instance, whole, ok bool) {
	i, found := t.table.find(instance)
	if !found {
		return lwm2m.Instance{}, false, false
	}
	s := i.state.Load()
	return s.frozen, s.whole, true
}

// Sample is how often a computed resource is read while it is observed: the sample
// period of its tag, else [DefaultSample].
func (t *core) Sample(target lwm2m.Path) time.Duration {
	if f, found := t.plan.field(target.Resource()); found && f.shape == shapeComputed {
		return f.sample
	}
	return 0
}
