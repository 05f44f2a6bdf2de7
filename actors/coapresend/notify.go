package coapresend

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// note is one notification of an observation (RFC 7641 section 4.5).
type note struct {
	notify messages.Notify
	newer  *messages.Notify // goes out in place of the next resend, or when this has arrived
}

// rejectable is a notification that is not in flight any more, or never was, and
// that the observer may still answer with a RST (RFC 7641 section 3.6).
type rejectable struct {
	mid         uint16
	id          uint64
	observation uint64
	expires     time.Time
}

func (r rejectable) deadline() time.Time { return r.expires }

// maxRejectable is how many of them are remembered. A RST to an older one is lost;
// the next notification will be rejected, too.
const maxRejectable = 32

// notify takes a notification: it replaces an older one of its observation, or waits for
// its turn.
func (m *Machine) notify(in messages.Notify) {
	if in.Epoch != m.cfg.Epoch {
		return
	}
	if !encodable(in) {
		m.notified(in, messages.NotifyUnsendable)
		return
	}
	waiting, active := m.notes.find(in.Observation), m.noteInFlight(in.Observation)
	switch {
	case active != nil:
		active.note.replace(m, in)
	case waiting != nil:
		m.notified(waiting.note.notify, messages.NotifySuperseded)
		in.Confirmable = in.Confirmable || waiting.note.notify.Confirmable
		waiting.note.notify = in
	case !in.Confirmable && !m.up, len(m.notes) >= m.cfg.MaxQueue:
		m.notified(in, messages.NotifyDropped)
	default:
		m.notes = append(m.notes, &exchange{note: &note{notify: in}})
		m.pump()
	}
}

// replace makes in what goes out in place of the next resend, or after the
// acknowledgement.
func (n *note) replace(m *Machine, in messages.Notify) {
	if n.newer != nil {
		m.notified(*n.newer, messages.NotifySuperseded)
		in.Confirmable = in.Confirmable || n.newer.Confirmable
	}
	n.newer = &in
}

// notes are the notifications that wait, oldest first: one for an observation.
type notes []*exchange

func (all notes) find(observation uint64) *exchange {
	for _, x := range all {
		if x.note.notify.Observation == observation {
			return x
		}
	}
	return nil
}

func (m *Machine) noteInFlight(observation uint64) *exchange {
	for _, x := range m.active {
		if x.note != nil && x.note.notify.Observation == observation {
			return x
		}
	}
	return nil
}

// pumpNotes sends the notifications that may leave. That our own requests and responses
// do not wait for them in turn means that a silent observer holds up nothing.
func (m *Machine) pumpNotes() {
	short := false
	for at := m.mayLeave(short); at >= 0; at = m.mayLeave(short) {
		x := m.notes[at]
		if !x.note.notify.Confirmable && !m.probes() {
			m.notes = slices.Delete(m.notes, at, at+1)
			m.sendNON(x.note.notify)
			continue
		}
		x.note.notify.Confirmable = true
		x.message = m.noteMessage(x.note.notify)
		if !m.send(x, midsForResponses) {
			short = true
			m.pumpLater()
			continue
		}
		x.note.notify.Payload = nil // it is in the datagram, and kept where blocks follow
		m.notes = slices.Delete(m.notes, at, at+1)
	}
	if len(m.notes) == 0 {
		m.notes = nil
	}
}

// mayLeave returns which of the notifications that wait may leave first; below 0 for
// none. All are outstanding until they are acknowledged or, where they are not
// confirmable, until their round-trip time is over, and of outstanding ones there are no
// more than NSTART (RFC 7641 section 4.5.1). Those that are confirmable wait for our
// requests besides, and where message IDs are short for those.
func (m *Machine) mayLeave(short bool) int {
	if len(m.notes) == 0 || m.inFlight(kindResponse)+m.inFlight(kindNotification) >= m.cfg.NStart || !m.paced() {
		return -1
	}
	short = short || m.unacknowledged() >= m.cfg.NStart
	return slices.IndexFunc(m.notes, func(x *exchange) bool { return !short || !x.note.notify.Confirmable })
}

// unacknowledged counts everything of ours that is confirmable and in flight, but for a late
// block of an image.
func (m *Machine) unacknowledged() int {
	return m.inTime() + m.inFlight(kindResponse) + m.inFlight(kindNotification)
}

// sendNON sends a notification that is not resent.
func (m *Machine) sendNON(in messages.Notify) {
	mid, ok := m.nextMID(midsForNON)
	if !ok {
		m.shed.Answers++
		m.notified(in, messages.NotifyDropped)
		return
	}
	msg := m.noteMessage(in)
	msg.Type, msg.MID = coap.NON, mid
	m.transmit(mustEncode(msg))
	m.hasLeft()
	m.mayReject(mid, in, m.cfg.NonLifetime())
	m.notified(in, messages.NotifySent)
}

