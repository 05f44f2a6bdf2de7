package registration

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// State is what a registration incarnation is doing.
//
//	             BeginRegistration
//	idle ────────────────────────────▶ connecting
//	                                       │ LinkUp
//	            ┌──────────────────────────┴──────────────┐
//	            ▼ ModeRegister                 ModeUpdate ▼
//	       registering ◀──────────────────────────── reconnecting
//	            │ 2.01           4.xx, RST                │ 2.04
//	            ▼                                         ▼
//	       registered ◀───────────────────────────────────┘
//	        │      ▲ 2.04
//	 Update ▼      │
//	       updating ──── 4.29, 5.xx ────▶ deferred ── SendUpdate ──▶ updating
//	            └─────── 4.xx, RST ─────▶ registering
//
//	registered, updating, deferred ── Deregister ──▶ deregistering ──▶ done
//	any state ── LinkLost, silence, budget ──▶ done
type State uint8

// The states.
const (
	Idle State = iota
	Connecting
	Registering
	Reconnecting // the first Update on a new link
	Registered
	Updating
	Deferred // the server put an Update off; the supervisor says when to go on
	Deregistering
	Done
)

// String returns the state's name.
func (s State) String() string {
	names := [...]string{"idle", "connecting", "registering", "reconnecting", "registered", "updating", "deferred", "deregistering", "done"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// Timers of the machine.
var (
	timerAttempt = core.Timer{Name: "attempt"} // the attempt's budget
	timerUpdate  = core.Timer{Name: "update"}  // the next Update is due
)

// Config is what does not change from one incarnation to the next.
type Config struct {
	// Budget bounds a Register that follows a refused Update on a link that
	// works; 3 minutes by default.
	Budget time.Duration
}

// keptPatience is for how long the first request is waited for on a link that goes on with
// a session of an earlier one: three sendings and a slow answer; at most half of what the
// attempt has left, since a handshake is to follow in it. A server that does not know the
// session any more drops what comes in it, and says nothing.
const keptPatience = 15 * time.Second

// Machine is the pure core. It implements core.Machine.
type Machine struct {
	config   Config
	state    State
	peer     messages.Peer
	epoch    messages.Epoch
	server   uri.URI
	endpoint string
	versions []string  // to offer, highest first
	deadline time.Time // of the attempt

	known   *messages.Registration // what the server knows of us; nil when it knows nothing
	objects []messages.ObjectEntry // what to announce from now on
	life    time.Duration
	queue   bool // in queue mode
	written bool // what is to be announced is a server's doing

	request      uint64 // ID of the request that is under way, or was last
	last         any    // that messages.Request, until it is answered
	version      int    // index into versions
	sent         messages.Registration
	sends        map[uint64]posted // under way, by the ID of the request
	lastSend     uint64            // ID of the latest of them
	echoed       bool              // this request has been repeated with an Echo option
	freshLink    bool              // no Register or Update has been accepted on this link yet
	reregistered bool              // a refused Update of this cycle has led to a Register
	anew         bool              // a Register has been asked for and follows the Update that is under way
	doubted      bool              // the attempt ends early where the server does not know the link's session
	asked        bool              // the server has asked for the Update that timerUpdate waits for, so timerUpdate starts no new Update cycle
}

// New returns a machine that waits for BeginRegistration.
func New(config Config) *Machine { return &Machine{config: config} }

// State returns the present state, for probes and tests.
func (m *Machine) State() State { return m.state }

// Causes of failures that are found here.
var (
	errNoLocation = errors.New("the server answered 2.01 without a usable Location-Path")
	errUnexpected = errors.New("the server's answer does not fit the request")
	errUnderWay   = errors.New("a Register was under way, and no Location is known to de-register")
)

// Limits of a Location-Path, which is stored and sent back verbatim.
const (
	maxLocationSegments = 16
	maxLocationBytes    = 1024
)

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	if m.state == Done {
		return nil
	}
	switch in := in.(type) {
	case messages.BeginRegistration:
		return m.start(now, in)
	case messages.Postponed:
		if in.Epoch == m.epoch {
			return m.postponed(now, in)
		}
	case messages.LinkUp:
		if in.Epoch == m.epoch {
			return m.linkUp(now, in)
		}
	case messages.LinkLost:
		if in.Failure.Epoch == m.epoch {
			return m.linkLost(in)
		}
	case messages.Response:
		if in.Epoch == m.epoch {
			return m.answered(now, in)
		}
	case messages.RequestFailed:
		if in.Epoch == m.epoch {
			return m.unanswered(now, in)
		}
	case messages.Acknowledged:
		if in.Epoch == m.epoch {
			return m.believe(now)
		}
	case messages.Silence:
		if in.Epoch == m.epoch {
			return m.silence()
		}
	case core.Expired:
		return m.expired(now, in)
	default:
		return m.command(now, in)
	}
	return nil
}

// command takes the supervisor's orders.
func (m *Machine) command(now time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case messages.SendUpdate:
		if in.Epoch == m.epoch && m.canSend() {
			return m.updateAsked(now, in)
		}
	case messages.SendRegister:
		if in.Epoch == m.epoch {
			return m.registerAsked(now)
		}
	case messages.ObjectsChanged:
		if in.Epoch == m.epoch {
			return m.changed(now, in)
		}
	case messages.PostSend:
		if in.Epoch == m.epoch {
			return m.post(in)
		}
	case messages.Deregister:
		if in.Epoch == m.epoch {
			return m.deregister()
		}
	}
	return nil
}

