package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// What a management server knows of us is written down, so that a start within the
// lifetime begins with an Update (docs/design.md, Durable state). The record is a
// cache: nothing waits for it to be written, and losing it costs a Register.

// updatesUnwritten is for how long Updates that change nothing are accepted without
// a write, which spares flash memory. A registration counts as alive for that much
// longer than its record says.
const updatesUnwritten = time.Hour

// Message IDs are reserved in a record ahead of their use, so that no write is in
// the way of a datagram.
const (
	idsReserved = 8 * messages.MessageIDBlock // at a time
	idsLow      = 4 * messages.MessageIDBlock // a new write when so many are left
)

// longestOff is the longest that a client is taken to have been off.
const longestOff = 10 * 365 * 24 * time.Hour

// clockSet is an instant before which a wall clock has not been set: machines
// without a clock of their own begin in 1970, or in 1980.
var clockSet = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// durable is what is durable of one peer: of a management server what a record
// says, of the bootstrap server the message IDs only, and only in memory. It
// outlives the account, which a bootstrap replaces.
type durable struct {
	peer     messages.Peer
	written  *accounts.State    // the record, as last handed to the store; nil when it has to be written anew
	accepted time.Time          // by the newest record, whomever it is about: that instant has passed
	crashes  int                // of the account's actors, while it is restored
	enrolled *accounts.Enrolled // of an enrolment: the pairs, as last handed to the store; nil for none
	session  storedSession      // of the present link, or of one before
	next     uint64             // the first message ID that no link has, or may yet have, used
	reserved uint64             // the first one that the record does not cover
	onDisk   bool               // there may be a record, whatever it says
	restored bool               // the Location is from the record, and no server has said yet what it is worth
	observed bool               // there is a record of what the server observes
	behind   bool               // that record is out of date: none of state may be used with it
	owed     bool               // the record of state says so of the registration that is restored
}

// states are the records of state of all management servers.
type states struct {
	peers   []*durable
	pairs   map[messages.Peer]int // changes of records of enrolments that the store has not answered
	writing int32                 // records of which the store has not said what has become
	// distrusted says that the supervisor crashed again after its memory had been
	// restored: a record may be why.
	distrusted bool
	read       bool          // the records have been read; from then on, what is in memory counts
	failed     bool          // the last write has failed, and that has been reported
	effects    []core.Effect // of the step under way, behind all others
}

// copy takes over what a machine after this one has to know. The two share nothing
// that changes.
func (s *states) copy(of *states) {
	s.peers = s.peers[:min(len(s.peers), len(of.peers))]
	for i, d := range of.peers {
		if i == len(s.peers) {
			s.peers = append(s.peers, &durable{})
		}
		*s.peers[i] = *d
		s.peers[i].session = d.session.left()
	}
	s.read, s.failed = of.read, of.failed
}

// of returns what is durable of a peer; nil when nothing is.
func (s *states) of(p messages.Peer) *durable {
	if i := slices.IndexFunc(s.peers, func(d *durable) bool { return d.peer == p }); i >= 0 {
		return s.peers[i]
	}
	return nil
}

// removed notes that the store has no record any more.
func (s *states) removed() {
	for _, d := range s.peers {
		d.written, d.onDisk, d.enrolled, d.session = nil, false, nil, storedSession{}
	}
}

// durableOf returns what is durable of a peer.
func (m *Machine) durableOf(p messages.Peer) *durable {
	if d := m.states.of(p); d != nil {
		return d
	}
	first := uint64(m.config.FirstMID)
	d := &durable{peer: p, next: first, reserved: first}
	m.states.peers = append(m.states.peers, d)
	return d
}

// reserve returns the message ID up to which a record that is written now covers those of
// the next links. It moves in steps of one size, whatever was used: so what a claim on a
// session skips behind it (idsStep) stays apart from what others have skipped.
func (d *durable) reserve() uint16 {
	for d.reserved < d.next+idsLow {
		d.reserved += idsReserved
	}
	return uint16(d.reserved)
}

