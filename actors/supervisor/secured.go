package supervisor

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// The DTLS session of a management account outlives its links (docs/design.md, DTLS
// sessions): network brings what is left of one, and the next link goes on with it. A
// session that is movable is at one place at a time: here, or in the link that goes on
// with it, so that no nonce is used twice.

// securedLinks are what an account has of DTLS sessions.
type securedLinks struct {
	// next is what the next link goes on with; nil for none.
	next *messages.SecureSession
	// leaving is the link that was ended last such that its session survives, and that has
	// not brought it yet; 0 for none.
	leaving messages.Epoch
	// link is the session of the present link, as it came up; nil without DTLS, or without
	// a link. origin is what that link, or the last answer on it, has cost.
	link   *messages.SecureSession
	origin messages.SessionOrigin
	// allowed is the first sequence number of it that the link may not use yet, as it was
	// told last; 0 when it may use all: then no record may say any more what it has not used.
	allowed uint64
	// outdated says that the present incarnation began with credentials, or with a server,
	// that are not the account's any more: nothing goes on with its session.
	outdated bool
	// works says that the server has once completed a handshake in which a Connection ID
	// was offered: that does not keep it from answering.
	works bool
	// offered says that the handshake under way, or the last one, offered one.
	offered bool
	// shown is link without its secret, for snapshots.
	shown *messages.SecureSession
}

// resuming returns what the next link of the present attempt goes on with, and takes it
// away where it may be used once only.
func (m *Machine) resuming(a *account) *messages.SecureSession {
	s := &a.secured
	taken := s.next
	if taken == nil || a.attempt.afresh && taken.Movable || a.outage.simply() && !taken.Movable {
		a.attempt.resuming = false
		return nil
	}
	if a.attempt.resuming = true; taken.Movable {
		s.next = nil
	}
	return taken
}

// offersCID reports whether the next handshake offers a Connection ID. A server that
// cannot stand it, against RFC 5246 section 7.4.1.4, is to be reached all the same: until
// one has been offered with success, every other attempt that fails in the handshake is
// followed by one without.
func (m *Machine) offersCID(a *account) bool {
	a.secured.offered = m.config.CID && (a.secured.works || !a.outage.simply())
	return a.secured.offered
}

// linkSecured notes with which session a link has come up.
func (m *Machine) linkSecured(a *account, in messages.Progress) {
	s := &a.secured
	if a.Credentials.Mode == messages.SecurityEST {
		return // the link is to the server that enrols
	}
	s.link, s.origin, s.next, s.leaving, s.shown, s.allowed = in.Session, in.Origin, nil, 0, nil, 0
	if in.Session == nil {
		return
	}
	s.allowed = in.Session.Reserved
	s.shown = new(*in.Session)
	s.shown.State = nil
	if in.Origin == messages.SessionNew {
		s.works = s.works || s.offered
	}
	if !in.Session.Movable && len(in.Session.State) > 0 && !s.outdated {
		s.next = in.Session
	}
}

// linkGone notes that the account has no link any more.
func (s *securedLinks) linkGone() { s.link, s.shown, s.outdated = nil, nil, false }

// sessionLeft takes what is left of the session of a link that has ended. Where another
// one is up meanwhile, its session counts.
func (m *Machine) sessionLeft(in messages.SessionLeft) {
	for _, a := range m.servers() {
		s := &a.secured
		switch in.Epoch {
		case a.epoch:
			outdated := s.outdated
			if s.linkGone(); outdated {
				return
			}
		case s.leaving:
			if s.leaving = 0; s.link != nil {
				return
			}
		default:
			continue
		}
		s.next = &in.Session
		return
	}
}

// keeps notes that the link of an account ends, and reports whether its session is to
// survive it: one that is movable, also where the link that was to go on with it is not
// up. Of any other the server is told that it ends, which keeps nobody from resuming it.
func (a *account) keeps() bool {
	s := &a.secured
	keep := a.management() && !s.outdated && (s.link != nil && s.link.Movable || s.link == nil && a.attempt.resuming)
	a.attempt.resuming = false
	if keep {
		s.leaving = a.epoch
	}
	s.linkGone()
	return keep
}

