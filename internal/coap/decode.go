package coap

import (
	"encoding/binary"

	"github.com/holdfast-iot/holdfast/messages"
)

const (
	headerSize    = 4
	payloadMarker = 0xff
)

// Decode reads one datagram. Token, option values and payload of the message
// share data's memory, so data must not be written to afterwards.
//
// Options that are elective and either have an illegal length or are repeated
// against the registry are left out (RFC 7252 sections 5.4.3 and 5.4.5).
// Errors are of type *FormatError. With the reason CriticalOption, and only
// then, the message is complete but for the option at fault, so that a request
// can be answered 4.02; with all others it is zero.
func Decode(data []byte) (Message, error) {
	var m Message
	if reason := m.readHeader(data); reason != 0 {
		return Message{}, m.formatError(reason, 0)
	}
	rest := data[headerSize+len(m.Token):]
	s := scanner{all: rest, rest: rest}
	if reason := s.scan(); reason != 0 {
		return Message{}, m.formatError(reason, s.number())
	}
	m.Options, m.Payload = s.options(), s.rest
	if s.fault != 0 {
		return m, m.formatError(CriticalOption, s.fault)
	}
	return m, nil
}

// Header reads no more of a datagram than header and token, which share data's
// memory. Of one that has no proper header the message is zero, or as much as
// could be read.
func Header(data []byte) Message {
	var m Message
	m.readHeader(data)
	return m
}

// versionFault tells a record of DTLS from what is no version of CoAP: whoever asks
// a DTLS port in clear may be answered with an alert (RFC 6347 section 4.1).
func versionFault(data []byte) Reason {
	const changeCipherSpec, connectionID, dtls = 20, 25, 0xfe
	if content := data[0]; content >= changeCipherSpec && content <= connectionID && data[1] == dtls {
		return SecuredRecord
	}
	return BadVersion
}

// readHeader reads header and token into a zero message. As far as it gets, the fields are
// set also when there is a reason to reject the message. It is called where a goroutine has
// hardly used its stack: with the message by value the stack would have to grow.
func (m *Message) readHeader(data []byte) Reason {
	if len(data) < headerSize {
		return TooShort
	}
	if data[0]>>6 != 1 {
		return versionFault(data)
	}
	m.Type, m.Code, m.MID = Type(data[0]>>4&3), messages.CoAPCode(data[1]), binary.BigEndian.Uint16(data[2:4])
	return m.readToken(data)
}

func (m *Message) readToken(data []byte) Reason {
	length := int(data[0] & 0xf)
	switch {
	case m.IsEmpty() && len(data) > headerSize, m.IsEmpty() && length > 0:
		return NotEmpty
	case length > MaxTokenLength:
		return BadTokenLength
	case reservedClass(m.Code):
		return ReservedClass
	case !combines(m.Type, m.Code):
		return BadCombination
	case len(data) < headerSize+length:
		return Truncated
	}
	if length > 0 {
		m.Token = data[headerSize : headerSize+length : headerSize+length]
	}
	return 0
}
