// Package object is what an application offers to management servers: LwM2M
// objects that the client serves beside its own (LwM2M Core section 6.3).
//
// [Object] is the least that there is to one, and all that is needed for data that
// lives elsewhere, such as on a fieldbus. Interfaces beside it say what more can be
// done: [Writer], [Executor], [Creator], [Deleter], [Watcher], [Sampler], [Lister] and
// [Snapshotter]. What an object does not implement is answered 4.05 Method Not Allowed.
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
// at a time, and may take as long as the context allows. One that does not
// return in time, or that panics, harms its own request only: the server gets 5.00.
// All methods may be called from several goroutines at once.
package object