// part ends the link of an account, and its session with it.
func (m *Machine) part(a *account) {
	a.secured.linkGone()
	a.attempt.resuming = false
	m.retire(a)
	m.dropSession(a)
}

// dropSession forgets what a link could go on with, and the record of it.
func (m *Machine) dropSession(a *account) {
	a.secured.next, a.secured.leaving = nil, 0
	m.forgetSession(a.Peer)
}

// sessionFailed is called when an incarnation has failed. It reports whether the attempt
// goes on at once with a new session, to the same address: where the one that it went on
// with may be why. A session whose server was silent is kept all the same: if nothing
// answers the new handshake either, the network is why. A server that refuses the port or
// ends the session has ended what it knew of sessions.
func (m *Machine) sessionFailed(now time.Time, a *account, f *messages.Failure) (goesOn bool) {
	resuming, kept := a.attempt.resuming, a.secured.origin == messages.SessionKept
	switch f.Class {
	case messages.ClassTimeout, messages.ClassSilence:
		goesOn = kept && a.secured.link != nil
	case messages.ClassHandshakeStalled, messages.ClassAlert, messages.ClassCredentialsRefused:
		m.dropSession(a)
		goesOn = true
	case messages.ClassClosed:
		m.dropSession(a)
		goesOn = kept || a.stage == stageConnecting
	case messages.ClassRefused:
		m.dropSession(a)
	}
	if !goesOn || !resuming || !a.attempting() || !now.Before(a.attempt.deadline) {
		return false
	}
	a.attempt.again()
	m.retire(a)
	m.spawn(now, a)
	return true
}

// cost says what the latest answer of a server has cost: the first one on a link what the
// link has, every other one nothing.
func (a *account) cost() messages.SessionOrigin {
	was := a.secured.origin
	if was != messages.SessionNone {
		a.secured.origin = messages.SessionKept
	}
	return was
}

// storedSession is what is on the disk of a session.
type storedSession struct {
	of       *messages.SecureSession // the session of the newest record; nil for none
	reserved uint64                  // what the newest record says, or will
	writing  int                     // writes of which the store has not said what has become
	onDisk   bool                    // there may be a record, whatever it says
	failed   bool                    // one of those writes has failed
}

// left is what counts for a machine after this one: there are no links any more.
func (s storedSession) left() storedSession { return storedSession{onDisk: s.onDisk} }

// tokenSession marks the token of the record of a session.
const tokenSession = 1 << 33

// writeSession writes down the session of a link on which the server has answered, once.
func (m *Machine) writeSession(a *account) {
	s, d := a.secured.link, m.durableOf(a.Peer)
	if s == nil || len(s.State) == 0 || a.secured.outdated || d.session.of == s || m.stop != nil {
		return
	}
	if !m.config.KeepSessions || m.place == nil || s.Movable && a.secured.allowed == 0 {
		return
	}
	d.session.of, d.session.reserved = s, a.secured.allowed
	m.persistSession(a)
}

// allow lets the session of a link use the sequence numbers below until; 0 all of them.
func (m *Machine) allow(a *account, until uint64) {
	if a.secured.allowed == 0 || until == a.secured.allowed {
		return
	}
	a.secured.allowed = until
	m.do(Order{Epoch: a.epoch, To: core.Network, Message: messages.ReserveSequence{Epoch: a.epoch, Until: until}})
}

func (m *Machine) persistSession(a *account) {
	d := m.durableOf(a.Peer)
	m.changeSession(d, accounts.EncodeSession(accounts.Session{
		Owner: accounts.OwnerOf(m.config.Endpoint, *a.Account), Proof: accounts.ProofOf(a.Account, d.session.of.State),
		Place: *m.place, Since: d.session.of.Since, Reserved: d.session.reserved, State: d.session.of.State,
	}))
}

// changeSession writes or removes a record behind all that this step does.
func (m *Machine) changeSession(d *durable, data []byte) {
	m.states.writing++
	d.session.writing++
	d.session.onDisk = true
	m.states.effects = append(m.states.effects, core.Persist{
		Token: d.peer.Key() | tokenSession, Record: messages.SessionRecord(d.peer), Data: data,
	})
}

