package management

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// window is how many notifications of one server coapresend has at a time. It sends one
// after the other: what waits here can still be replaced by what is newer.
const window = 4

// note is one notification.
type note struct {
	observation *reporting.Observation
	at          time.Time // when the values were these
	code        messages.CoAPCode
	format      *messages.Format
	payload     []byte
	confirmable bool
	reported    []lwm2m.Node   // of what it says, what a firmware update reports
	stored      bool           // while the server was away; nothing newer takes its place
	began       messages.Epoch // of what ends an observation: the link on which that began
}

// ends reports whether a notification ends its observation. The server goes on waiting if
// that does not arrive: it is neither dropped for others nor forgotten by a restart.
func (n note) ends() bool { return n.code != messages.Content }

// outbox has the notifications of one server that have not arrived yet.
type outbox struct {
	backlog reporting.Backlog[note] // stored while the server was away, oldest first
	ready   []note                  // newer than those, oldest first, one of an observation
	sent    map[uint64]note         // that coapresend has, by ID
}

// forget drops what is to be said under a token, and returns the observations of which
// coapresend has something.
func (b *outbox) forget(token string) (sent []uint64) {
	of := func(n note) bool { return n.observation.Token == token }
	for _, n := range b.sent {
		if of(n) {
			sent = append(sent, n.observation.ID)
		}
	}
	b.drop(of)
	return sent
}

// drop drops some of what is to be said.
func (b *outbox) drop(some func(note) bool) {
	b.backlog.Forget(some)
	b.ready = slices.DeleteFunc(b.ready, some)
	maps.DeleteFunc(b.sent, func(_ uint64, n note) bool { return some(n) })
}

// isSent reports whether coapresend has a notification of an observation, which a newer
// one replaces there.
func (b *outbox) isSent(ob *reporting.Observation) bool {
	for _, n := range b.sent {
		if n.observation == ob {
			return true
		}
	}
	return false
}

// has reports whether a notification of an observation is stored.
func (b *outbox) has(ob *reporting.Observation) bool {
	return b.backlog.Has(func(n note) bool { return n.observation == ob })
}

// wait puts a notification behind the others, in place of an older one of its
// observation.
func (b *outbox) wait(n note) {
	at := slices.IndexFunc(b.ready, func(older note) bool { return older.observation == n.observation })
	if at < 0 {
		b.ready = append(b.ready, n)
		return
	}
	b.ready[at] = n
}

// send sends a notification, or has it wait: for others before it, or for the server to
// come back. Only what is told while the server is away is stored: once it is back, what
// is newer takes the place of what waits behind that, however long it takes to send it.
func (m *Machine) send(o *observer, n note) []core.Effect {
	b := &o.outbox
	switch {
	case o.epoch == 0 && !n.ends():
		b.store(n)
		return nil
	case o.epoch != 0 && b.isSent(n.observation) && !b.storedIsSent():
		return m.notify(o, n)
	}
	b.wait(n)
	return m.flush(o)
}

// store puts a notification behind those that are stored.
func (b *outbox) store(n note) {
	n.stored = true
	b.backlog.Add(n, len(n.payload))
}

// flush hands over what there is room for. What was stored goes first, one at a time:
// of an observation, nothing newer may overtake it. Before the record has been read nothing
// leaves, for want of numbers.
func (m *Machine) flush(o *observer) (effects []core.Effect) {
	b := &o.outbox
	for o.epoch != 0 && o.record.read && len(b.sent) < window {
		if n, waits := b.backlog.Oldest(); waits {
			if len(b.sent) > 0 {
				break
			}
			b.backlog.Take()
			return append(effects, m.notify(o, n)...)
		}
		if len(b.ready) == 0 || b.storedIsSent() {
			break
		}
		n := b.ready[0]
		b.ready = b.ready[1:]
		effects = append(effects, m.notify(o, n)...)
	}
	return effects
}

