package enrolment

import (
	"crypto/x509"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/est"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// State is what an incarnation is doing.
//
//	      BeginEnrolment             LinkUp
//	idle ───────────────▶ connecting ───────▶ done, with a proof
//	                          │ LinkUp, and there is a request
//	                          ▼
//	        discovering ──▶ fetching: crts
//	             ▲            │ 2.05, or 4.xx
//	             │ 4.04, once ▼
//	             └────────── asking: sen or sren ──▶ done, with a certificate
//
//	any state ── LinkLost, a refusal, silence, the end of its time ──▶ done
type State uint8

// The states.
const (
	Idle State = iota
	Connecting
	Fetching
	Asking
	Discovering
	Done
)

// String returns the state's name.
func (s State) String() string {
	names := [...]string{"idle", "connecting", "fetching", "asking", "discovering", "done"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

var timerAttempt = core.Timer{Name: "attempt"} // the attempt's time

// Config is what does not change from one incarnation to the next.
type Config struct {
	// Wall says what the wall clock shows; nil for the machine's own.
	Wall validity.Wall
}

// Make asks for a key and a request of its own.
type Make struct {
	core.Marker
	Present  []byte // the certificate whose subject is asked for again, DER; nil for none
	Endpoint string
}

// Made answers [Make].
type Made struct {
	Request messages.EnrolmentRequest
	Err     error
}

// Machine is the pure core. It implements core.Machine.
type Machine struct {
	config   Config
	state    State
	begin    messages.BeginEnrolment
	deadline time.Time

	up         bool // the link is
	request    *est.Request
	root       []string
	anchors    []*x509.Certificate
	id         uint64 // of the request that is under way, or was last
	last       messages.Request
	accept     messages.Format // of the certificate
	found      bool            // the root by discovery: there is no other
	challenged bool            // this request has been repeated with an Echo option
}

// New returns a machine that waits for BeginEnrolment.
func New(config Config) *Machine { return &Machine{config: config, accept: est.FormatCertsOnly} }

// State returns the present state, for probes and tests.
func (m *Machine) State() State { return m.state }

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	if m.state == Done {
		return nil
	}
	switch in := in.(type) {
	case messages.BeginEnrolment:
		return m.start(now, in)
	case Made:
		return m.made(in)
	case messages.LinkUp:
		if in.Epoch == m.begin.Epoch {
			return m.linkUp(now, in)
		}
	case messages.LinkLost:
		if in.Failure.Epoch == m.begin.Epoch {
			return m.fail(in.Failure)
		}
	case messages.Response:
		if in.Epoch == m.begin.Epoch && in.ID == m.id {
			return m.response(now, in)
		}
	case messages.RequestFailed:
		if in.Epoch == m.begin.Epoch && in.ID == m.id {
			return m.fail(outcome.Unanswered(in.Reason, messages.ClassTimeout))
		}
	case core.Expired:
		return m.fail(messages.Failure{Class: messages.ClassTimeout})
	}
	return nil
}

func (m *Machine) start(now time.Time, in messages.BeginEnrolment) []core.Effect {
	if m.state != Idle {
		return nil
	}
	m.state, m.begin, m.deadline, m.root = Connecting, in, in.Deadline, in.Root
	if len(m.root) == 0 {
		m.root = est.WellKnown()
	} else {
		m.found = true
	}
	effects := []core.Effect{core.SetTimer{Timer: timerAttempt, After: in.Deadline.Sub(now) + outcome.ConnectGrace}}
	switch {
	case in.Prove:
	case in.Request != nil:
		m.request = new(est.Request(*in.Request))
	default:
		effects = append(effects, Make{Present: in.Present, Endpoint: in.Endpoint})
	}
	return effects
}

// made takes the request for a certificate. One that cannot be made is no failure of the
// server.
func (m *Machine) made(in Made) []core.Effect {
	if m.request != nil || m.state != Connecting {
		return nil
	}
	if in.Err != nil {
		return m.fail(messages.Failure{Class: messages.ClassConfiguration, Cause: in.Err})
	}
	m.request = new(est.Request(in.Request))
	return append([]core.Effect{m.tell(messages.EnrolmentRequested{Epoch: m.begin.Epoch, Request: in.Request})}, m.ready()...)
}

func (m *Machine) linkUp(now time.Time, in messages.LinkUp) []core.Effect {
	if m.state != Connecting {
		return nil
	}
	m.up = true
	if m.begin.Prove {
		return m.end(m.tell(messages.Proven{Epoch: m.begin.Epoch}))
	}
	if !in.Deadline.IsZero() {
		m.deadline = in.Deadline
	}
	return append([]core.Effect{core.SetTimer{Timer: timerAttempt, After: m.deadline.Sub(now)}}, m.ready()...)
}

// ready asks for the server's authorities once there are a link and a request.
func (m *Machine) ready() []core.Effect {
	if !m.up || m.request == nil {
		return nil
	}
	return m.fetch()
}

// fetch asks what the new certificate is to lead to.
func (m *Machine) fetch() []core.Effect {
	m.state = Fetching
	return m.send(messages.Request{Code: messages.GET, Path: m.path(est.Authorities), Accept: new(est.FormatCertsOnly)})
}

// resource is that of the server which gives out the certificate.
func (m *Machine) resource() est.Resource {
	if m.begin.Present != nil {
		return est.Reenrol
	}
	return est.Enrol
}

func (m *Machine) ask() []core.Effect {
	m.state = Asking
	return m.send(messages.Request{
		Code: messages.POST, Path: m.path(m.resource()), ContentFormat: new(est.FormatPKCS10), Accept: new(m.accept),
		Payload: m.request.CSR,
	})
}

func (m *Machine) discover() []core.Effect {
	m.state, m.found = Discovering, true
	return m.send(messages.Request{
		Code: messages.GET, Path: []string{".well-known", "core"}, Query: []string{est.Discovery},
		Accept: new(messages.FormatLinkFormat),
	})
}

func (m *Machine) path(r est.Resource) []string {
	return append(append([]string{}, m.root...), string(r))
}

func (m *Machine) send(r messages.Request) []core.Effect {
	m.id++
	m.challenged = len(r.Echo) > 0
	r.Epoch, r.ID = m.begin.Epoch, m.id
	m.last = r
	return []core.Effect{core.Tell{To: core.Link, Message: r}}
}

// fail ends the incarnation with one report.
func (m *Machine) fail(f messages.Failure) []core.Effect {
	f.Phase, f.Peer, f.Epoch = messages.PhaseEnrolment, m.begin.Peer, m.begin.Epoch
	return m.end(m.tell(messages.Failed{Failure: f}))
}

func (m *Machine) end(report core.Effect) []core.Effect {
	m.state = Done
	return []core.Effect{core.StopTimer{Timer: timerAttempt}, report}
}

func (m *Machine) tell(message any) core.Effect {
	return core.Tell{To: core.Supervisor, Message: message}
}