// takeMessageIDs returns the message ID that a new link to a peer begins with.
func (m *Machine) takeMessageIDs(p messages.Peer) uint16 {
	d := m.durableOf(p)
	first := d.next
	d.next += messages.MessageIDBlock
	return uint16(first)
}

// messageIDsUsed gives a link its next block of message IDs.
func (m *Machine) messageIDsUsed(in messages.MessageIDsUsed) {
	if m.fetchOver(in.Epoch) != nil {
		m.durableOf(fetchPeer).next += messages.MessageIDBlock
	}
	if a := m.renewalOver(in.Epoch); a != nil {
		m.durableOf(messages.EnrolmentPeer(a.Peer.ID)).next += messages.MessageIDBlock
	}
	if a := m.live(in.Epoch); a != nil {
		m.durableOf(a.Peer).next += messages.MessageIDBlock
		m.writeState(a)
	}
}

// writeState writes down what a server knows of us, where the record does not say so.
func (m *Machine) writeState(a *account) {
	if a.bootstrap() || a.registration == nil || m.stop != nil || a.disabled.is() {
		return // a pause has a record of its own
	}
	d := m.durableOf(a.Peer)
	if d.behind {
		return
	}
	state := m.stateOf(a)
	state.Observed = d.observed
	state.Unwritten = unwritten(d.written, &state)
	if d.reserved >= d.next+idsLow && covers(d.written, &state) {
		return
	}
	state.NextMID = d.reserve()
	data, err := accounts.EncodeState(state)
	if err != nil {
		return // a Location that cannot be written down
	}
	d.written, d.onDisk = &state, true
	d.accepted = state.Accepted
	m.persist(a.Peer, data)
}

// persist changes a record behind all that this step does: nothing waits for it.
func (m *Machine) persist(p messages.Peer, data []byte) {
	record := messages.StateRecord(p)
	if p.Kind == messages.PeerEnrolment {
		record = messages.EnrolmentRecord(p)
		m.states.pairAsked(p)
	}
	m.states.writing++
	m.states.effects = append(m.states.effects, core.Persist{Token: p.Key(), Record: record, Data: data})
}

// stateOf is an account's registration as a record has it.
func (m *Machine) stateOf(a *account) accounts.State {
	r := a.registration
	return accounts.State{
		Owner: accounts.OwnerOf(m.config.Endpoint, *a.Account), Location: r.Location, Version: r.Version,
		Lifetime: r.Lifetime, Queue: r.Queue, Accepted: time.Unix(r.Accepted.Unix(), 0), Objects: accounts.DigestObjects(r.Objects),
	}
}

// unwritten says for how long the Updates after a write may go without one: where
// they come so often that most of them do, or the one before was written lately.
func unwritten(written, state *accounts.State) time.Duration {
	if written == nil || !sameRegistration(written, state) {
		return 0 // a new one: nothing has been accepted since
	}
	age := state.Accepted.Sub(written.Accepted)
	often := state.Lifetime > 0 && state.Lifetime <= updatesUnwritten
	if often || age >= 0 && age < updatesUnwritten {
		return updatesUnwritten
	}
	return 0
}

// covers reports whether a record says of a registration what there is to say.
func covers(written, state *accounts.State) bool {
	if written == nil || !sameRegistration(written, state) || written.Objects != state.Objects || written.Observed != state.Observed {
		return false
	}
	age := state.Accepted.Sub(written.Accepted)
	return age == 0 || age > 0 && age < written.Unwritten
}

func sameRegistration(x, y *accounts.State) bool {
	return x.Owner == y.Owner && slices.Equal(x.Location, y.Location) && x.Version == y.Version && x.Lifetime == y.Lifetime && x.Queue == y.Queue
}

// forgetState removes the record of a server that is to forget us, or that is no
// longer one of ours. Where a power loss brings it back it costs a round trip: an
// Update that is answered 4.04.
func (m *Machine) forgetState(p messages.Peer) {
	if d := m.states.of(p); d != nil && d.onDisk {
		d.written, d.onDisk = nil, false
		m.persist(p, nil)
	}
}