func (b *outbox) storedIsSent() bool {
	for _, n := range b.sent {
		if n.stored {
			return true
		}
	}
	return false
}

// notify hands a notification over to coapresend. Until one has arrived on this link they
// are confirmable: that shows whether the server takes this client, at the address that it
// has now, for the one that it observes.
func (m *Machine) notify(o *observer, n note) []core.Effect {
	if o.outbox.sent == nil {
		o.outbox.sent = map[uint64]note{}
	}
	m.lastNote++
	ob := n.observation
	o.outbox.sent[m.lastNote] = n
	effects := []core.Effect{core.Tell{To: core.Link, Epoch: o.epoch, Message: messages.Notify{
		Epoch: o.epoch, ID: m.lastNote, Observation: ob.ID, Token: []byte(ob.Token), Key: ob.Key,
		Sequence: o.sequence.Next(), Confirmable: n.confirmable || ob.Proven != o.epoch, Code: n.code, ContentFormat: n.format, Payload: n.payload,
	}}}
	if _, moved := o.sequence.Reserve(); moved {
		effects = append(effects, m.keep(o)...)
	}
	return effects
}

// notified takes what has become of a notification.
func (m *Machine) notified(now time.Time, in messages.Notified) (effects []core.Effect) {
	o := m.observerOn(in.Epoch)
	if o == nil {
		return nil
	}
	n, known := o.outbox.sent[in.ID]
	delete(o.outbox.sent, in.ID)
	o.tally.count(in.Outcome)
	if known && in.Outcome == messages.NotifyAcknowledged {
		n.observation.Proven = in.Epoch
		if w := m.observations[in.Observation]; w != nil && len(n.reported) > 0 {
			w.has = n.reported
		}
		effects = tellDelivered(o.peer, n.reported, false)
	}
	return append(effects, m.notifiedOf(now, o, n, known, in)...)
}

// notifiedOf does what follows from what has become of a notification.
func (m *Machine) notifiedOf(now time.Time, o *observer, n note, known bool, in messages.Notified) []core.Effect {
	w := m.observations[in.Observation]
	switch {
	case in.Outcome == messages.NotifyReset:
		return m.rejected(o, w, n)
	case w != nil && in.Outcome == messages.NotifyUnsendable:
		m.forget(o, w.Observation)
		return append(m.keep(o), m.flush(o)...)
	case known && n.ends() && in.Outcome != messages.NotifyDropped && in.Outcome != messages.NotifySilent:
		return append(m.keep(o), m.flush(o)...)
	case known && in.Outcome == messages.NotifyDropped:
		return m.again(now, o, n)
	case known && in.Outcome == messages.NotifySilent: // the session ends next, with all that has not arrived
		o.outbox.sent[in.ID] = n
		return nil
	}
	return m.flush(o)
}

// rejected ends an observation that the server says it does not know. Where nothing has
// shown on this link that it does, it may know it well, and not this client at the address
// that it has now: without security some servers, Leshan among them, tell observers apart
// by that. They would count on an observation that is over, so that the client registers
// anew. Else it may be a server that has forgotten the client; where it is owed what a
// firmware update reports, it is found out.
func (m *Machine) rejected(o *observer, w *observation, n note) (effects []core.Effect) {
	ob := n.observation
	if w != nil {
		ob = w.Observation
		m.forget(o, ob)
	}
	if w != nil || ob != nil && n.ends() { // the record has it
		effects = m.keep(o)
	}
	switch {
	case ob == nil:
	case ob.Proven != o.epoch:
		effects = append(effects, tell(messages.ObservationsLost{Epoch: o.epoch}))
	case m.owed(o.peer, n.reported):
		effects = append(effects, tell(messages.RegistrationDoubted{Epoch: o.epoch}))
	}
	return append(effects, m.flush(o)...)
}

