// Package storage is the actor in front of the state directory, which the other
// actors know as the store: the one writer of its records. The package
// internal/store does the work.
//
// It takes [messages.LoadAccounts], [messages.Save], [messages.SetAside] and
// [messages.ForgetCredentials]. All but SetAside are answered to the sender. Jobs
// on one record are done one after the other, in the order in which they came
// (what servers have written counts as one record with the credentials);
// those on different records do not wait for each other. ForgetCredentials counts
// as a job on every record. The disk is used in goroutines of its own, at most
// maxAtDisk of them, so that the actor never blocks. What comes while maxWaiting
// jobs wait is refused with [ErrBusy].
//
//	machine.go  what may go to the disk, and when
//	actor.go    the shell, with the goroutines at the disk
//	work.go     one job at the disk
//	held.go     the credentials while there is no disk
//
// Credentials that a bootstrap delivers to a client whose directory has not been
// usable since the start are kept in memory, and written when it is.
//
// A panic at the disk crashes the actor: jobs that wait are lost with it. The
// supervisor repeats its own, and a Save that is not answered fails at its sender.
//
// The package is internal to the runtime: only actors/supervisor starts it.
package storage
