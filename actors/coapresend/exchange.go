package coapresend

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// exchangeState is how far a confirmable message of ours has come.
//
//	           a slot is free           empty ACK to a request
//	exWaiting ----------------> exSent -----------------------> exAcknowledged
//	                              | |                                 |
//	          timeout: resend <---+ | response, RST,                  | response, or
//	     (MAX_RETRANSMIT times)     | ACK to a response, exhausted    | EXCHANGE_LIFETIME
//	                                v                                 v
//	                              over                              over
//
// A response may overtake the ACK that announces it: it then counts as the
// ACK (RFC 7252 section 5.3.2).
type exchangeState uint8

const (
	exWaiting      exchangeState = iota // in the queue, without message ID
	exSent                              // on its way; occupies a slot
	exAcknowledged                      // the peer has the request; its separate response is to come
)

// String returns the state's name, for test failures.
func (s exchangeState) String() string {
	names := [...]string{"waiting", "sent", "acknowledged"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// exchangeKind is what a confirmable message of ours is.
type exchangeKind uint8

const (
	kindRequest      exchangeKind = iota // a request
	kindResponse                         // a separate response (RFC 7252 section 5.2.2)
	kindNotification                     // a notification (RFC 7641)
)

// exchange is one confirmable message of ours and what is expected in return.
type exchange struct {
	state    exchangeState
	message  coap.Message  // complete once it is sent; then it keeps header and token only
	datagram []byte        // the bytes that are sent and resent
	timeout  time.Duration // until the next resend, or until giving up
	resends  int
	sent     time.Time // for the first time
	call     *call     // whose request this is; nil for a response
	note     *note     // whose notification this is; nil for others
	rank     rank      // in the queue
}

// rank orders requests of ours that wait.
type rank uint8

const (
	rankUrgent rank = iota // the next block of a transfer in progress
	rankUsual
	rankImage // a block of an image: there are thousands of them, and no haste
)

func (x *exchange) kind() exchangeKind {
	switch {
	case x.call != nil:
		return kindRequest
	case x.note != nil:
		return kindNotification
	}
	return kindResponse
}

// enqueue queues a request of ours, to be sent when NSTART allows it.
func (m *Machine) enqueue(x *exchange) {
	at := slices.IndexFunc(m.queue, func(other *exchange) bool { return other.rank > x.rank })
	if at < 0 {
		at = len(m.queue)
	}
	m.queue = slices.Insert(m.queue, at, x)
	m.pump()
}

// respond sends a separate response when those before it are over.
func (m *Machine) respond(x *exchange) {
	m.separate = append(m.separate, x)
	m.pump()
}

// pump sends what is queued: requests as far as NSTART allows and a message ID is
// free, one separate response at a time, and notifications when nothing else is
// in flight. A response that the peer does not acknowledge is given up after 93 s,
// and our own requests do not wait for that: NSTART limits clients, and servers
// limit their responses as they see fit (RFC 7252 section 4.7).
func (m *Machine) pump() {
	if !m.up {
		return
	}
	for len(m.queue) > 0 && m.slots(m.queue[0]) > 0 {
		if !m.send(m.queue[0], m.midsFor(m.queue[0])) {
			m.pumpLater()
			break
		}
		m.queue = behind(m.queue)
	}
	for len(m.separate) > 0 && m.inFlight(kindResponse) == 0 {
		if !m.send(m.separate[0], midsForResponses) {
			m.shed.Answers++
		}
		m.separate = behind(m.separate)
	}
	m.pumpNotes()
}

// pumpLater pumps again when a message ID is free.
func (m *Machine) pumpLater() {
	m.setTimer(midTimer, m.mids.freed(m.cfg.ExchangeLifetime()).Sub(m.now))
}

// behind returns a queue without its head, nil when nothing is left.
func behind(queue []*exchange) []*exchange {
	if len(queue) == 1 {
		return nil
	}
	return slices.Delete(queue, 0, 1)
}

// inFlight counts the exchanges of a kind that occupy a slot: those not
// acknowledged yet.
func (m *Machine) inFlight(kind exchangeKind) int {
	n := 0
	for _, x := range m.active {
		if x.state == exSent && x.kind() == kind {
			n++
		}
	}
	return n
}

// slots returns how many requests may leave beside those in flight, as NSTART allows it
// (RFC 7252 section 4.7). A server that does not answer for an image, and has been asked
// again, may answer other requests all the same: those do not wait until the image is
// given up, for that can take longer than an Update of the registration has time.
func (m *Machine) slots(x *exchange) int {
	if x.rank == rankImage {
		return m.cfg.NStart - m.inFlight(kindRequest)
	}
	return m.cfg.NStart - m.inTime()
}

// inTime counts the requests in flight but for a late block of an image.
func (m *Machine) inTime() int {
	n := m.inFlight(kindRequest)
	if slices.ContainsFunc(m.active, (*exchange).isLateImage) {
		n--
	}
	return n
}

// isLateImage reports whether x asks for a block of an image, not for the first time.
func (x *exchange) isLateImage() bool {
	return x.state == exSent && x.rank == rankImage && x.resends > 0
}

// send transmits x for the first time (RFC 7252 section 4.2), unless its share
// of the message IDs is in use.
func (m *Machine) send(x *exchange, share uint64) bool {
	mid, ok := m.nextMID(share)
	if ok {
		m.sendAs(x, mid)
	}
	return ok
}

func (m *Machine) sendAs(x *exchange, mid uint16) {
	x.message.Type, x.message.MID = coap.CON, mid
	if !x.encode() {
		m.abandon(x, messages.Unsendable)
		return
	}
	x.message.Options, x.message.Payload = nil, nil
	x.state, x.sent = exSent, m.now
	if x.timeout == 0 {
		x.timeout = m.firstTimeout()
	}
	m.active = append(m.active, x)
	m.await()
	m.transmit(x.datagram)
	m.setTimer(sendTimer(mid), x.timeout)
	m.tellStep(x, messages.HeardNothing)
}

// tellStep tells how far a request of ours has come, for those who ask. Blocks of an image
// are too many, and their requester says how far it is.
func (m *Machine) tellStep(x *exchange, heard messages.Heard) {
	if x.call != nil && !x.call.fetchesImage() {
		m.tell(core.Supervisor, messages.RequestStep{
			Epoch: m.cfg.Epoch, Code: x.call.request.Code, Path: x.call.request.Path, Resent: x.resends, Heard: heard,
		})
	}
}

// tellKnown tells the owner, once, that the peer knows the session which the link goes on
// with.
func (m *Machine) tellKnown() {
	if m.doubted {
		m.doubted = false
		m.tell(core.Owner, messages.Acknowledged{Epoch: m.cfg.Epoch})
	}
}

// encode makes the datagram. A response always has one.
func (x *exchange) encode() bool {
	if x.call == nil {
		x.datagram = encodeResponse(x.message)
		return true
	}
	datagram, err := coap.Encode(x.message)
	x.datagram = datagram
	return err == nil
}

// firstTimeout draws from [ACK_TIMEOUT, ACK_TIMEOUT * ACK_RANDOM_FACTOR].
func (m *Machine) firstTimeout() time.Duration {
	spread := float64(m.cfg.AckTimeout) * (m.cfg.AckRandomFactor - 1)
	return m.cfg.AckTimeout + time.Duration(m.rnd.Float64()*spread)
}

// sendExpired is called when an answer is overdue.
func (m *Machine) sendExpired(mid uint16) {
	x := m.activeMID(mid)
	if x == nil {
		return
	}
	if x.state == exAcknowledged || x.resends == m.cfg.resends() {
		m.drop(x)
		m.abandon(x, messages.Exhausted)
		m.pump()
		return
	}
	x.resends++
	x.timeout *= 2
	m.offerOf(x)
	if x.note != nil && x.note.newer != nil {
		m.resendNewer(x)
		return
	}
	m.transmit(x.datagram)
	m.setTimer(sendTimer(mid), x.timeout)
	m.tellStep(x, messages.HeardNothing)
	if x.isLateImage() {
		m.pump()
	}
}

// acknowledged is called when an empty ACK came: the resends stop.
func (m *Machine) acknowledged(mid uint16) {
	x := m.activeMID(mid)
	if x == nil || x.state != exSent || m.distrusts() {
		return
	}
	m.heard(x)
	switch x.kind() {
	case kindResponse:
		m.over(x)
	case kindNotification:
		m.over(x)
		m.noteOver(x.note, messages.NotifyAcknowledged)
	default:
		x.state = exAcknowledged
		x.datagram = nil
		m.offerOf(x)
		m.await()
		m.setTimer(sendTimer(mid), m.cfg.ExchangeLifetime())
		m.tellStep(x, messages.HeardAck)
		m.tellKnown()
	}
	m.pump()
}

// reset is called when a RST came. Only a message that is outstanding can be
// rejected, or a notification that was; anything else is stray or forged.
func (m *Machine) reset(mid uint16) {
	x := m.activeMID(mid)
	if x == nil {
		m.rejected(mid)
		return
	}
	if x.state != exSent || m.distrusts() {
		return
	}
	m.over(x)
	m.abandon(x, messages.Reset)
	m.pump()
}

// abandon tells that a request or a notification was not answered. A lost
// separate response is reported to nobody: a peer that still wants it asks again.
func (m *Machine) abandon(x *exchange, reason messages.RequestFailure) {
	switch {
	case x.call != nil:
		m.fail(x.call, reason)
	case x.note != nil && reason == messages.Exhausted:
		m.noteOver(x.note, messages.NotifySilent)
	case x.note != nil:
		m.noteOver(x.note, messages.NotifyReset)
	}
}

// over ends an exchange whose timer runs.
func (m *Machine) over(x *exchange) {
	m.stopTimer(sendTimer(x.message.MID))
	m.drop(x)
}

func (m *Machine) drop(x *exchange) {
	at := slices.Index(m.active, x)
	m.active = slices.Delete(m.active, at, at+1)
	if len(m.active) == 0 {
		m.active = nil
	}
	m.await()
}

func (m *Machine) activeMID(mid uint16) *exchange {
	for _, x := range m.active {
		if x.message.MID == mid {
			return x
		}
	}
	return nil
}