// registerAsked registers anew. Where the server knows us, that ends the present
// registration first: what it has asked for is void.
func (m *Machine) registerAsked(now time.Time) []core.Effect {
	switch {
	case m.state == Updating:
		m.anew = true
		return nil
	case !m.canSend():
		return nil
	case m.known == nil:
		return m.registerAgain(now)
	}
	m.known = nil
	return append([]core.Effect{m.tell(messages.Reregistering{Epoch: m.epoch})}, m.registerAgain(now)...)
}

// answered tells the answer to a Send from that to the request of the registration.
func (m *Machine) answered(now time.Time, in messages.Response) []core.Effect {
	switch {
	case in.ID == m.request:
		return append(m.believe(now), m.response(now, in)...)
	case in.ID > sendIDs:
		return m.sendAnswered(in)
	}
	return nil
}

func (m *Machine) unanswered(now time.Time, in messages.RequestFailed) []core.Effect {
	switch {
	case in.ID == m.request:
		return m.requestFailed(now, in)
	case in.ID > sendIDs:
		return m.sendFailed(in)
	}
	return nil
}

func (m *Machine) canSend() bool { return m.state == Registered || m.state == Deferred }

func (m *Machine) start(now time.Time, in messages.BeginRegistration) []core.Effect {
	if m.state != Idle {
		return nil
	}
	m.state, m.freshLink = Connecting, true
	m.peer, m.epoch, m.server, m.deadline = in.Account.Peer, in.Epoch, in.Account.URI, in.Deadline
	m.endpoint, m.versions = in.Endpoint, in.Versions
	m.objects, m.life, m.queue = in.Objects, in.Account.Lifetime, in.Account.Queue
	if in.Mode == messages.ModeUpdate {
		m.known = in.Previous
	}
	return []core.Effect{core.SetTimer{Timer: timerAttempt, After: in.Deadline.Sub(now) + outcome.ConnectGrace}}
}

// postponed moves the deadline while the link waits for its turn to shake hands.
func (m *Machine) postponed(now time.Time, in messages.Postponed) []core.Effect {
	if m.state != Connecting {
		return nil
	}
	m.deadline = m.deadline.Add(in.By)
	return []core.Effect{core.SetTimer{Timer: timerAttempt, After: m.deadline.Sub(now) + outcome.ConnectGrace}}
}

func (m *Machine) linkUp(now time.Time, in messages.LinkUp) []core.Effect {
	if m.state != Connecting {
		return nil
	}
	deadline := m.deadline
	if !in.Deadline.IsZero() {
		deadline = in.Deadline
	}
	m.deadline = deadline
	if in.Origin == messages.SessionKept {
		deadline, m.doubted = now.Add(min(keptPatience, deadline.Sub(now)/2)), true
	}
	effects := []core.Effect{core.SetTimer{Timer: timerAttempt, After: deadline.Sub(now)}}
	if m.known != nil {
		return append(effects, m.update(now, Reconnecting)...)
	}
	return append(effects, m.register()...)
}

// believe gives the attempt all of its time, once the server has shown that it knows the
// session of the link.
func (m *Machine) believe(now time.Time) []core.Effect {
	if !m.doubted {
		return nil
	}
	m.doubted = false
	return []core.Effect{core.SetTimer{Timer: timerAttempt, After: max(m.deadline.Sub(now), 0)}}
}

// changed takes what is to be announced from now on and tells the server, if
// it knows otherwise.
func (m *Machine) changed(now time.Time, in messages.ObjectsChanged) []core.Effect {
	m.objects, m.life, m.queue, m.written = in.Objects, in.Lifetime, in.Queue, in.Triggered
	if m.state != Registered || !m.stale() {
		return nil
	}
	return m.tellChange(now)
}

// tellChange sends an Update with what has changed. A server that writes again and
// again gets it no more often than one that asks for Updates.
func (m *Machine) tellChange(now time.Time) []core.Effect {
	return m.updateAsked(now, messages.SendUpdate{Triggered: m.written})
}

func (m *Machine) expired(now time.Time, in core.Expired) []core.Effect {
	switch in.Timer {
	case timerAttempt:
		return m.budgetSpent()
	case timerUpdate:
		if m.state == Registered {
			m.reregistered = m.reregistered && m.asked
			return m.update(now, Updating)
		}
	}
	return nil
}

// budgetSpent ends an attempt that nothing explicit has ended.
func (m *Machine) budgetSpent() []core.Effect {
	switch m.state {
	case Connecting, Registering, Reconnecting:
		return m.fail(messages.Failure{Class: messages.ClassTimeout})
	}
	return nil
}
