package messages

import (
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// ModelChanged replaces objects 0, 1 and 2 of the object model, after a
// bootstrap, a Write or a start. Supervisor to management.
type ModelChanged struct{ Tree *lwm2m.Tree }

// DisableTriggered says that a server executed /1/x/4, and that it has its answer.
// Management to supervisor.
type DisableTriggered struct{ Epoch Epoch }

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

// RenewCertificate says that a server has executed /35011/0/27002: it asks for another
// certificate of its account. Management to supervisor, which answers each with one
// [RenewalJudged].
type RenewCertificate struct {
	Epoch Epoch
	ID    uint64 // of the job of management
}

// RenewalJudged says what became of a [RenewCertificate]: 2.04 where the certificate will be
// renewed, else why not. Supervisor to management.
type RenewalJudged struct {
	Epoch  Epoch
	ID     uint64
	Code   CoAPCode
	Detail string // diagnostic payload; empty with 2.04
}

// WriteModel is a management server's Write to an instance of objects 1 or 2 to which it
// has the right, well formed, to what can be written. Management to supervisor, the
// owner of objects 0, 1 and 2, which answers each with one [ModelWritten].
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

// ChangeAccess has object 2 follow the instances of another object, where it is in use.
// A server that creates an instance becomes its owner: management asks first, and
// creates the instance when that is durable. When one is deleted, what was said about it
// goes: management asks after that. What is left over where the client ends in between
// gives nobody a right, and is replaced when an instance of that number is created.
// Management to supervisor, which answers each with one [ModelWritten].
type ChangeAccess struct {
	Peer     Peer
	Epoch    Epoch
	ID       uint64     // of the [Inbound]
	Instance lwm2m.Path // two segments
	Deleted  bool       // else it is about to be created
	Deadline time.Time  // as in [WriteModel]
}

// ModelWritten says what became of a [WriteModel] or a [ChangeAccess]: 2.04 when the change is durable
// and in force, else why there is none. Supervisor to management, behind the
// [ModelChanged].
type ModelWritten struct {
	Epoch  Epoch
	ID     uint64
	Access bool // the answer to a ChangeAccess
	Code   CoAPCode
	Detail string // diagnostic payload; empty with 2.04
}

// WriteAnswered says that a server has its answer to a [WriteModel], or to what a
// [ChangeAccess] was for: what follows from the change, such as an Update, can begin. Management to supervisor.
type WriteAnswered struct {
	Epoch Epoch
	ID    uint64
}

// InstancesChanged says that the application's objects may have other instances than
// the registrations say: the supervisor announces what there is. Management to
// supervisor.
type InstancesChanged struct{}

// ObservationsKept says what there is on the disk of what a server observes: said anew for
// each session, and when it changes. Management to supervisor, whose record of state says
// whether there is such a record, so that one that is lost is missed.
type ObservationsKept struct {
	Peer   Peer
	Record bool // there is one
	// Behind says that the disk has refused what there is to say: what it has is out of
	// date, so that a start must not go on with the registration.
	Behind bool
}

// ObservationsLost says that what the server of a session has asked to be told, and
// may still count on, is not known any more: only a Register makes both sides agree
// again. Management to supervisor.
type ObservationsLost struct {
	Epoch Epoch
}

// RegistrationDoubted says that the server of a session has rejected a notification of
// something that it has to know: it wants no more of them, or does not know the client any
// more. An Update tells. Management to supervisor.
type RegistrationDoubted struct {
	Epoch Epoch
}
