package messages

import (
	"net/netip"
	"slices"
	"time"
)

// State is what the client is doing, as events and Status name it.
type State string

// The states (docs/contract.md, Events).
const (
	StateStarting      State = "starting"
	StateResolving     State = "resolving"
	StateConnecting    State = "connecting"
	StateBootstrapping State = "bootstrapping"
	StateRegistering   State = "registering"
	StateRegistered    State = "registered"
	StateWaiting       State = "waiting"
	StatePaused        State = "paused"
	StateStopping      State = "stopping"
	StateStopped       State = "stopped"
)

// Start begins the client's life. Facade to supervisor, once.
type Start struct{}

// Stop ends it: de-register, tear down, report. Facade to supervisor. The
// de-registration has until Deadline.
type Stop struct{ Deadline time.Time }

// Stopped answers [Stop]. Supervisor to facade.
type Stopped struct {
	// Code is 0 when every server was left in order,
	// ConnectNotRegistered when there was nothing to de-register, or
	// ConnectorUnregistrationFailed.
	Code  ErrorCode
	Cause error
}

// NetworkUp is a hint that the network is back: it ends the present waits, at
// most once in 5 s. Facade to supervisor.
type NetworkUp struct{}

// Woke says that the machine was suspended for a while, during which Go's
// monotonic clock stood still. Timers that would have been due end at once.
// Clock watch to supervisor, and on to management.
type Woke struct{ Slept time.Duration }

// ClockStepped says that the wall clock was set. What waits for a certificate to
// become valid need not wait any longer. Clock watch to supervisor.
type ClockStepped struct{}

// Call is what the application, or a person through the control API, asks
// for.
type Call uint8

// The calls.
const (
	CallUpdate       Call = iota + 1 // a registration update of every registered server
	CallReconnect                    // end the present waits, as NetworkUp does
	CallBootstrap                    // a bootstrap now
	CallFactoryReset                 // back to the factory's account
	CallPause                        // no traffic until CallResume
	CallResume
)

// String returns the call as the control API names it.
func (c Call) String() string {
	names := [...]string{"none", "update", "reconnect", "bootstrap", "factory-reset", "pause", "resume"}
	if int(c) < len(names) {
		return names[c]
	}
	return "invalid"
}

// CallRequest is a [Call] on its way to the supervisor. Answer receives exactly
// one value, once the snapshot shows what the call did; it has room for it.
type CallRequest struct {
	Call   Call
	Answer chan<- Answered
}

// Answered is the outcome of a [Call].
type Answered struct {
	Code  ErrorCode // 0 when the call was carried out
	Cause error     // why it was not, where more is known than the code
	// Seq numbers the newest event when the call had been carried out: what comes
	// of it has a higher number. The shell sets it.
	Seq uint64
	// Servers are the URIs of those whose answers an Update or a bootstrap now waits
	// for.
	Servers []string
}

// ConnectionStatus is a snapshot of one server account.
type ConnectionStatus struct {
	Peer         Peer
	Server       string // URI
	State        State
	Failures     uint64 // consecutive failed attempts
	NextAttempt  time.Time
	WaitsForTurn bool // the budget of all accounts together, not the policy, sets NextAttempt
	// WaitsFor is why nothing is tried now; Behind is the server whose turn it is of an
	// account that waits for the order of registration.
	WaitsFor WaitReason
	Behind   Peer
	// DisabledUntil is when the pause ends that the server has asked for by /1/x/4;
	// zero without one.
	DisabledUntil time.Time
	// QueueMode is how reachable the client is for a server that it has told that it
	// is in queue mode.
	QueueMode    Reachability
	Location     string
	Lifetime     time.Duration
	RegisteredAt time.Time
	Shed         Shed // dropped so that a flood does no harm, on all links so far
	// Observing is what the server observes, at most 10 s ago; Sends is what was sent to
	// it unasked.
	Observing Observing
	Sends     SendCount
	// Attempt is the attempt under way, or the request that a registered client
	// waits for an answer to; nil where there is neither.
	Attempt *AttemptStatus
	// Epoch is of the present link, 0 without one; Session is its DTLS session, without its
	// secret, nil while there is none.
	Epoch   Epoch
	Session *SecureSession
	// CertificateExpires is when the own certificate does; zero without one.
	CertificateExpires time.Time
	// CertificateRenewal is when it is to be renewed; zero where nothing can renew it.
	CertificateRenewal time.Time
}

// Reachability is whether a server may expect a client in queue mode to hear it.
type Reachability uint8

// The values.
const (
	ReachableAlways Reachability = iota // no queue mode
	ReachableNow                        // awake: something was sent or received lately
	ReachableLater                      // asleep
)

// String returns "awake" or "asleep", and nothing without queue mode.
func (r Reachability) String() string {
	names := [...]string{"", "awake", "asleep"}
	if int(r) < len(names) {
		return names[r]
	}
	return "invalid"
}

// WaitReason says why a server account is not tried now.
type WaitReason uint8

// The reasons.
const (
	WaitsForNothing   WaitReason = iota // it does not wait
	WaitsForPolicy                      // the delay of the policy after a failure
	WaitsForServer                      // the server has asked for a pause (Max-Age), or a bootstrap server for a hold-off
	WaitsForEnabling                    // the server has disabled the account
	WaitsForFirst                       // the delay before the first attempt (/1/x/14, /0/x/11)
	WaitsForOrder                       // a server of a higher priority comes first (/1/x/13)
	WaitsForBlock                       // a server of a higher priority has failed, and blocks it (/1/x/15)
	WaitsForBootstrap                   // the outcome of a bootstrap
	WaitsForBudget                      // its turn among the attempts of all accounts
	WaitsForAdmission                   // its turn to shake hands, among the clients of the process
)

// String returns the reason in a word, and nothing for WaitsForNothing.
func (w WaitReason) String() string {
	names := [...]string{"", "policy", "server", "disabled", "first", "order", "block", "bootstrap", "turn", "handshake"}
	if int(w) < len(names) {
		return names[w]
	}
	return "invalid"
}

// AttemptStatus is how far an attempt has come.
type AttemptStatus struct {
	Began    time.Time // zero for a request of a registered client
	Deadline time.Time // the same
	Host     string    // that is or was resolved, or an address
	Security SecurityMode
	Address  netip.AddrPort // that is tried; invalid before
	Step     Step
}

// Snapshot is what Status returns. Supervisor to facade.
type Snapshot struct {
	State       State
	Connections []ConnectionStatus
	Firmware    *FirmwareStatus // nil where updates are not configured
	Uplink      *Uplink         // as last told; nil where nothing has been
}

// Equal reports whether two snapshots say the same.
func (s Snapshot) Equal(other Snapshot) bool {
	return s.State == other.State && s.Uplink.equal(other.Uplink) && slices.EqualFunc(s.Connections, other.Connections, ConnectionStatus.equal) &&
		s.Firmware.equal(other.Firmware)
}

func (f *FirmwareStatus) equal(other *FirmwareStatus) bool {
	return f == other || f != nil && other != nil && *f == *other
}

func (c ConnectionStatus) equal(other ConnectionStatus) bool {
	a, b := c.Attempt, other.Attempt
	c.Attempt, other.Attempt = nil, nil
	return c == other && (a == b || a != nil && b != nil && *a == *b)
}