// sequenceUsed reserves more sequence numbers for the session of a link. One that is not
// stored uses all of them once there is no record for certain. While the store works on
// one nothing is asked of it: network asks again.
func (m *Machine) sequenceUsed(in messages.SequenceUsed) {
	a := m.live(in.Epoch)
	if a == nil || a.secured.link == nil {
		return
	}
	switch d := m.durableOf(a.Peer); {
	case d.session.writing > 0:
	case d.session.of == a.secured.link:
		d.session.reserved = in.Next + messages.SequenceBlock
		m.persistSession(a)
	case d.session.onDisk:
		d.session.of = nil
		m.changeSession(d, nil)
	default:
		m.allow(a, 0)
	}
}

// sessionAnswered takes what has become of a write to the record of a session. Numbers are
// reserved when the newest record that says so is durable.
func (m *Machine) sessionAnswered(p messages.Peer, err error) {
	d := m.durableOf(p)
	d.session.failed = d.session.failed || err != nil
	if d.session.writing = max(0, d.session.writing-1); d.session.writing == 0 {
		m.sessionSettled(d)
	}
	m.wrote()
}

func (m *Machine) sessionSettled(d *durable) {
	s, failed := &d.session, d.session.failed
	s.failed = false
	a := m.accounts.of(d.peer)
	ours := a != nil && a.epoch != 0 && a.secured.link != nil
	switch {
	case failed && s.of != nil: // whatever is on the disk, it must not be gone on with
		s.of = nil
		m.changeSession(d, nil)
	case failed:
	case s.of == nil:
		s.onDisk = false
	case ours && s.of == a.secured.link:
		m.allow(a, s.reserved)
	}
}

// forgetSession removes the record of a session.
func (m *Machine) forgetSession(p messages.Peer) {
	if d := m.states.of(p); d != nil && (d.session.of != nil || d.session.onDisk) {
		d.session.of = nil
		m.changeSession(d, nil)
	}
}

// forgetStrangers removes the records of sessions with servers that are none of ours any
// more: what is in them is secret.
func (m *Machine) forgetStrangers(sessions map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(sessions)) {
		id, err := strconv.ParseUint(strings.TrimPrefix(name, messages.RecordsOfSessions), 10, 16)
		p := messages.ManagementPeer(uint16(id))
		if err == nil && m.accounts.of(p) == nil && messages.SessionRecord(p) == name {
			m.changeSession(m.durableOf(p), nil)
		}
	}
}

// takeUpSession goes on with the session of a record, which belongs to the registration
// that was found with it.
func (m *Machine) takeUpSession(a *account, data []byte) {
	if data == nil {
		return
	}
	m.durableOf(a.Peer).session.onDisk = true
	stored, err := accounts.DecodeSession(data)
	usable := err == nil && m.config.KeepSessions && a.registration != nil && !m.states.distrusted &&
		stored.Owner == accounts.OwnerOf(m.config.Endpoint, *a.Account) && stored.Proof == accounts.ProofOf(a.Account, stored.State)
	if !usable {
		m.forgetSession(a.Peer)
		return
	}
	session := stored.Secure()
	a.secured.next, a.secured.works = &session, session.Movable
	if session.Movable {
		m.durableOf(a.Peer).next += skipped(stored.Reserved)
	}
}

// A server that finds its session by a Connection ID takes the client for the same endpoint
// after a restart, and a request with a message ID of the last 247 s for a copy (RFC 7252
// section 4.5). What the record of state skips comes round with the ninth start, and a process
// that is killed early has not moved it. The claim on the session is made anew at every start,
// before the first message: it leads each to other message IDs, within what is reserved.
//
// A step by the golden section keeps any number of starts in a row apart, and as far as so
// many can be: those that were short, and are many, by little; those that were long, and are
// few, by a lot. It holds whether the record was moved in between or not.
const (
	idsSkipped = 4064 // below idsLow
	idsStep    = 2511 // 4064 / 1.618; odd and no multiple of 127, so that all 4,064 are had
)

// skipped returns how many message IDs a process leaves out that has claimed a session.
func skipped(claimed uint64) uint64 {
	return claimed / messages.SequenceBlock * idsStep % idsSkipped
}
