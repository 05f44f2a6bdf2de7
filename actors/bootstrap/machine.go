package bootstrap

import (
	"cmp"
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// State is what a bootstrap incarnation is doing.
//
//	       BeginBootstrap           LinkUp               2.04
//	idle ────────────────▶ connecting ─────▶ requesting ─────▶ open ─┐ operations,
//	                                          ▲  │              │ └──┘ Finish: 4.06
//	             4.15, resends exhausted,     └──┘              │ Finish
//	             Echo challenge                                 ▼
//	                                                       persisting
//	                                                            │ Persisted: 2.04
//	                                                            ▼
//	                                                          done
//
//	connecting, requesting ── budget spent ──────────────▶ failed
//	requesting ── refused, RST ──────────────────────────▶ failed
//	open ── 247 s without an operation, 15 min in all ───▶ failed
//	persisting ── PersistFailed: 5.00 ───────────────────▶ failed
//	connecting, requesting, open ── LinkLost ────────────▶ failed
//
// Operations count only once the server has answered 2.04 to our own token:
// without security, whoever forges its address could otherwise do all of them
// without seeing a packet. One that overtook the 2.04 does not get here:
// coapresend drops it, and the server resends it.
//
// A link that is lost while persisting changes nothing: the server has
// finished, and what it wrote is about to be durable.
type State uint8

// The states.
const (
	Idle State = iota
	Connecting
	Requesting
	Open
	Persisting
	Done
	Failed
)

// String returns the state's name.
func (s State) String() string {
	names := [...]string{"idle", "connecting", "requesting", "open", "persisting", "done", "failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// Timers of the machine. Persisting needs none: the shell answers a write that
// the store does not.
var (
	timerAttempt = core.Timer{Name: "attempt"} // the attempt's budget, until the request is answered
	timerSilence = core.Timer{Name: "silence"} // since the last operation, and no later than the end of it all
)

// DefaultSilence is EXCHANGE_LIFETIME of RFC 7252 section 4.8.2 at the default
// parameters: how long a server may be silent within a session (LwM2M Core
// section 6.1.7).
const DefaultSilence = 247 * time.Second

// DefaultLongest is how long one attempt may take in all. A server that sends an
// operation now and then could otherwise keep a device in the session for ever:
// it serves no management server meanwhile, and reports nothing.
const DefaultLongest = 15 * time.Minute

// Config is what does not change from one incarnation to the next.
type Config struct {
	// Silence is how long after its last operation a server is given up:
	// EXCHANGE_LIFETIME at the CoAP parameters in use. 0 means
	// DefaultSilence.
	Silence time.Duration
	// Longest is how long an attempt may take in all, from BeginBootstrap to a
	// Finish that is accepted; it is looked at once the server has answered, so
	// that the deadline of that comes first. 0 means DefaultLongest.
	Longest time.Duration
	// MaxBytes bounds one payload and, in the form in which they are stored,
	// objects 0, 1 and 2 as a whole, with the bootstrap account and all that a
	// Finish adds. 0 means lwm2m.DefaultMaxBytes, 64 KiB; more than
	// accounts.MaxRecord means that.
	MaxBytes int
	// MaxAccounts bounds the management accounts that a bootstrap leaves, the
	// bootstrap account not counted. 0 means accounts.DefaultMax.
	MaxAccounts int
	// TrustStore says that the device has one, which certificate usages 0 and 1 need.
	TrustStore bool
	// Registry defines the objects that a bootstrap server sees; nil means the core
	// objects.
	Registry *lwm2m.Registry
	// Wall says what the wall clock shows; nil for the machine's own.
	Wall validity.Wall
}

func (c Config) orDefault() Config {
	if c.Registry == nil {
		c.Registry = objects.Core()
	}
	return Config{
		Silence:     cmp.Or(c.Silence, DefaultSilence),
		Longest:     cmp.Or(c.Longest, DefaultLongest),
		MaxBytes:    min(cmp.Or(c.MaxBytes, lwm2m.DefaultMaxBytes), accounts.MaxRecord),
		MaxAccounts: cmp.Or(c.MaxAccounts, accounts.DefaultMax),
		TrustStore:  c.TrustStore,
		Registry:    c.Registry,
	}
}

// Machine is the pure core. It implements core.Machine.
type Machine struct {
	config   Config
	state    State
	begin    messages.BeginBootstrap
	deadline time.Time // of connecting and of the answer to the request
	end      time.Time // of it all, whatever the server does

	request uint64           // ID of the Bootstrap-Request that is under way
	last    messages.Request // that request
	plain   bool             // no preferred format: the server does not know pct
	echoed  bool             // this request has been repeated with an Echo option

	session *transaction
	finish  uint64      // ID of the Finish that waits for the store
	result  *lwm2m.Tree // what is being stored
	refused error       // why the last Finish was refused; nil when none was
}

// New returns a machine that waits for BeginBootstrap.
func New(config Config) *Machine { return &Machine{config: config.orDefault()} }

// State returns the present state, for probes and tests.
func (m *Machine) State() State { return m.state }

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case messages.BeginBootstrap:
		return m.start(now, in)
	case core.Expired:
		return m.expired(now, in)
	case core.Persisted:
		return m.persisted(in)
	case core.PersistFailed:
		return m.persistFailed(in)
	default:
		return m.fromLink(now, in)
	}
}

// fromLink takes what the link brings, unless it is from an older one.
func (m *Machine) fromLink(now time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case messages.Postponed:
		if in.Epoch == m.begin.Epoch {
			return m.postponed(now, in)
		}
	case messages.LinkUp:
		if in.Epoch == m.begin.Epoch {
			return m.linkUp(now, in)
		}
	case messages.LinkLost:
		if in.Failure.Epoch == m.begin.Epoch {
			return m.linkLost(in)
		}
	case messages.Response:
		if in.Epoch == m.begin.Epoch && in.ID == m.request {
			return m.response(now, in)
		}
	case messages.RequestFailed:
		if in.Epoch == m.begin.Epoch && in.ID == m.request {
			return m.requestFailed(now, in)
		}
	case messages.Inbound:
		if in.Epoch == m.begin.Epoch {
			return m.inbound(now, in)
		}
	case messages.BodyRefused:
		if in.Epoch == m.begin.Epoch && m.state == Open {
			return m.fail(messages.Failure{Class: messages.ClassBudget, Cause: errBudget})
		}
	}
	return nil
}

