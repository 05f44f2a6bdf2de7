package network

import (
	"crypto"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// lookupLimit bounds one DNS lookup, whatever the deadline of the link.
const lookupLimit = 10 * time.Second

// guardGrace is how long after a stage's own limit the machine waits for the
// goroutine that should have reported by then, before it gives up on it.
const guardGrace = 2 * time.Second

// guard is the one timer of a machine: every state that waits is left by it
// at the latest.
var guard = core.Timer{Name: "guard"}

// State is how far a link has come.
type State uint8

// The states of a link.
//
//	        Connect              resolved             connected
//	Idle ------------> Resolving ---------> Connecting ---------> Up
//	 |  \                 |                  ^   |                 |
//	 |   `----------------)------------------'   | failed,         | read or
//	 |   literal address, |  failed, guard       | guard           | write failed
//	 |   known addresses  v                      v                 v
//	 `----------------> Lost <-------------------+-----------------'
//	   bad credentials
//
// Lost is final.
const (
	Idle State = iota
	Resolving
	Connecting
	Up
	Lost
)

// String returns the state's name, for logs and test failures.
func (s State) String() string {
	names := [...]string{"idle", "resolving", "connecting", "up", "lost"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// Inputs that the shell's own goroutines make. Each carries the epoch of the
// link that it belongs to.
type (
	// resolved is the end of a lookup.
	resolved struct {
		epoch messages.Epoch
		addrs []netip.Addr
		err   error
	}
	// joined brings the addresses of a lookup that came late.
	joined struct {
		epoch messages.Epoch
		addrs []netip.Addr
	}
	// queued says that the handshake waits for its turn, admitted that it has it.
	queued   struct{ epoch messages.Epoch }
	admitted struct{ epoch messages.Epoch }
	// connected says that socket and session are ready.
	connected struct {
		epoch   messages.Epoch
		origin  messages.SessionOrigin
		session *messages.SecureSession // nil without DTLS
	}
	// sequenceLow says that few of the reserved sequence numbers are left.
	sequenceLow struct {
		epoch messages.Epoch
		next  uint64
	}
	// broken says that dialling, the handshake, a read or a write failed.
	broken struct {
		epoch messages.Epoch
		err   error
	}
)

// Effects that only this package's shell understands.
type (
	// resolve looks host up, until deadline at the latest.
	resolve struct {
		core.Marker
		host     string
		deadline time.Time
	}
	// open dials remote and shakes hands, until deadline at the latest; a
	// nil security means plain UDP.
	open struct {
		core.Marker
		remote   netip.AddrPort
		deadline time.Time
		security *security
		terms    *terms // nil without DTLS
	}
	// compare finds out which address the link has, and which a new one would have.
	compare struct {
		core.Marker
		remote    netip.AddrPort
		addresses []messages.LocalAddress
	}
	// serve begins to read; it comes after the tells of LinkUp, so that no
	// datagram overtakes them.
	serve struct{ core.Marker }
	// shut ends the link's goroutines and closes its socket. The server is told,
	// unless the session is to survive: then the supervisor is, of what is left of it.
	shut struct {
		core.Marker
		keep bool
		// lent is the session that the link was to go on with; nil once it is up.
		lent *messages.SecureSession
	}
	// reserve allows the sequence numbers below until.
	reserve struct {
		core.Marker
		until uint64
	}
)

// Machine is the pure core of one link. It is not safe for concurrent use.
type Machine struct {
	peer  messages.Peer
	epoch messages.Epoch

	signers []crypto.Signer
	trust   TrustStore
	wall    validity.Wall
	misled  bool // the clock is known to be wrong
	public  bool // no address will do that leads back to this machine

	state     State
	request   *messages.Connect // without its credentials; nil once the link is up
	security  *security
	terms     *terms                  // nil without DTLS
	lent      *messages.SecureSession // that the link goes on with; nil once it is up
	addresses []netip.AddrPort
	late      []netip.AddrPort // joined before the rest of the lookup was there
	chosen    netip.AddrPort
	waits     time.Time // since when the handshake waits for its turn; zero when it does not
}

// New returns the machine of one link to a peer. Inputs of another epoch
// are dropped. The signers hold keys that credentials name by their public
// halves.
func New(peer messages.Peer, epoch messages.Epoch, signers ...crypto.Signer) *Machine {
	return &Machine{peer: peer, epoch: epoch, signers: signers}
}

// State returns how far the link has come.
func (m *Machine) State() State { return m.state }

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	if m.state == Lost || !m.current(in) {
		return nil
	}
	switch in := in.(type) {
	case messages.Connect:
		return m.connect(now, in)
	case resolved:
		return m.resolved(now, in)
	case joined:
		return m.join(in)
	case messages.HandshakeStep:
		return m.handshaking(in)
	case queued:
		return m.queued(now)
	case admitted:
		return m.admitted(now)
	case connected:
		return m.connected(in)
	case sequenceLow:
		return []core.Effect{core.Tell{To: core.Supervisor, Message: messages.SequenceUsed{Epoch: m.epoch, Next: in.next}}}
	case messages.ReserveSequence:
		return []core.Effect{reserve{until: in.Until}}
	case messages.LeaveSession:
		return []core.Effect{core.StopTimer{Timer: guard}, m.leave()}
	case messages.CheckLink:
		return m.check(in)
	case compared:
		return m.compared(in)
	case broken:
		return m.lose(m.judge(classify(in.err)))
	case core.Expired:
		return m.overdue()
	}
	return nil
}

// current reports whether an input belongs to this link.
func (m *Machine) current(in any) bool {
	switch in := in.(type) {
	case messages.Connect:
		return in.Epoch == m.epoch && in.Peer == m.peer
	case resolved:
		return in.epoch == m.epoch
	case joined:
		return in.epoch == m.epoch
	case queued:
		return in.epoch == m.epoch
	case admitted:
		return in.epoch == m.epoch
	case connected:
		return in.epoch == m.epoch
	case sequenceLow:
		return in.epoch == m.epoch
	case messages.ReserveSequence:
		return in.Epoch == m.epoch
	case messages.LeaveSession:
		return in.Epoch == m.epoch
	case messages.HandshakeStep:
		return in.Epoch == m.epoch
	case messages.CheckLink:
		return in.Epoch == m.epoch
	case compared:
		return in.epoch == m.epoch
	case broken:
		return in.epoch == m.epoch
	}
	return true
}

// judge knows what an alert is about. After our proof with a pre-shared key nothing
// but identity and key is left that a server could refuse. A server that calls our
// certificate expired, or not yet valid, while our own clock is known to be wrong, may
// mean the clock: a certificate that is asked for now would fare no better.
func (m *Machine) judge(f messages.Failure) messages.Failure {
	if m.security != nil && m.security.own == nil && refusesPSK(f.Cause) {
		f.Class = messages.ClassCredentialsRefused
	}
	if m.misled && f.Class == messages.ClassCredentialsRefused && *f.Alert == alertCertificateExpired {
		f.Class = messages.ClassClock
	}
	return f
}

// connect checks what can be checked without a packet, then resolves or, when
// the addresses are known, connects.
func (m *Machine) connect(now time.Time, in messages.Connect) []core.Effect {
	if m.state != Idle {
		return nil
	}
	m.request = new(in)
	m.request.Credentials, m.request.Resume = messages.Credentials{}, nil // from here on only in m.security and m.terms
	m.lent = in.Resume
	when := times{now: now, wall: m.wall, known: in.Known}
	m.misled, m.public = when.at(now).Wrong(), in.Public
	prepared, err := newSecurity(in.URI, in.Credentials, when, m.signers...)
	if err == nil {
		err = prepared.rely(m.trust)
	}
	if err != nil {
		return m.lose(classify(err))
	}
	if m.security = prepared; prepared != nil {
		m.terms = newTerms(in, when)
	}
	if !now.Before(in.Deadline) {
		return m.lose(classify(&DeadlineError{Stage: messages.StageResolving}))
	}
	if len(in.Addresses) > 0 {
		return m.choose(now, in.Addresses)
	}
	if literal, err := netip.ParseAddr(in.URI.Host); err == nil {
		return m.choose(now, withPort([]netip.Addr{literal}, in.URI.Port))
	}
	return m.lookUp(now)
}

func (m *Machine) lookUp(now time.Time) []core.Effect {
	m.state = Resolving
	deadline := earlier(m.request.Deadline, now.Add(lookupLimit))
	return []core.Effect{
		m.progress(messages.StageResolving),
		m.watch(now, deadline),
		resolve{host: m.request.URI.Host, deadline: deadline},
	}
}

func (m *Machine) resolved(now time.Time, in resolved) []core.Effect {
	if m.state != Resolving {
		return nil
	}
	if in.err != nil {
		return m.lose(classify(newResolveError(m.request.URI.Host, in.err)))
	}
	return m.choose(now, append(withPort(in.addrs, m.request.URI.Port), m.late...))
}

// join adds addresses to those of the attempt, also when the rest of the lookup is
// not there yet. The one that is being tried keeps its share; they come after it.
func (m *Machine) join(in joined) []core.Effect {
	if m.state == Resolving {
		m.late = append(m.late, withPort(in.addrs, m.request.URI.Port)...)
		return nil
	}
	known := len(m.addresses)
	m.addresses = m.allowed(append(slices.Clone(m.addresses), withPort(in.addrs, m.chosen.Port())...))
	if len(m.addresses) == known {
		return nil
	}
	return []core.Effect{core.Tell{To: core.Supervisor, Message: messages.Joined{
		Epoch: m.epoch, Addresses: slices.Clone(m.addresses[known:]),
	}}}
}

// choose takes the address that follows the last one tried and opens a socket
// to it.
func (m *Machine) choose(now time.Time, candidates []netip.AddrPort) []core.Effect {
	m.addresses = m.allowed(candidates)
	if len(m.addresses) == 0 {
		return m.lose(classify(m.noAddress(candidates)))
	}
	m.chosen = follow(m.addresses, m.request.After)
	m.request.Deadline = m.share(now)
	m.state = Connecting
	return []core.Effect{
		m.progress(messages.StageConnecting),
		m.watch(now, m.request.Deadline),
		open{remote: m.chosen, deadline: m.request.Deadline, security: m.security, terms: m.terms},
	}
}

// allowed returns the addresses of a server that may be tried.
func (m *Machine) allowed(candidates []netip.AddrPort) []netip.AddrPort {
	if m.public {
		candidates = public(candidates)
	}
	return tidy(candidates)
}

// noAddress says why none of the addresses may be tried.
func (m *Machine) noAddress(candidates []netip.AddrPort) error {
	if local := tidy(candidates); len(local) > 0 {
		return &LocalError{Host: m.request.URI.Host, Addr: local[0].Addr()}
	}
	return &ResolveError{Host: m.request.URI.Host, Reason: ResolveNoAddress}
}

// share returns the end of this address's part of the attempt. Where this try
// has resolved several, the others get theirs; where the supervisor gave the
// addresses, the deadline is a share already.
func (m *Machine) share(now time.Time) time.Time {
	if len(m.request.Addresses) > 0 {
		return m.request.Deadline
	}
	return messages.AddressShare(now, m.request.Deadline, len(m.addresses))
}

// handshaking passes on how far the handshake has come.
func (m *Machine) handshaking(in messages.HandshakeStep) []core.Effect {
	if m.state != Connecting {
		return nil
	}
	return []core.Effect{core.Tell{To: core.Supervisor, Message: in}}
}

func (m *Machine) connected(in connected) []core.Effect {
	if m.state != Connecting {
		return nil
	}
	up := messages.LinkUp{Epoch: m.epoch, Deadline: m.request.Deadline, Origin: in.origin}
	up.Unproven = in.session != nil && in.session.Unproven
	m.forget()
	m.state = Up
	return []core.Effect{
		core.StopTimer{Timer: guard},
		core.Tell{To: core.Supervisor, Message: messages.Progress{
			Epoch: m.epoch, Stage: messages.StageUp, Addresses: m.addresses, Chosen: m.chosen,
			Origin: in.origin, Session: in.session,
		}},
		core.Tell{To: core.Link, Message: up},
		core.Tell{To: core.Owner, Message: up},
		serve{},
	}
}

// overdue ends a stage whose goroutine has not reported within its own limit.
func (m *Machine) overdue() []core.Effect {
	switch m.state {
	case Resolving:
		return m.lose(classify(&ResolveError{Host: m.request.URI.Host, Reason: ResolveTimeout}))
	case Connecting:
		return m.lose(classify(&DeadlineError{Stage: messages.StageConnecting, Signing: m.security.signing()}))
	}
	return nil
}

// lose ends the link. Lost is final, so the owner is told at most once.
func (m *Machine) lose(f messages.Failure) []core.Effect {
	f.Peer, f.Epoch = m.peer, m.epoch
	return []core.Effect{
		core.StopTimer{Timer: guard},
		m.leave(),
		core.Tell{To: core.Owner, Message: messages.LinkLost{Failure: f}},
	}
}

// leave ends the link such that its session survives.
func (m *Machine) leave() core.Effect {
	end := shut{keep: true, lent: m.lent}
	m.forget()
	return end
}

// forget enters Lost and drops the credentials, which nobody needs any more.
func (m *Machine) forget() {
	m.state, m.request, m.security, m.terms, m.lent = Lost, nil, nil, nil, nil
}

func (m *Machine) progress(stage messages.Stage) core.Effect {
	return core.Tell{To: core.Supervisor, Message: messages.Progress{
		Epoch: m.epoch, Stage: stage, Addresses: m.addresses, Chosen: m.chosen,
	}}
}

func (m *Machine) watch(now, deadline time.Time) core.Effect {
	return core.SetTimer{Timer: guard, After: deadline.Sub(now) + guardGrace}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
