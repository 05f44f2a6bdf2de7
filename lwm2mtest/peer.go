package lwm2mtest

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Times of RFC 7252 section 4.8.2 that do not depend on the server's options.
const (
	exchangeLifetime = 247 * time.Second
	maxTransmitWait  = 93 * time.Second
	dedupEntries     = 256 // of one peer; the oldest goes first
)

// peer is the CoAP message layer towards one client address or one DTLS
// session (RFC 7252 section 4). The server's lock guards it.
type peer struct {
	service  *Service
	server   *Server
	remote   netip.AddrPort
	identity string       // proved by DTLS, or empty
	transmit func([]byte) // called without the lock
	gone     error        // why nothing can be sent any more, or nil
	lastSeen time.Time

	seen      map[uint16]*seen // requests and responses of the last EXCHANGE_LIFETIME, by message ID
	seenOrder []uint16
	nextMID   uint16
	byMID     map[uint16]*exchange
	byToken   map[string]*exchange
	uploads   map[string]*upload
	bodies    map[string]answer // of ours that are being fetched in blocks
}

// seen is one message that has been processed, with what answered it: nothing
// while, or when, there is no answer.
type seen struct {
	at    time.Time
	reply []byte
}

func newPeer(v *Service, remote netip.AddrPort, identity string, transmit func([]byte)) *peer {
	return &peer{
		service: v, server: v.server, remote: remote, identity: identity, transmit: transmit,
		nextMID: uint16(v.server.rng.Uint32()),
		seen:    make(map[uint16]*seen),
		byMID:   make(map[uint16]*exchange),
		byToken: make(map[string]*exchange),
		uploads: make(map[string]*upload),
		bodies:  make(map[string]answer),
	}
}

// end fails what waits for the client.
func (p *peer) end(cause error) {
	if p.gone == nil {
		p.gone = cause
	}
	for _, x := range p.byMID {
		p.finish(x, coap.Message{}, cause)
	}
}

// send transmits a datagram after the lock is released; nil is nothing to
// send.
func (p *peer) send(b *batch, data []byte) {
	if p.gone == nil && data != nil {
		b.add(func() { p.transmit(data) })
	}
}

// sendMessage encodes and transmits, and returns the datagram. Everything the
// server composes can be encoded, but for misbehaviour that a test asks for;
// what cannot is not sent.
func (p *peer) sendMessage(b *batch, m coap.Message) []byte {
	data, err := coap.Encode(m)
	if err != nil {
		return nil
	}
	p.send(b, data)
	return data
}

// receive takes one datagram.
func (p *peer) receive(b *batch, data []byte) {
	p.lastSeen = time.Now()
	m, err := coap.Decode(data)
	if err != nil {
		p.reject(b, err)
		return
	}
	switch {
	case m.IsRequest():
		p.receiveRequest(b, m)
	case m.IsResponse():
		p.receiveResponse(b, m)
	case m.Type == coap.CON:
		p.sendMessage(b, coap.Reset(m.MID)) // ping
	case m.Type == coap.ACK:
		p.acknowledge(m.MID)
	case m.Type == coap.RST:
		p.finish(p.byMID[m.MID], m, ErrReset)
	}
}

// reject counts a malformed datagram and answers it as RFC 7252 section 4.2
// says.
func (p *peer) reject(b *batch, err error) {
	p.server.record(Record{Kind: Malformed, Remote: p.remote})
	var format *coap.FormatError
	if errors.As(err, &format) && format.NeedsReset() {
		p.sendMessage(b, coap.Reset(format.MID))
	}
}

// duplicate reports whether the message was seen before. What answered a
// confirmable one is repeated (RFC 7252 section 4.5).
func (p *peer) duplicate(b *batch, m coap.Message) bool {
	entry, ok := p.seen[m.MID]
	if !ok || time.Since(entry.at) >= exchangeLifetime {
		return false
	}
	if m.Type == coap.CON {
		p.send(b, entry.reply)
	}
	return true
}