func (m *Machine) start(now time.Time, in messages.BeginBootstrap) []core.Effect {
	if m.state != Idle {
		return nil
	}
	m.begin, m.deadline, m.end, m.state = in, in.Deadline, now.Add(m.config.Longest), Connecting
	m.begin.Tree = in.Tree.Clone() // the sender may go on with its own
	m.plain = in.Version == requests.Version10
	return []core.Effect{core.SetTimer{Timer: timerAttempt, After: in.Deadline.Sub(now) + outcome.ConnectGrace}}
}

// postponed moves the ends of attempt and session while the link waits for its turn to
// shake hands.
func (m *Machine) postponed(now time.Time, in messages.Postponed) []core.Effect {
	if m.state != Connecting {
		return nil
	}
	m.deadline, m.end = m.deadline.Add(in.By), m.end.Add(in.By)
	return []core.Effect{core.SetTimer{Timer: timerAttempt, After: m.deadline.Sub(now) + outcome.ConnectGrace}}
}

func (m *Machine) linkUp(now time.Time, in messages.LinkUp) []core.Effect {
	if m.state != Connecting {
		return nil
	}
	if !in.Deadline.IsZero() {
		m.deadline = in.Deadline
	}
	timer := core.SetTimer{Timer: timerAttempt, After: m.deadline.Sub(now)}
	return append([]core.Effect{timer}, m.sendRequest()...)
}

func (m *Machine) linkLost(in messages.LinkLost) []core.Effect {
	switch m.state {
	case Connecting, Requesting, Open:
		f := in.Failure
		if f.Detail == "" && m.refused != nil {
			f.Detail = "after Bootstrap-Finish was refused: " + m.refused.Error()
		}
		return m.fail(f)
	}
	return nil
}

func (m *Machine) expired(now time.Time, in core.Expired) []core.Effect {
	switch {
	case in.Timer == timerAttempt && (m.state == Connecting || m.state == Requesting):
		return m.fail(messages.Failure{Class: messages.ClassTimeout})
	case in.Timer == timerSilence && m.state == Open && now.Before(m.end):
		return m.fail(m.unfinished(messages.Failure{Class: messages.ClassBootstrapSilence}))
	case in.Timer == timerSilence && m.state == Open:
		endless := &EndlessError{Longest: m.config.Longest}
		return m.fail(m.unfinished(messages.Failure{Class: messages.ClassBootstrapTimeout, Cause: endless}))
	}
	return nil
}