// forgetOthers removes the records of servers that a bootstrap has removed.
func (m *Machine) forgetOthers() {
	gone := func(d *durable) bool {
		if d.peer.Kind == messages.PeerEnrolment {
			return m.accounts.of(messages.ManagementPeer(d.peer.ID)) == nil
		}
		return m.accounts.of(d.peer) == nil
	}
	slices.SortFunc(m.states.peers, func(x, y *durable) int { return x.peer.Compare(y.peer) })
	for _, d := range m.states.peers {
		if gone(d) {
			m.forgetState(d.peer)
		}
	}
	m.states.peers = slices.DeleteFunc(m.states.peers, gone)
}

// persisted takes a success of the disk.
func (m *Machine) persisted(now time.Time, in core.Persisted) {
	switch in.Token {
	case tokenWrite:
		m.written(now, nil)
	case tokenVoid:
	default:
		m.states.failed = false
		m.stateAnswered(in.Token, nil)
		m.pairStored(now, peerOfToken(in.Token), nil)
	}
}

// stateAnswered notes that the store has answered about a record of state, which a
// de-registration may have waited for.
func (m *Machine) stateAnswered(token uint64, err error) {
	if token&tokenSession != 0 {
		m.sessionAnswered(peerOfToken(token), err)
		return
	}
	m.wrote()
	if token&tokenDisabled != 0 {
		m.disabledWritten(peerOfToken(token))
	}
}

// peerOfToken returns whose record of state a token is about.
func peerOfToken(token uint64) messages.Peer {
	return messages.PeerOfKey(token &^ (tokenDisabled | tokenSession))
}

// wrote notes that the store has answered. A stop may have waited for it.
func (m *Machine) wrote() {
	m.states.writing = max(0, m.states.writing-1)
	m.finishWhenLeft()
}

// persistFailed takes a failure of the disk.
func (m *Machine) persistFailed(now time.Time, in core.PersistFailed) {
	switch in.Token {
	case tokenWrite:
		m.written(now, in.Err)
	case tokenVoid:
		m.writes.onDisk = true // still; it is void all the same
	default:
		if peerOfToken(in.Token).Kind == messages.PeerEnrolment {
			m.stateAnswered(in.Token, nil)
			m.pairStored(now, peerOfToken(in.Token), in.Err)
			return
		}
		m.stateFailed(in.Token, in.Err)
	}
}

// stateFailed takes a record of state that could not be written; the next accepted
// Update writes it anew.
func (m *Machine) stateFailed(token uint64, err error) {
	p := peerOfToken(token)
	if d := m.states.of(p); d != nil && token&tokenSession == 0 {
		d.written, d.onDisk, d.reserved = nil, true, 0 // the record of before is still there
	}
	m.stateAnswered(token, err)
	m.storeFailed(p, err)
}

// storeFailed reports that the disk has refused what concerns a server: once, until
// a write succeeds.
func (m *Machine) storeFailed(p messages.Peer, err error) {
	if m.states.failed || m.stop != nil {
		return
	}
	m.states.failed = true
	f := messages.Failure{Class: messages.ClassStoreWrite, Phase: messages.PhaseStore, Peer: p, Cause: err}
	e := errorEvent(Lookup(&f, false), &f)
	e.Attempt, e.Action = 1, messages.ActionNone
	if a := m.accounts.of(p); a != nil {
		e.Server = a.server()
	}
	m.do(Emit{Event: e})
}

// restore takes the records that a start has found, once there are accounts. What
// cannot be used is reported, and costs a Register.
func (m *Machine) restore(now time.Time, found map[string]messages.StoredState, sessions map[string][]byte) {
	if m.states.read || len(m.accounts) == 0 {
		return
	}
	m.states.read = true
	for _, a := range m.servers() {
		if stored, ok := found[messages.StateRecord(a.Peer)]; ok {
			m.restoreState(now, a, stored)
		}
		m.takeUpSession(a, sessions[messages.SessionRecord(a.Peer)])
	}
	m.forgetStrangers(sessions)
}

