package object

import (
	"context"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Object is one LwM2M object: its definition, its instances and their values.
type Object interface {
	// Definition says what the object is. It is asked for when a client that
	// serves the object is made, and never changes.
	Definition() lwm2m.ObjectDef
	// Instances lists the IDs of the instances that are there, sorted. The slice
	// is not changed by either side.
	Instances() []uint16
	// Read returns the resources at and below target, which has two to four
	// segments, sorted by ID: all of an instance, or one. What cannot be read, or
	// is not there, is left out; the client leaves out what the definition does
	// not let servers read. Of a resource that has several instances it may return
	// all where one is asked for.
	Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error)
}

// Commit carries out a change that has been prepared. It is called at most once,
// and not at all when another part of the same request is refused. An error means that
// nothing has changed. It should not fail for a reason that could have been known before.
//
// A request is carried out as a whole or not at all, as far as its objects allow it. Where
// a Commit fails, or has not returned when its context ends, the server is told that the
// request has failed, and the objects that have carried out other parts of it and are each
// a [Snapshotter] are asked by Write to go back to what they were. So is the object of a
// Commit that returns nil after that: better look at the context before something is done
// that cannot be undone. An instance that was created too late is deleted, by a [Deleter].
// What no object takes back is logged; a server that has no answer yet is told.
type Commit func(ctx context.Context) error

// Writer is an Object whose resources servers can write.
type Writer interface {
	// Write prepares a change of one instance: it says whether that is possible, and
	// changes nothing. The change is carried out by the Commit, so that a request
	// that writes to several objects is carried out as a whole or not at all. Until that
	// is over no other request of this client changes the instance: they wait for it. A Read
	// at the same time sees all of one change or nothing of it; of several objects, what
	// was there before.
	Write(ctx context.Context, change Change) (Commit, error)
}

// Change is what a server writes to one instance (LwM2M Core section 6.3.3).
type Change struct {
	// Instance is that of the object.
	Instance uint16
	// Replace says that what servers can write of the instance and Resources does
	// not mention is removed, or goes back to its default.
	Replace bool
	// Resources are the new values, sorted by ID. A resource that has several
	// instances is replaced as a whole, unless Merge has its ID.
	Resources []lwm2m.Resource
	// Merge lists those of Resources, sorted, whose instances are added to those that
	// are there or take their place, and leave the others.
	Merge []uint16
	// Remove lists resource instances, as paths of four segments, that are removed. One that
	// is not there is no error, but for an object that is no [Snapshotter]: that may refuse
	// it with 4.04 Not Found.
	Remove []lwm2m.Path
}

// Executor is an Object that has resources to be executed.
type Executor interface {
	// Execute carries out the resource that target, of three segments, names. The
	// server is answered when it returns: what takes long, or ends this
	// connection, is begun here and goes on elsewhere.
	Execute(ctx context.Context, target lwm2m.Path, args lwm2m.Arguments) error
}

// Creator is an Object whose instances servers can create.
type Creator interface {
	// Create prepares a new instance with the resources, sorted by ID. Its ID is
	// free: the server has chosen it or, where that did not, the client.
	Create(ctx context.Context, instance uint16, resources []lwm2m.Resource) (Commit, error)
}

// Deleter is an Object whose instances servers can delete.
type Deleter interface {
	// Delete removes an instance.
	Delete(ctx context.Context, instance uint16) error
}

// Watcher is an Object that tells of every change that it does not make for a
// request of the client that watches.
type Watcher interface {
	// Watch has changed called with the path of what has changed: a resource, an
	// instance whose resources have changed, or the object (one segment) when an instance has come
	// or gone. changed never blocks and may be called from any goroutine, also under the
	// object's own lock and during Watch. After stop has returned it is not called any more.
	Watch(changed func(lwm2m.Path)) (stop func())
}

// Sampler is an Object some of whose values change without a word.
type Sampler interface {
	// Sample returns how often target, a path of three segments, is read while a server observes it
	// and has not set the evaluation periods (epmin, epmax); 0 when changes of it are told to Watch.
	Sample(target lwm2m.Path) time.Duration
}

// DefaultSample is how often the observed values of an Object are read that is neither a
// Watcher nor a Sampler.
const DefaultSample = time.Second

// Lister is an Object that knows which resources an instance has without reading
// them.
type Lister interface {
	// Resources lists the IDs of the resources that an instance has, sorted,
	// with those that can only be written or executed. Without it an instance
	// has what Read returns, and everything of the definition that can be
	// executed or only written.
	Resources(instance uint16) []uint16
}

// Snapshotter is an Object that has values in memory. They are read without a delay, and
// are what an instance goes back to when a change fails of which it was a part. Of an Object
// that is none, what it has carried out stays.
type Snapshotter interface {
	// Snapshot returns the instance with the values that are in memory, sorted, and
	// whether these are all that it has: others are asked for by Read. Neither
	// side changes what is returned. ok is false when there is no such instance.
	Snapshot(instance uint16) (i lwm2m.Instance, whole, ok bool)
}
