package coapresend

import (
	"errors"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// recognized reports whether a critical option is understood (RFC 7252 section
// 5.4.1). If-Match and If-None-Match are not: handlers keep no entity tags, so
// that ignoring them would be wrong. Proxy-Uri and Proxy-Scheme are understood
// and refused by their own code.
func recognized(number uint16) bool {
	switch number {
	case coap.URIHost, coap.URIPort, coap.URIPath, coap.URIQuery, coap.Accept,
		coap.Block1, coap.Block2, coap.ProxyURI, coap.ProxyScheme:
		return true
	}
	return false
}

// datagram is called for everything that the peer sends.
func (m *Machine) datagram(in messages.Datagram) {
	if in.Epoch != m.cfg.Epoch {
		return
	}
	if !m.admit(coap.Header(in.Data)) {
		m.shed.Rate++
		return
	}
	msg, fault := decode(in.Data)
	if !m.fresh(in, &msg, fault) {
		return
	}
	if fault == nil {
		m.stirred()
	}
	switch {
	case fault != nil && !answerable(fault):
		m.reject(fault)
	case msg.IsEmpty():
		m.empty(msg)
	case msg.IsRequest():
		m.request(msg, fault)
	default:
		m.response(msg, fault)
	}
}

// truncated counts a datagram that network could not read whole.
func (m *Machine) truncated(in messages.Truncated) {
	if in.Epoch == m.cfg.Epoch {
		m.shed.Truncated++
	}
}

// decode decodes, and looks for critical options that are not understood.
func decode(data []byte) (coap.Message, *coap.FormatError) {
	msg, err := coap.Decode(data)
	if fault, ok := errors.AsType[*coap.FormatError](err); ok {
		return msg, fault
	}
	if number, found := msg.UnrecognizedCritical(recognized); found {
		return msg, &coap.FormatError{
			Reason: coap.UnrecognizedOption, Option: number,
			Type: msg.Type, Code: msg.Code, MID: msg.MID,
		}
	}
	return msg, nil
}

// answerable reports whether a message is complete in spite of its fault, so
// that a request gets a response of its own (RFC 7252 section 5.4.1).
func answerable(fault *coap.FormatError) bool {
	return fault.Reason == coap.CriticalOption || fault.Reason == coap.UnrecognizedOption
}

// reject drops a message, with a RST if it was confirmable (RFC 7252 section
// 4.2), and reports it, unless too many have been reported already.
func (m *Machine) reject(fault *coap.FormatError) {
	if fault.NeedsReset() {
		m.sendReset(fault.MID)
	}
	if m.reports.take(m.now, reportEvery, reportBurst) {
		m.tell(core.Supervisor, messages.Malformed{
			Epoch: m.cfg.Epoch, Cause: fault, Foreign: fault.Reason == coap.SecuredRecord,
		})
	}
}

// empty is called for an empty message; a confirmable one is a ping (RFC 7252
// section 4.3).
func (m *Machine) empty(msg coap.Message) {
	switch msg.Type {
	case coap.CON:
		m.sendReset(msg.MID)
	case coap.ACK:
		m.acknowledged(msg.MID)
	case coap.RST:
		m.reset(msg.MID)
	}
}

// response is called for a response, piggybacked or separate. A response that
// nobody waits for is rejected if it is confirmable, else ignored (RFC 7252
// section 4.2, 4.3).
func (m *Machine) response(msg coap.Message, fault *coap.FormatError) {
	if fault != nil {
		m.reject(fault)
		return
	}
	if msg.Type != coap.ACK {
		if e := m.remembered(msg.MID); e != nil {
			m.repeat(e)
			return
		}
	}
	x := m.match(msg)
	if msg.Type == coap.CON {
		m.acknowledge(msg, x != nil)
	}
	if x == nil {
		return
	}
	m.heard(x)
	m.over(x)
	m.answered(x.call, msg)
	m.fetchNext()
	m.pump()
}

// acknowledge answers a confirmable response: with an ACK that its duplicates
// get too, or with a RST when it is not wanted.
func (m *Machine) acknowledge(msg coap.Message, wanted bool) {
	if !wanted {
		m.sendReset(msg.MID)
		return
	}
	ack := mustEncode(coap.EmptyACK(msg.MID))
	if e := m.remember(msg); e != nil {
		e.answer = ack
	}
	m.transmit(ack)
}

// match returns the exchange that a response belongs to.
func (m *Machine) match(msg coap.Message) *exchange {
	for _, x := range m.active {
		if x.await().matches(&msg) {
			return x
		}
	}
	return nil
}

func (m *Machine) sendReset(mid uint16) { m.transmit(mustEncode(coap.Reset(mid))) }

// mustEncode encodes a message that is correct by construction: an empty one, or
// a code with a token that came from the wire.
func mustEncode(msg coap.Message) []byte {
	datagram, err := coap.Encode(msg)
	if err != nil {
		panic(err)
	}
	return datagram
}