func (m *Machine) restoreState(now time.Time, a *account, stored messages.StoredState) {
	m.durableOf(a.Peer).onDisk = true
	if m.states.distrusted {
		m.setStateAside(a.Peer)
		return
	}
	state, err := accounts.DecodeState(stored.Data)
	if stored.Err != nil {
		err = stored.Err
	}
	if err != nil {
		m.stateTrouble(a, err)
		return
	}
	m.durableOf(a.Peer).accepted = state.Accepted
	m.takeUp(now, a, &state)
}

// takeUp goes on from a record where it is about the same account.
func (m *Machine) takeUp(now time.Time, a *account, state *accounts.State) {
	if state.Owner != accounts.OwnerOf(m.config.Endpoint, *a.Account) {
		return // void; the next Register overwrites it
	}
	d := m.durableOf(a.Peer)
	d.written, d.next, d.reserved = state, uint64(state.NextMID), uint64(state.NextMID)
	m.writeMessageIDs(a.Peer, d)
	if state.Disabled.For > 0 {
		m.takeUpDisabled(now, a, state)
		return
	}
	accepted, alive := acceptedAt(now, state)
	if !alive || !slices.Contains(m.config.Versions, state.Version) {
		return
	}
	known := messages.Registration{
		Location: state.Location, Version: state.Version, Lifetime: state.Lifetime, Queue: state.Queue, Accepted: accepted,
	}
	if objects := m.config.Objects(m.tree); accounts.DigestObjects(objects) == state.Objects {
		known.Objects = objects
	}
	a.knows(&known)
	d.restored, d.observed, d.owed = true, state.Observed, state.Observed
}

// writeMessageIDs writes a record anew for its message IDs alone.
func (m *Machine) writeMessageIDs(p messages.Peer, d *durable) {
	state := *d.written
	state.NextMID = d.reserve()
	if data, err := accounts.EncodeState(state); err == nil {
		d.written = &state
		m.persist(p, data)
	}
}

// acceptedAt returns when the registration of a record was last accepted, on the
// clock of this process, and whether its lifetime still runs. Where the wall clock
// cannot be trusted the answer is now: the server knows better, and says 4.04.
func acceptedAt(now time.Time, state *accounts.State) (accepted time.Time, alive bool) {
	age := now.Sub(state.Accepted)
	switch {
	case state.Lifetime == 0, state.Accepted.Before(clockSet), now.Before(clockSet), age < 0, age > longestOff:
		return now, true
	case age >= state.Lifetime+state.Unwritten:
		return time.Time{}, false
	}
	return now.Add(min(0, state.Unwritten-age)), true
}

// stateTrouble reports a record that cannot be used. It is no code 17: what is lost
// is nothing but a round trip.
func (m *Machine) stateTrouble(a *account, err error) {
	m.do(Emit{Event: messages.Event{
		Type: messages.EventDegraded, Server: a.server(), Actor: core.Store.String(), Cause: err,
		Detail: "what was stored of the registration cannot be used, so that a new one is made: " + oneLine(err.Error()),
	}})
}

// restoredCrashes is how many crashes of an account's actors a record is blamed
// for: one may have had another reason.
const restoredCrashes = 2

// suspectState is called when an actor of an account has crashed. A record that was
// restored, and that no server has confirmed, may be why; it reports whether the
// record was set aside for it.
func (m *Machine) suspectState(p messages.Peer) bool {
	d := m.states.of(p)
	if d == nil || !d.restored {
		return false
	}
	if d.crashes++; d.crashes < restoredCrashes {
		return false
	}
	m.setStateAside(p)
	return true
}

// setStateAside keeps a record for inspection and from ever being read again.
func (m *Machine) setStateAside(p messages.Peer) {
	d := m.durableOf(p)
	d.written, d.restored = nil, false
	m.do(core.Tell{To: core.Store, Message: messages.SetAside{Record: messages.StateRecord(p)}})
}

// confirmed notes that a server has answered: what is known of it is no longer what
// a record said.
func (m *Machine) confirmed(a *account) {
	m.durableOf(a.Peer).restored = false
	m.writeState(a)
	m.writeSession(a)
}
