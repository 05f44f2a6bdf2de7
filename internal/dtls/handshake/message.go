package handshake

import (
	"encoding/binary"
	"strconv"
)

// Type is the type of a handshake message (RFC 5246 section 7.4, RFC 6347
// section 4.3.2).
type Type uint8

// The types that a client sends or knows.
const (
	TypeHelloRequest       Type = 0
	TypeClientHello        Type = 1
	TypeServerHello        Type = 2
	TypeHelloVerifyRequest Type = 3
	TypeCertificate        Type = 11
	TypeServerKeyExchange  Type = 12
	TypeCertificateRequest Type = 13
	TypeServerHelloDone    Type = 14
	TypeCertificateVerify  Type = 15
	TypeClientKeyExchange  Type = 16
	TypeFinished           Type = 20
)

var typeNames = map[Type]string{
	TypeHelloRequest: "HelloRequest", TypeClientHello: "ClientHello", TypeServerHello: "ServerHello",
	TypeHelloVerifyRequest: "HelloVerifyRequest", TypeCertificate: "Certificate",
	TypeServerKeyExchange: "ServerKeyExchange", TypeCertificateRequest: "CertificateRequest",
	TypeServerHelloDone: "ServerHelloDone", TypeCertificateVerify: "CertificateVerify",
	TypeClientKeyExchange: "ClientKeyExchange", TypeFinished: "Finished",
}

// String returns the name that the RFCs give the type.
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return "message type " + strconv.Itoa(int(t))
}

// HeaderSize is the length of a fragment's header, in bytes: type 1, length 3,
// message_seq 2, fragment offset 3, fragment length 3.
const HeaderSize = 12

// Message is one whole message.
type Message struct {
	Type     Type
	Sequence uint16 // message_seq
	Body     []byte
}

// Append appends the message as a single fragment, which is also how it enters
// the hashes of a handshake (RFC 6347 section 4.2.6).
func (m Message) Append(dst []byte) []byte { return m.AppendFragment(dst, 0, len(m.Body)) }

// AppendFragment appends the fragment with length bytes of the body, from
// offset.
func (m Message) AppendFragment(dst []byte, offset, length int) []byte {
	dst = append(dst, byte(m.Type))
	dst = appendUint24(dst, len(m.Body))
	dst = binary.BigEndian.AppendUint16(dst, m.Sequence)
	dst = appendUint24(dst, offset)
	dst = appendUint24(dst, length)
	return append(dst, m.Body[offset:offset+length]...)
}

// Fragment is a piece of a message, as it came.
type Fragment struct {
	Type     Type
	Length   int // of the whole message
	Sequence uint16
	Offset   int
	Data     []byte
}

// NextFragment splits the first fragment off the content of a handshake record.
// It reports false when the content does not begin with one.
func NextFragment(content []byte) (first Fragment, rest []byte, ok bool) {
	if len(content) < HeaderSize {
		return Fragment{}, nil, false
	}
	first = Fragment{
		Type:     Type(content[0]),
		Length:   uint24(content[1:]),
		Sequence: binary.BigEndian.Uint16(content[4:]),
		Offset:   uint24(content[6:]),
	}
	length := uint24(content[9:])
	rest = content[HeaderSize:]
	if length > len(rest) || first.Offset+length > first.Length {
		return Fragment{}, nil, false
	}
	first.Data = rest[:length]
	return first, rest[length:], true
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

func appendUint24(dst []byte, v int) []byte { return append(dst, byte(v>>16), byte(v>>8), byte(v)) }
