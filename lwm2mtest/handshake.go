package lwm2mtest

import (
	"encoding/binary"
	"net/netip"
)

// DTLS 1.2 record layer (RFC 6347 section 4.1) and ClientHello (4.2.2).
const (
	recordHeaderSize    = 13
	handshakeHeaderSize = 12
	recordAlert         = 21
	recordHandshake     = 22
	recordCID           = 25 // tls12_cid (RFC 9146)
	helloRequestType    = 1  // ClientHello
	helloVerifyType     = 3  // HelloVerifyRequest
	certificateType     = 11 // Certificate
	keyExchangeType     = 16 // ClientKeyExchange
	alertFatal          = 2
)

// clientRandom identifies a handshake: resends of a ClientHello, and the one
// with the cookie, carry the same random.
type clientRandom [32]byte

// clientHello is what the demultiplexer looks at.
type clientHello struct {
	random   clientRandom
	sequence [6]byte // record sequence number
	message  uint16  // message_seq
	whole    bool    // it is one fragment
}

// parseClientHello reports whether the datagram begins with a ClientHello.
func parseClientHello(data []byte) (clientHello, bool) {
	const randomAt = recordHeaderSize + handshakeHeaderSize + 2 // after client_version
	var h clientHello
	if len(data) < randomAt+len(h.random) || data[0] != recordHandshake || data[recordHeaderSize] != helloRequestType {
		return h, false
	}
	epoch := binary.BigEndian.Uint16(data[3:5])
	offset := data[recordHeaderSize+6 : recordHeaderSize+9] // fragment_offset
	if epoch != 0 || offset[0]|offset[1]|offset[2] != 0 {
		return h, false
	}
	header := data[recordHeaderSize:]
	h.message = binary.BigEndian.Uint16(header[4:6])
	h.whole = string(header[1:4]) == string(header[9:12]) // length, fragment_length
	copy(h.sequence[:], data[5:11])
	copy(h.random[:], data[randomAt:])
	return h, true
}

// hostile reports whether a datagram has a broken record header, or a record of type
// tls12_cid that does not belong to the session: one that is crafted makes pion panic,
// which takes somebody who has the keys of a session with a Connection ID.
func hostile(data []byte, x *session) bool {
	for len(data) > 0 {
		header := recordHeaderSize
		if data[0] == recordCID {
			header += cidSize
		}
		if len(data) < header || data[0] == recordCID && (x == nil || string(data[cidAt:cidAt+cidSize]) != x.cid) {
			return true
		}
		length := int(binary.BigEndian.Uint16(data[header-2 : header]))
		if len(data) < header+length {
			return true
		}
		data = data[header+length:]
	}
	return false
}

// handshakePolicy says what becomes of new handshakes.
type handshakePolicy struct {
	refuse bool
	ignore bool
	alert  uint8
}

// RefuseHandshakes refuses every new handshake with a fatal alert of that
// number (RFC 5246 section 7.2), in clear as it must be at that point. As with a
// real server, an alert that blames the client's certificate, key or identity
// answers the flight that shows them, any other one the ClientHello. Sessions go
// on.
func (v *Service) RefuseHandshakes(alert uint8) {
	v.setPolicy(handshakePolicy{refuse: true, alert: alert})
}

// IgnoreHandshakes leaves every new ClientHello unanswered. Sessions go on.
func (v *Service) IgnoreHandshakes() { v.setPolicy(handshakePolicy{ignore: true}) }

// AcceptHandshakes ends RefuseHandshakes and IgnoreHandshakes.
func (v *Service) AcceptHandshakes() { v.setPolicy(handshakePolicy{}) }

func (v *Service) setPolicy(p handshakePolicy) {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	v.policy = p
}

// RefuseHandshakes refuses on all services, present and future. See
// [Service.RefuseHandshakes].
func (s *Server) RefuseHandshakes(alert uint8) {
	s.setPolicy(handshakePolicy{refuse: true, alert: alert})
}

// IgnoreHandshakes ignores handshakes on all services, present and future.
func (s *Server) IgnoreHandshakes() { s.setPolicy(handshakePolicy{ignore: true}) }

// AcceptHandshakes accepts handshakes on all services, present and future.
func (s *Server) AcceptHandshakes() { s.setPolicy(handshakePolicy{}) }

func (s *Server) setPolicy(p handshakePolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = p
	for v := range s.services {
		v.policy = p
	}
}

// admit applies the policy to a ClientHello. The lock is held.
func (v *Service) admit(b *batch, from netip.AddrPort, hello clientHello) bool {
	p := v.policy
	if p.refuse && blamesCredentials(p.alert) {
		return true // until the credentials come
	}
	if p.refuse {
		alert := plainAlert(p.alert, hello.sequence)
		b.add(func() { v.writeTo(alert, from) })
	}
	return !p.refuse && !p.ignore
}

// blamesCredentials reports whether an alert is about what a client has shown of
// itself.
func blamesCredentials(alert uint8) bool {
	switch alert {
	case 20, 41, 42, 43, 44, 45, 46, 48, 49, 51, 115, 116:
		return true
	}
	return false
}

// refuseCredentials answers a datagram that shows the client's credentials, if
// that is what the policy refuses. The lock is held.
func (v *Service) refuseCredentials(b *batch, from netip.AddrPort, data []byte) bool {
	if !v.policy.refuse || !blamesCredentials(v.policy.alert) || !showsCredentials(data) {
		return false
	}
	alert := plainAlert(v.policy.alert, [6]byte(data[5:11]))
	b.add(func() { v.writeTo(alert, from) })
	return true
}

// showsCredentials reports whether a datagram begins with the client's
// Certificate or ClientKeyExchange.
func showsCredentials(data []byte) bool {
	if len(data) <= recordHeaderSize || data[0] != recordHandshake || binary.BigEndian.Uint16(data[3:5]) != 0 {
		return false
	}
	kind := data[recordHeaderSize]
	return kind == certificateType || kind == keyExchangeType
}

// plainAlert returns a fatal alert record of epoch 0. It takes the sequence
// number of the record that it answers, as a HelloVerifyRequest does (RFC 6347
// section 4.2.1), so that it is new to the client's replay window.
func plainAlert(description uint8, sequence [6]byte) []byte {
	record := []byte{recordAlert, 0xfe, 0xfd, 0, 0}
	record = append(record, sequence[:]...)
	return append(record, 0, 2, alertFatal, description)
}
