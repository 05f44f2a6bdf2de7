// Package actorkit is the one place that shapes how Holdfast uses
// protoactor-go: the mailbox, the crash guard, the supervision strategies, the
// timers of an actor, the ordered stop, the actor system with its log bridge,
// and the shell that drives a pure core (package core).
//
// protoactor-go is frozen upstream and has known traps. Every type here exists to
// avoid one of them, and the tests are named after their numbers:
//
//	 1  the sender to a full bounded mailbox spins
//	 2  a bounded mailbox that has dropped a message keeps a CPU busy
//	 3  the stash is last in, first out, and loses the sender
//	 4  the receive timeout fires once, and is a data race
//	 5  a future with two answers or several waiters gives wrong results
//	 6  a panic in Stopping turns the stop into a restart
//	 7  a stop loses the queued messages, a restart the failing one
//	 8  re-entrance runs a closure of the old incarnation in the new one
//	 9  the exponential back-off is linear, without cap or jitter
//	10  a root actor is stopped silently after ten failures
//	11  a second shutdown of the system panics, and none stops an actor
//	12  the metrics provider registers a gauge per actor and never removes it
//	13  dead letters are logged with their content
//	14  a mailbox hook is shared by all actors of a Props, and misses failures
//	15  a failure reaches its supervisor without a stack
//
// What the package owns: the mailbox's queues (nobody else touches them), the
// timers of one actor (used on that actor's goroutine only), and the pending
// restarts of a Guardian. Nobody may use protoactor's stash, receive timeout,
// futures, re-entrance and bounded mailboxes: a test scans the module's source
// for them.
package actorkit