// EndlessError says that a server has kept a session open for too long.
type EndlessError struct{ Longest time.Duration }

// Error names the bound and what sets it.
func (e *EndlessError) Error() string {
	return "the bootstrap server has not finished within " + e.Longest.String() + " (bootstrap_timeout)"
}

// unfinished returns the most useful cause of a session that was not finished: a
// server that was told what is wrong with its configuration and did not repair it
// has not just fallen silent, or gone on for too long.
func (m *Machine) unfinished(otherwise messages.Failure) messages.Failure {
	var limit *accounts.LimitError
	var count *accounts.CountError
	switch {
	case errors.As(m.refused, &limit), errors.As(m.refused, &count):
		return messages.Failure{Class: messages.ClassBudget, Cause: m.refused}
	case m.refused != nil:
		return messages.Failure{Class: messages.ClassBootstrapData, Cause: m.refused}
	}
	return otherwise
}

// inbound serves one request of the server. Every request gets exactly one
// answer, whatever the state.
func (m *Machine) inbound(now time.Time, in messages.Inbound) []core.Effect {
	closed := refuse(messages.MethodNotAllowed, "no bootstrap session is open")
	switch {
	case m.state == Persisting && isFinish(in):
		// A server that repeats its Finish learns nothing before the disk has
		// decided.
		return []core.Effect{core.After{Token: m.finish}, m.reply(in.ID, closed)}
	case m.state != Open:
		return []core.Effect{m.reply(in.ID, closed)}
	case isFinish(in):
		return m.finished(now, in)
	}
	answer := m.session.serve(in)
	effects := []core.Effect{m.reply(in.ID, answer)}
	if answer.limit != nil {
		return append(effects, m.fail(messages.Failure{Class: messages.ClassBudget, Cause: answer.limit})...)
	}
	return append(effects, m.heard(now)...)
}

// heard begins the wait for the next operation anew. It ends with the attempt.
func (m *Machine) heard(now time.Time) []core.Effect {
	return []core.Effect{core.SetTimer{Timer: timerSilence, After: min(m.config.Silence, m.end.Sub(now))}}
}

// finished handles Bootstrap-Finish: a configuration that does not hold
// together is refused, and the server may repair it; one that does is stored
// before the answer leaves.
func (m *Machine) finished(now time.Time, in messages.Inbound) []core.Effect {
	result, record, err := m.session.finish(validity.Clock{Now: m.config.Wall.At(now), Known: m.begin.Known})
	if err != nil {
		m.refused = err
		return append([]core.Effect{m.reply(in.ID, refuse(messages.NotAcceptable, err.Error()))}, m.heard(now)...)
	}
	m.state, m.finish, m.result = Persisting, in.ID, result
	return []core.Effect{core.StopTimer{Timer: timerSilence}, core.Persist{
		Token:  in.ID,
		Record: messages.RecordCredentials,
		Data:   record,
		Hold:   true, // a client without a disk is better than one without a server
	}}
}

func (m *Machine) persisted(in core.Persisted) []core.Effect {
	if m.state != Persisting || in.Token != m.finish {
		return nil
	}
	m.state, m.session = Done, nil
	return []core.Effect{
		m.reply(m.finish, done(messages.Changed)),
		m.tell(messages.Bootstrapped{Epoch: m.begin.Epoch, Tree: m.result.Clone(), Held: in.Held}),
	}
}

func (m *Machine) persistFailed(in core.PersistFailed) []core.Effect {
	if m.state != Persisting || in.Token != m.finish {
		return nil
	}
	effects := []core.Effect{m.reply(m.finish, refuse(messages.InternalServerError, "the credentials could not be stored"))}
	return append(effects, m.fail(messages.Failure{Class: messages.ClassStoreWrite, Cause: in.Err})...)
}

func (m *Machine) reply(id uint64, a answer) core.Effect {
	return core.Tell{To: core.Link, Message: messages.Reply{
		Epoch: m.begin.Epoch, ID: id, Code: a.Code, ContentFormat: a.Format, Payload: a.Payload,
	}}
}

func (m *Machine) tell(message any) core.Effect {
	return core.Tell{To: core.Supervisor, Message: message}
}
