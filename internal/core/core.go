// Package core is the contract between an actor's pure core (machine.go) and
// its thin shell (actor.go).
//
// A core is a value with one method, Step: what happened goes in, what is to
// be done comes out. A core starts no goroutine, takes no lock, does no I/O,
// reads no clock and draws no global random number; that is what lets a test
// drive a week of retries in a millisecond and assert every instant. The shell
// (internal/actorkit) carries the effects out, strictly in order.
//
// The effects of one Step are a batch. The shell carries batches out in the
// order of the steps, and the effects of a batch in theirs. What has to be
// durable first is the one exception:
//
//   - A [Persist] holds up the effects behind it in its own batch until the
//     store has answered. They are carried out then, before the machine gets the
//     answer, whether the record became durable or not: what must not happen
//     after a failure belongs in the step that takes the answer.
//   - Other batches pass, and so do their answers to other peers: a slow disk
//     delays nothing that does not depend on it.
//   - A batch that depends on an earlier one's write says so with [After].
//   - Writes of one record stay in the order in which the machine asked for them:
//     a Persist waits until every earlier one of its record has been answered.
//   - A timer is what the latest step made of it. While a SetTimer or StopTimer
//     waits, the timer does not expire for the machine, which has decided already;
//     and it is dropped when a later batch has set or stopped the timer meanwhile.
//
// The package owns the vocabulary that all cores share. Effects that only one
// actor understands live beside that actor's machine and embed [Marker].
package core

import (
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Machine is the pure core of one actor.
type Machine interface {
	// Step takes one input, at the instant now, and returns what is to be
	// done about it, in order. Inputs are the values of package messages,
	// [Expired], [Persisted] and [PersistFailed]; an input that a machine
	// does not know is ignored. The slice is the shell's from then on.
	Step(now time.Time, in any) []Effect
}

// Effect is something that the shell does on behalf of its machine.
type Effect interface{ effect() }

// Marker makes a struct that embeds it an Effect. Actors embed it in the
// effects that only their own shell understands.
type Marker struct{}

func (Marker) effect() {}

// Role names an addressee from a machine's point of view. The shell knows
// which actor fills the role in the present incarnation.
type Role uint8

// The roles of the supervision tree (docs/design.md, Actors and messages).
const (
	// Supervisor is the actor that owns every delay above CoAP.
	Supervisor Role = iota + 1
	// Network is the network actor of the same link.
	Network
	// Link is the coapresend actor of the same link.
	Link
	// Owner is the actor that the link exists for: bootstrap or registration.
	Owner
	// Handler serves the requests that the peer sends: bootstrap on a
	// bootstrap link, management on a management link.
	Handler
	// Management is the shared management actor.
	Management
	// Store is the one writer of the state directory.
	Store
	// Update is the shared actor that carries out firmware updates, where there is one.
	Update
)

// String returns the role's name, for logs and test failures.
func (r Role) String() string {
	names := [...]string{"none", "supervisor", "network", "coapresend", "owner", "handler", "management", "store", "update"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Tell sends Message to the actor in the role To. It never blocks.
type Tell struct {
	Marker
	To Role
	// Epoch names the link that To belongs to, where the machine serves
	// several; 0 is the machine's own.
	Epoch   messages.Epoch
	Message any
}

// Timer names one timer of one machine: what it is for and, where a machine
// has several of that kind, which of them. The set must stay bounded.
type Timer struct {
	Name string
	// Key tells timers of one name apart, such as a message ID; 0 where there
	// is one only.
	Key uint64
}

// String returns "name" or "name/key", for logs and test failures.
func (t Timer) String() string {
	if t.Key == 0 {
		return t.Name
	}
	return t.Name + "/" + strconv.FormatUint(t.Key, 10)
}

// SetTimer arms a timer, replacing one of the same name. The shell feeds
// [Expired] back after the duration After; negative durations count as 0.
type SetTimer struct {
	Marker
	Timer Timer
	After time.Duration
}

// StopTimer disarms a timer. An expiry that is already on its way is dropped
// by the shell, so that a machine never sees a timer that it stopped.
type StopTimer struct {
	Marker
	Timer Timer
}

// Expired is the input that a due timer makes. The shell has already dropped
// stale generations.
type Expired struct{ Timer Timer }

// Persist writes one record of the store. The effects that follow it in the
// same batch wait until it is answered with [Persisted] or [PersistFailed]
// (persist before send); see the package comment for what else waits.
type Persist struct {
	Marker
	Token  uint64 // chosen by the machine; returned in the answer
	Record string // the record's name in the store
	Data   []byte // the whole new content; nil removes the record
	// Hold says that memory will do where the state directory has not been usable
	// since the start: the store writes the content once it is, and returns it until
	// then. The answer is a [Persisted] that says so.
	Hold bool
}

// After holds up the effects that follow it in the same batch while a [Persist]
// of an earlier batch with that token has not been answered. It does nothing when
// there is none.
type After struct {
	Marker
	Token uint64
}

// Persisted is the input that says that a record is durable, or durably gone.
type Persisted struct {
	Token uint64
	// Held says why the record is in memory only, as [Persist] allowed; nil when
	// it is durable.
	Held error
}

// PersistFailed is the input that says that a record could not be made
// durable; the former content is still in place.
type PersistFailed struct {
	Token uint64
	Err   error
}