// again has a notification sent later for which coapresend had no room: when the others
// have arrived or, where there are none, in a while, with the value of then if it was not
// stored.
func (m *Machine) again(now time.Time, o *observer, n note) []core.Effect {
	alone := len(o.outbox.sent) == 0
	if alone && !n.stored && m.observed.Has(n.observation) {
		n.observation.Urge()
		m.observed.Schedule(n.observation, now.Add(sendAgain))
		return nil
	}
	o.outbox.hold(n)
	if alone {
		return []core.Effect{core.SetTimer{Timer: timerOutbox(o.peer), After: sendAgain}}
	}
	return nil
}

// sendAgain is when coapresend is given a notification again for which it had no room.
const sendAgain = time.Second

const nameOutbox = "outbox"

// timerOutbox comes when notifications to a server may leave again.
func timerOutbox(peer messages.Peer) core.Timer { return core.Timer{Name: nameOutbox, Key: peer.Key()} }

// hold keeps a notification that has not arrived, before everything else.
func (b *outbox) hold(n note) {
	switch {
	case n.stored:
		b.backlog.Return(n, len(n.payload))
	case !slices.ContainsFunc(b.ready, func(newer note) bool { return newer.observation == n.observation }):
		b.ready = slices.Insert(b.ready, 0, n)
	}
}

// outboxExpired sends what coapresend had no room for.
func (m *Machine) outboxExpired(peer messages.Peer) []core.Effect {
	if o := m.observers.of(peer); o != nil {
		return m.flush(o)
	}
	return nil
}

// observerOn returns the server whose session is on a link; nil for none.
func (m *Machine) observerOn(epoch messages.Epoch) *observer {
	for _, o := range m.observers {
		if o.epoch == epoch && epoch != 0 {
			return o
		}
	}
	return nil
}

// undelivered keeps what has not arrived when a session ends: stored where the server
// wants that, else to be told anew, with the value of then.
func (m *Machine) undelivered(o *observer) {
	stored, rest := o.outbox.takeAll()
	stores := m.stores(o.peer)
	for _, n := range slices.Backward(stored) { // each before those that are newer
		o.outbox.backlog.Return(n, len(n.payload))
	}
	for _, n := range rest {
		switch {
		case n.ends():
			o.outbox.wait(n)
		case m.delivered(n.observation, n.reported): // by something else that has arrived
		case stores && !m.reportsOnly(n.observation):
			o.outbox.store(n)
		default:
			m.urge(n.observation)
		}
	}
}

// ids lists the notifications that coapresend has, the oldest first.
func (b *outbox) ids() []uint64 {
	if len(b.sent) == 0 {
		return nil // as nearly always: sorting nothing allocates
	}
	return slices.Sorted(maps.Keys(b.sent))
}

// takeAll takes what coapresend has and what is ready: apart, what had been stored
// before, which is older. Both lists have the oldest first.
func (b *outbox) takeAll() (stored, rest []note) {
	for _, id := range b.ids() {
		if n := b.sent[id]; n.stored {
			stored = append(stored, n)
		} else {
			rest = append(rest, n)
		}
	}
	rest = append(rest, b.ready...)
	slices.SortStableFunc(rest, func(x, y note) int { return x.at.Compare(y.at) })
	b.sent, b.ready = nil, nil
	return stored, rest
}

// ending lists the observations of which the server may not know yet that they have
// ended.
func (b *outbox) ending() (specs []reporting.Spec) {
	for _, id := range b.ids() {
		if n := b.sent[id]; n.ends() {
			specs = append(specs, n.observation.Spec)
		}
	}
	for _, n := range b.ready {
		if n.ends() {
			specs = append(specs, n.observation.Spec)
		}
	}
	return specs
}

// urge has an observation told as soon as its rules allow, if it still is one.
func (m *Machine) urge(ob *reporting.Observation) {
	if m.observed.Has(ob) {
		ob.Urge()
		m.schedule(ob)
	}
}
