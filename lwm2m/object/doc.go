// Package object is what an application offers to management servers: LwM2M
// objects that the client serves beside its own (LwM2M Core section 6.3).
//
// There are three ways to make one. [Of] makes it of a Go struct by its fields and
// tags. [NewValues] makes one whose values are set by path, for what is known at
// run time only. And any type that implements [Object] is one: for data that lives
// elsewhere, such as ten thousand points on a fieldbus, of which no copy is held.
//
// [Object] is the least that there is to one. Interfaces beside it say what more can be
// done: [Writer], [Executor], [Creator], [Deleter], [Watcher], [Sampler], [Lister] and
// [Snapshotter]. What an object does not implement is answered 4.05 Method Not Allowed.
// [Watchers], embedded, implements Watcher; its Tell says that something has changed.
//
// # Structs and tags
//
// The tag of a field names the resource, and what servers may do with it:
//
//	type Thermometer struct {
//		Value  float64            `lwm2m:"5700,R,mandatory,units=Cel"`
//		Max    *float64           `lwm2m:"5602,R"`               // nil: not there
//		Load   func() float64     `lwm2m:"5821,R,sample=10s"`    // computed when it is read
//		Target float64            `lwm2m:"5900,RW,range=5..30"`  // servers write it
//		Tags   map[uint16]string  `lwm2m:"5750,RW"`              // several instances
//		Reset  func() error       `lwm2m:"5605,E"`               // executed
//	}
//
// The operations are R, W, RW, E, or - for none. What may follow is mandatory,
// name=TEXT (else that of the field), units=TEXT, range=MIN..MAX (of numbers, or of the
// length of strings and bytes), kind=KIND (integer or unsigned for integers, string or
// corelink for strings) and sample=DURATION (how often what is computed is read while
// it is observed).
//
// A value is a string, bool, []byte, [time.Time], [Link], [CoreLink], or any integer or
// float, also of a named type. Unsigned integers are Unsigned Integer, which LwM2M 1.1
// introduced. *T is a value that may be missing, and so are a nil []byte and the zero
// Time. []T is a resource with the instances 0, 1, 2 ...: a write that would leave a gap is
// refused. map[uint16]T can have any. func() T, func() (T, error) and both with a
// [context.Context] are computed when they are read. A func with E may take a context, or a context and
// [lwm2m.Arguments], and may return an error. Structs that are embedded add their fields.
// The struct is copied with every change: it has no locks, and what its other pointers lead to is shared.
//
// # What the client does, and what is left to the object
//
// The client finds the object, the instance and the resource, asks whether the
// server has the right, whether the definition allows the operation, and decodes the
// payload with the types and ranges of the definition. What reaches a method is
// well formed, and addressed to something that is there. An object says no by
// returning an error: an [Error] has the response code and words for the server,
// and any other error is 5.00 Internal Server Error without them.
//
// # Goroutines
//
// Definition, Instances, Resources, Sample, Snapshot and Watch are called while the
// client serves others: they return at once, without I/O. Read, Write, Execute,
// Create and Delete, and the commits that they return, run on a goroutine of their own, several
// at a time, and may take as long as the context allows. A request that reads several paths
// of an object reads some of them at the same time. One that does not
// return in time, or that panics, harms its own request only: the server gets 5.00. A change
// that is carried out after that is taken back where the object allows it ([Commit]).
// All methods may be called from several goroutines at once.
//
// A [Typed] and a [Values] tell those who watch of every change, a server's too: other
// clients in the process may serve the same object.
package object
