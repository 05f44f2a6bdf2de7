package network

import "encoding/binary"

// The DTLS 1.2 record layer as far as it is read here (RFC 6347 sections 4.1
// and 4.2.2).
const (
	recordHeader  = 13 // type 1, version 2, epoch 2, sequence number 6, length 2
	messageHeader = 12 // type 1, length 3, sequence 2, fragment offset 3, fragment length 3

	contentChangeCipherSpec = 20
	contentAlert            = 21
	contentHandshake        = 22
	contentApplicationData  = 23

	messageClientHello = 1
	messageServerHello = 2

	messageHelloVerifyRequest = 3
)

// record is one record of a datagram. Its slices are views.
type record struct {
	content byte
	epoch   uint16
	body    []byte
	raw     []byte // header and body
}

// nextRecord splits the first record off a datagram. It reports false when
// the datagram does not begin with a whole record.
func nextRecord(datagram []byte) (first record, rest []byte, ok bool) {
	if len(datagram) < recordHeader {
		return record{}, nil, false
	}
	end := recordHeader + int(binary.BigEndian.Uint16(datagram[11:]))
	if end > len(datagram) {
		return record{}, nil, false
	}
	first = record{
		content: datagram[0],
		epoch:   binary.BigEndian.Uint16(datagram[3:]),
		body:    datagram[recordHeader:end],
		raw:     datagram[:end],
	}
	return first, datagram[end:], true
}

// filter moves the records that keep accepts to the front of the datagram and
// returns their length: 0 when none is left, or when the datagram is
// malformed.
func filter(datagram []byte, keep func(record) bool) int {
	length := 0
	for rest := datagram; len(rest) > 0; {
		first, tail, ok := nextRecord(rest)
		if !ok {
			return 0
		}
		if len(first.body) > 0 && keep(first) {
			length += copy(datagram[length:], first.raw)
		}
		rest = tail
	}
	return length
}

// wantedInHandshake says which records pion may see during a handshake. A
// ChangeCipherSpec of a later epoch would move pion's epoch without a key, and
// tls12_cid records (RFC 9146), which are not negotiated, can crash it.
func wantedInHandshake(r record) bool {
	switch r.content {
	case contentChangeCipherSpec:
		return r.epoch == 0
	case contentAlert, contentHandshake:
		return r.epoch <= 1
	case contentApplicationData:
		return r.epoch == 1
	}
	return false
}

// wantedWhenUp says which records pion may see of an established session.
// Epoch 0 is not authenticated: pion would close the session over a forged
// alert. Handshake messages would begin a renegotiation, which is refused.
func wantedWhenUp(r record) bool {
	return r.epoch == 1 && (r.content == contentApplicationData || r.content == contentAlert)
}

// message is the head of a cleartext handshake message.
type message struct {
	kind     byte
	sequence uint16
	offset   uint32 // of the fragment
	length   int    // of the fragment
}

// nextMessage splits the first handshake message, or fragment of one, off the
// body of a record.
func nextMessage(body []byte) (first message, rest []byte, ok bool) {
	if len(body) < messageHeader {
		return message{}, nil, false
	}
	first = message{
		kind:     body[0],
		sequence: binary.BigEndian.Uint16(body[4:]),
		offset:   uint24(body[6:]),
		length:   int(uint24(body[9:])),
	}
	rest = body[messageHeader:]
	if first.length > len(rest) {
		return message{}, nil, false
	}
	return first, rest[first.length:], true
}

func uint24(b []byte) uint32 {
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
}

// order lets each kind of message of a server's one flight pass under a single
// message_seq: the first under which it was seen. Fragments and resends of a
// flight keep to that.
type order map[byte]uint16

// admits reports whether a record has no message that breaks the order. Records
// that are protected, or no handshake messages, have none to look at.
func (o *order) admits(r record) bool {
	if r.content != contentHandshake || r.epoch != 0 {
		return true
	}
	for body := r.body; len(body) > 0; {
		m, rest, ok := nextMessage(body)
		if !ok || !o.admit(m) {
			return false
		}
		body = rest
	}
	return true
}

func (o *order) admit(m message) bool {
	if m.kind == messageHelloVerifyRequest {
		return true // stateless, and repeated at will
	}
	if *o == nil {
		*o = order{}
	}
	sequence, seen := (*o)[m.kind]
	if !seen {
		(*o)[m.kind] = m.sequence
	}
	return !seen || sequence == m.sequence
}

// holdsServerHello reports whether a record has a ServerHello, or a piece of
// one, in clear.
func holdsServerHello(r record) bool {
	if r.content != contentHandshake || r.epoch != 0 {
		return false
	}
	for body := r.body; ; {
		first, rest, ok := nextMessage(body)
		if !ok {
			return false
		}
		if first.kind == messageServerHello {
			return true
		}
		body = rest
	}
}

// fatalAlert returns the description of the cleartext fatal alert that a
// datagram consists of.
func fatalAlert(datagram []byte) (number uint8, ok bool) {
	const fatal = 2
	first, _, ok := nextRecord(datagram)
	if !ok || first.content != contentAlert || len(first.body) != 2 || first.body[0] != fatal {
		return 0, false
	}
	return first.body[1], true
}
