package object

import (
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Instance is one instance of a [Typed] object. All methods may be called from several
// goroutines at once.
type Instance[T any] struct {
	record
}

// ID is the instance's.
func (i *Instance[T]) ID() uint16 { return i.path.Instance() }

// Path is that of the instance, such as /3303/0.
func (i *Instance[T]) Path() lwm2m.Path { return i.path }

// Get returns a copy of the instance as it is. It takes no lock.
func (i *Instance[T]) Get() T { return *as[T](i.owner.plan.copyOf(i.state.Load().v)) }

// Update changes the instance: change gets a copy, which becomes the instance when
// it returns. Servers see all of the change or nothing of it, and watchers are told of
// the resources whose values differ. change should be short, since other changes wait
// for it; it must not change the same instance otherwise, nor keep the pointer. When it
// panics nothing has changed.
//
// The error is a [*ValueError] when a value is not what the definition allows, or an
// [*InstanceError] when the instance has been removed; then nothing changes.
func (i *Instance[T]) Update(change func(*T)) error {
	return i.update(func(v reflect.Value) { change(as[T](v)) })
}

// Changed says that computed resources read differently now, so that those who watch need
// not find out by themselves. Without one it says so of the whole instance.
func (i *Instance[T]) Changed(resources ...uint16) {
	if len(resources) == 0 {
		i.owner.Tell(i.path)
	}
	i.owner.tellResources(i.path, resources)
}

// Remove removes the instance from its object. It reports whether it was there.
func (i *Instance[T]) Remove() bool { return i.owner.take(&i.record) }

// as is the struct that v is.
func as[T any](v reflect.Value) *T { return v.Addr().Interface().(*T) }

// record is an instance, whatever its type. That there is one code for all types keeps
// programs with many objects small.
type record struct {
	owner   *core
	handle  any // the *Instance[T] that holds it
	path    lwm2m.Path
	initial reflect.Value // what a server's replacement goes back to; invalid where nothing would
	removed atomic.Bool   // from the object
	turn    turn          // of servers' writes, while they are carried out

	mu      sync.Mutex // one change at a time
	state   atomic.Pointer[state]
	changed []uint16 // room for the next change, under mu
}

// state is what an instance is between two changes. It never changes, but what the
// application reaches by pointers that are no resources.
type state struct {
	v reflect.Value // the struct, addressable
	image
}

func (i *record) update(change func(reflect.Value)) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.removed.Load() {
		return &InstanceError{Path: i.path, Reason: InstanceRemoved}
	}
	next, plan := i.draft(i.state.Load()), i.owner.plan
	if len(plan.shared) == 0 {
		change(next.v)
		return i.store(next)
	}
	own := plan.shallow(next.v)
	change(next.v)
	plan.detachNew(next.v, own)
	return i.store(next)
}

// draft begins a new state, as it was.
func (i *record) draft(old *state) *state {
	return &state{v: i.owner.plan.copyOf(old.v), image: old.image}
}

// store makes a draft the state of the instance, under the lock.
func (i *record) store(next *state) (err error) {
	next.image, i.changed, err = i.owner.plan.paint(next.v, i.state.Load().image, i.changed[:0])
	if err != nil {
		return located(i.path, err)
	}
	i.state.Store(next)
	i.owner.tellResources(i.path, i.changed)
	return nil
}

// located completes the path of an error about a field.
func located(instance lwm2m.Path, err error) error {
	if v, ok := err.(*ValueError); ok && v.Path.Len() == 1 {
		v.Path = instance.Child(v.Path.Object())
	}
	return err
}

// shallow is a copy of a struct.
func (p *plan) shallow(v reflect.Value) reflect.Value {
	own := reflect.New(v.Type()).Elem()
	own.Set(v)
	return own
}

// copyOf is a copy of a struct that shares no resource with it.
func (p *plan) copyOf(v reflect.Value) reflect.Value {
	own := p.shallow(v)
	p.detach(own)
	return own
}

// detach makes a shallow copy independent.
func (p *plan) detach(v reflect.Value) {
	for _, f := range p.shared {
		f.detach(f.of(v))
	}
}

// detachNew makes a struct independent of what has been put into it since it was as own,
// and independent.
func (p *plan) detachNew(v, own reflect.Value) {
	for _, f := range p.shared {
		if now := f.of(v); f.opaque() || now.Pointer() != f.of(own).Pointer() {
			f.detach(now)
		}
	}
}
