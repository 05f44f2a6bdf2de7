package messages

import "time"

// Mode says how a registration incarnation begins.
type Mode uint8

// The modes.
const (
	// ModeRegister begins with a Register.
	ModeRegister Mode = iota + 1
	// ModeUpdate begins with an Update of a known Location; an answer of
	// 4.xx or RST leads to a Register at once, silence does not.
	ModeUpdate
)

// ObjectEntry is one object of the registration's object list.
type ObjectEntry struct {
	ID        uint16
	Version   string // empty: the one that belongs to the enabler's version
	Instances []uint16
}

// Registration is what a server knows of us after a Register. The account keeps
// it across incarnations.
type Registration struct {
	Location []string // Location-Path, verbatim, option by option
	Version  string   // LwM2M version that the server accepted
	Lifetime time.Duration
	Queue    bool          // in queue mode, as last told
	Objects  []ObjectEntry // as last told
	Accepted time.Time     // when the last Register or Update was accepted
}

// Expires returns when the server forgets the registration; ok is false when
// the lifetime is infinite.
func (r *Registration) Expires() (at time.Time, ok bool) {
	return r.Accepted.Add(r.Lifetime), r.Lifetime > 0
}

// BeginRegistration starts a registration incarnation. Supervisor to
// registration, before the link is up.
type BeginRegistration struct {
	Account  Account
	Epoch    Epoch
	Endpoint string
	// Deadline ends the attempt: registration_timeout after its start, or the
	// end of this address's share of that.
	Deadline time.Time
	Mode     Mode
	Previous *Registration // set with ModeUpdate
	Versions []string      // LwM2M versions to offer, highest first
	Objects  []ObjectEntry
}

// Registered says that a Register was answered 2.01, or that an Update on a
// new link was accepted. Registration to supervisor.
type Registered struct {
	Epoch        Epoch
	Registration Registration
	ByUpdate     bool // the server accepted an Update: it still knew us
}

// Updated says that an Update on a link that was registered already was
// accepted. Registration to supervisor.
type Updated struct {
	Epoch        Epoch
	Registration Registration
}

// Reregistering says that the server answered an Update with a refusal and
// that a Register follows at once on the same link. Registration to
// supervisor.
type Reregistering struct {
	Epoch Epoch
}

// SendUpdate asks for an Update now. Supervisor to registration.
type SendUpdate struct {
	Epoch Epoch
	// Triggered says that the server has asked, by /1/x/8: then the Update
	// keeps the distance of a second from the one before.
	Triggered bool
}

// SendRegister asks for a Register on the present link. Supervisor to
// registration.
type SendRegister struct{ Epoch Epoch }

// ObjectsChanged tells registration what to announce from now on; an Update
// follows when it differs from what the server knows. Supervisor to
// registration.
type ObjectsChanged struct {
	Epoch    Epoch
	Objects  []ObjectEntry
	Lifetime time.Duration
	Queue    bool // as in [Account]
	// Triggered says that a server's Write or the application is the cause: then the
	// Update keeps the distance of a second from the one before, as with [SendUpdate].
	Triggered bool
}

// Deregister asks for a de-registration. Supervisor to registration.
type Deregister struct{ Epoch Epoch }

// Deregistered answers [Deregister]. Failure is nil when the server answered
// 2.02, or 4.04 because it had forgotten us. Registration to supervisor.
type Deregistered struct {
	Epoch   Epoch
	Failure *Failure
}

// Failed reports that an incarnation has failed. Owner to supervisor, at most
// once per epoch, except that a registration whose Update was put off by the
// server (4.29, 5.03) or failed there (5.xx) stays up and says so in
// LinkUsable.
type Failed struct {
	Failure Failure
	// LinkUsable says that the link still works and that the incarnation
	// waits for [SendUpdate] or [SendRegister].
	LinkUsable bool
}
