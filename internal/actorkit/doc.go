// Package actorkit is the one place that shapes how Holdfast uses
// protoactor-go: the mailbox, the crash guard, the supervision strategies, the
// timers of an actor, the ordered stop, the actor system with its log bridge,
// and the shell that drives a pure core (package core).
//
// protoactor-go is frozen upstream and has known traps: its bounded mailboxes
// spin, a panic in Stopping turns a stop into a restart, root actors give up
// after ten failures, dead letters are logged with their content. Every type
// here exists to keep the actors clear of one of them; the tests are named
// after the traps.
//
// What the package owns: the mailbox's queues (touched by no one else), the
// timers of one actor (used on that actor's goroutine only), and the pending
// restarts of a Guardian. What may not be used from outside: protoactor's
// stash, receive timeout, futures, re-entrance and its own bounded mailboxes;
// a test scans the module's source for them.
package actorkit
