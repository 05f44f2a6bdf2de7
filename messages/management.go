package messages

import (
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// ModelChanged replaces objects 0 and 1 of the object model, after a
// bootstrap, a Write or a start. Supervisor to management.
type ModelChanged struct{ Tree *lwm2m.Tree }

// UpdateTriggered says that a server executed /1/x/8. Management to
// supervisor, after the 2.04.
type UpdateTriggered struct {
	Epoch Epoch
}

// BootstrapTriggered says that a server executed /1/x/9. Management to
// supervisor, after the 2.04.
type BootstrapTriggered struct {
	Epoch Epoch
}

// WriteModel is a management server's Write to its own Server instance, well
// formed, to what can be written. Management to supervisor, the owner of objects 0
// and 1, which answers each with one [ModelWritten].
type WriteModel struct {
	Peer    Peer
	Epoch   Epoch
	ID      uint64     // of the [Inbound]
	Path    lwm2m.Path // instance, resource or resource instance
	Payload lwm2m.Payload
	Replace bool // what the payload leaves out of an instance goes
	// Deadline ends the wait for the answer: what has not begun by then is not
	// done.
	Deadline time.Time
}

// ModelWritten says what became of a [WriteModel]: 2.04 when the change is durable
// and in force, else why there is none. Supervisor to management, behind the
// [ModelChanged].
type ModelWritten struct {
	Epoch  Epoch
	ID     uint64
	Code   CoAPCode
	Detail string // diagnostic payload; empty with 2.04
}

// WriteAnswered says that a server has its answer to a [WriteModel]: what follows
// from the change, such as an Update, can begin. Management to supervisor.
type WriteAnswered struct {
	Epoch Epoch
	ID    uint64
}

// InstancesChanged says that the application's objects may have other instances than
// the registrations say: the supervisor announces what there is. Management to
// supervisor.
type InstancesChanged struct{}