// remember begins the life of a message for deduplication.
func (p *peer) remember(m coap.Message) *seen {
	if _, again := p.seen[m.MID]; !again {
		p.seenOrder = append(p.seenOrder, m.MID)
	}
	if len(p.seenOrder) > dedupEntries {
		delete(p.seen, p.seenOrder[0])
		p.seenOrder = p.seenOrder[1:]
	}
	entry := &seen{at: time.Now()}
	p.seen[m.MID] = entry
	return entry
}

// mid returns the next message ID that no exchange uses.
func (p *peer) mid() uint16 {
	for p.byMID[p.nextMID] != nil {
		p.nextMID++
	}
	p.nextMID++
	return p.nextMID - 1
}

// token returns a new token of 8 bytes.
func (p *peer) token() []byte {
	return binary.BigEndian.AppendUint64(nil, p.server.rng.Uint64())
}

// receiveRequest processes a request once.
func (p *peer) receiveRequest(b *batch, m coap.Message) {
	if p.duplicate(b, m) {
		return
	}
	r := &reply{peer: p, request: m, seen: p.remember(m)}
	if _, bad := m.UnrecognizedCritical(understoodIn(m.Code)); bad {
		r.send(b, answer{code: lwm2m.CodeBadOption})
		return
	}
	body, incomplete := p.assemble(m)
	if incomplete != nil {
		r.send(b, *incomplete)
		return
	}
	p.server.handle(b, r, body)
}

// understoodIn lists the critical options that the server processes in requests of a method.
func understoodIn(method lwm2m.Code) func(number uint16) bool {
	return func(number uint16) bool {
		switch number {
		case coap.URIHost, coap.URIPort, coap.URIPath, coap.URIQuery, coap.Accept, coap.Block1, coap.Block2:
			return true
		case coap.IfMatch:
			return method == lwm2m.CodeGET
		}
		return false
	}
}

// receiveResponse matches a response with its request (RFC 7252 section
// 5.3.2): by token, and a piggybacked one by message ID as well. What answers no
// request may be a notification.
func (p *peer) receiveResponse(b *batch, m coap.Message) {
	if m.Type == coap.CON && p.duplicate(b, m) {
		return
	}
	x, o := p.exchangeOf(m), p.observationOf(m)
	switch {
	case x == nil && o != nil:
		o.receive(b, p, m)
	case x == nil:
		p.refuseResponse(b, m)
	default:
		p.accept(b, m)
		x.observation.begin(m)
		p.collectAnswer(x, m)
		p.respond(b, x, m)
	}
}

// exchangeOf finds the request that a response answers; nil when there is none. What
// has an Observe option while an observation is being cancelled is one more
// notification: the answer has none (RFC 7641 section 3.6).
func (p *peer) exchangeOf(m coap.Message) *exchange {
	x := p.byToken[string(m.Token)]
	switch {
	case x == nil, m.Type == coap.ACK && m.MID != x.mid:
		return nil
	case x.observation.isCancelling() && m.Type != coap.ACK && m.Has(coap.Observe):
		return nil
	}
	return x
}

// accept acknowledges a response that came in a message of its own.
func (p *peer) accept(b *batch, m coap.Message) {
	if m.Type == coap.CON {
		p.remember(m).reply = p.sendMessage(b, coap.EmptyACK(m.MID))
	}
}

// refuseResponse answers a response that nobody waits for: RST says that whoever
// notifies need not go on (RFC 7641 section 3.6).
func (p *peer) refuseResponse(b *batch, m coap.Message) {
	switch {
	case m.Type == coap.CON:
		p.remember(m).reply = p.sendMessage(b, coap.Reset(m.MID))
	case m.Type == coap.NON && m.Has(coap.Observe):
		p.sendMessage(b, coap.Reset(m.MID))
	}
}