// mayReject remembers a notification whose RST may still come.
func (m *Machine) mayReject(mid uint16, in messages.Notify, lifetime time.Duration) {
	if len(m.rejectable) >= maxRejectable {
		m.rejectable = slices.Delete(m.rejectable, 0, 1)
	}
	m.rejectable = append(m.rejectable, rejectable{
		mid: mid, id: in.ID, observation: in.Observation, expires: m.now.Add(lifetime),
	})
	m.sweepLater()
}

// rejected is called for a RST that rejects nothing in flight.
func (m *Machine) rejected(mid uint16) {
	at := slices.IndexFunc(m.rejectable, func(r rejectable) bool { return r.mid == mid && m.now.Before(r.expires) })
	if at < 0 || m.distrusts() {
		return
	}
	r := m.rejectable[at]
	m.observationOver(r.observation, messages.NotifyReset)
	m.notified(messages.Notify{ID: r.id, Observation: r.observation}, messages.NotifyReset)
	m.pump()
}

// resendNewer sends the newer notification in place of a resend of x: under a new
// message ID, with the resends and the timeout that x would have had (RFC 7641
// section 4.5.2).
func (m *Machine) resendNewer(x *exchange) {
	m.drop(x)
	old, newer := x.note.notify, *x.note.newer
	newer.Confirmable = true
	m.mayReject(x.message.MID, old, m.cfg.ExchangeLifetime())
	m.notified(old, messages.NotifySuperseded)
	next := &exchange{
		note: &note{notify: newer}, message: m.noteMessage(newer), resends: x.resends, timeout: x.timeout,
	}
	if !m.send(next, midsForResponses) {
		m.notified(newer, messages.NotifyDropped)
	}
}

// noteOver ends a notification in flight that has left the active ones.
func (m *Machine) noteOver(n *note, outcome messages.NotifyOutcome) {
	m.notified(n.notify, outcome)
	switch {
	case n.newer == nil:
	case outcome == messages.NotifyAcknowledged:
		m.notes = slices.Insert(m.notes, 0, &exchange{note: &note{notify: *n.newer}})
	default:
		m.notified(*n.newer, outcome) // the observation is over
	}
	if outcome == messages.NotifySilent {
		m.tell(core.Owner, messages.Silence{Epoch: m.cfg.Epoch})
	}
}

// unobserve gives up what is still to be said of an observation.
func (m *Machine) unobserve(in messages.Unobserve) {
	if in.Epoch == m.cfg.Epoch {
		m.observationOver(in.Observation, messages.NotifySuperseded)
		m.pump()
	}
}

// observationOver ends what waits and what is in flight of an observation.
func (m *Machine) observationOver(observation uint64, outcome messages.NotifyOutcome) {
	m.rejectable = slices.DeleteFunc(m.rejectable, func(r rejectable) bool { return r.observation == observation })
	if waiting := m.notes.find(observation); waiting != nil {
		m.notes = slices.DeleteFunc(m.notes, func(x *exchange) bool { return x == waiting })
		m.notified(waiting.note.notify, outcome)
	}
	if active := m.noteInFlight(observation); active != nil {
		m.over(active)
		m.noteOver(active.note, outcome)
	}
}

// noteMessage returns a notification but for type and message ID: whole, or its
// first block, whose body is kept for those that follow.
func (m *Machine) noteMessage(in messages.Notify) coap.Message {
	reply := noteReply(in)
	msg := whole(reply)
	if first := (coap.Block{SZX: m.cfg.szx()}); needsBlocks(reply, first, first.SZX) {
		b := &body{key: in.Key, reply: reply, confirmable: in.Confirmable}
		m.keep(b)
		msg = b.cut(first, first.SZX)
	}
	msg.Token = in.Token
	return msg
}

// encodable reports whether a notification can be encoded: everything else about
// it is bounded by construction.
func encodable(in messages.Notify) bool {
	class := in.Code.Class()
	return in.Sequence <= messages.MaxSequence && len(in.Token) <= coap.MaxTokenLength &&
		len(in.ETag) <= etagLength && class >= 2 && class <= 5 && in.Code != messages.Continue
}

func noteReply(in messages.Notify) messages.Reply {
	reply := messages.Reply{
		Code: in.Code, ContentFormat: in.ContentFormat, MaxAge: in.MaxAge, ETag: in.ETag, Payload: in.Payload,
	}
	if in.Code.IsSuccess() {
		reply.Observe = &in.Sequence
	}
	return reply
}

func (m *Machine) notified(in messages.Notify, outcome messages.NotifyOutcome) {
	m.tell(core.Handler, messages.Notified{
		Epoch: m.cfg.Epoch, ID: in.ID, Observation: in.Observation, Outcome: outcome,
	})
}
