package dtlstest

import (
	"encoding/binary"
	"slices"
)

// Content types of records (RFC 6347, 4.1; RFC 9146, 3).
const (
	ContentCCS       = 20
	ContentAlert     = 21
	ContentHandshake = 22
	ContentData      = 23
	ContentCID       = 25
)

// Types of handshake messages (RFC 5246, 7.4; RFC 6347, 4.3.2; RFC 5077).
const (
	TypeHelloRequest       = 0
	TypeClientHello        = 1
	TypeServerHello        = 2
	TypeHelloVerifyRequest = 3
	TypeNewSessionTicket   = 4
	TypeCertificate        = 11
	TypeServerKeyExchange  = 12
	TypeCertificateRequest = 13
	TypeServerHelloDone    = 14
	TypeCertificateVerify  = 15
	TypeClientKeyExchange  = 16
	TypeFinished           = 20
)

// Versions, as on the wire (RFC 6347, 4.1).
const (
	VersionDTLS10 = 0xfeff
	VersionDTLS12 = 0xfefd
)

// Extensions that the server knows (RFC 7627, 5746, 8422, 5246, 9146, 7250).
const (
	ExtServerName           = 0
	ExtSupportedGroups      = 10
	ExtPointFormats         = 11
	ExtSignatureAlgorithms  = 13
	ExtClientCertificate    = 19
	ExtServerCertificate    = 20
	ExtExtendedMasterSecret = 23
	ExtConnectionID         = 54
	ExtRenegotiationInfo    = 0xff01
)

// Alerts that tests expect or send (RFC 5246, 7.2).
const (
	AlertCloseNotify            = 0
	AlertUnexpectedMessage      = 10
	AlertBadRecordMAC           = 20
	AlertRecordOverflow         = 22
	AlertHandshakeFailure       = 40
	AlertBadCertificate         = 42
	AlertUnsupportedCertificate = 43
	AlertCertificateUnknown     = 46
	AlertIllegalParameter       = 47
	AlertUnknownCA              = 48
	AlertDecodeError            = 50
	AlertDecryptError           = 51
	AlertProtocolVersion        = 70
	AlertInternalError          = 80
	AlertNoRenegotiation        = 100
	AlertUnsupportedExtension   = 110
)

// Levels of alerts.
const (
	LevelWarning = 1
	LevelFatal   = 2
)

func u16(b []byte, n int) []byte { return binary.BigEndian.AppendUint16(b, uint16(n)) }

func u24(b []byte, n int) []byte { return append(b, byte(n>>16), byte(n>>8), byte(n)) }

func u48(b []byte, n uint64) []byte {
	return append(b, byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// vec8, vec16 and vec24 append a vector behind its length.
func vec8(b, v []byte) []byte  { return append(append(b, byte(len(v))), v...) }
func vec16(b, v []byte) []byte { return append(u16(b, len(v)), v...) }
func vec24(b, v []byte) []byte { return append(u24(b, len(v)), v...) }

// list16 encodes numbers of two bytes without a length.
func list16(numbers []uint16) []byte {
	var b []byte
	for _, n := range numbers {
		b = u16(b, int(n))
	}
	return b
}

// reader takes numbers and vectors off a body. After the first that is missing
// it is bad, and all that follows is empty.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return make([]byte, min(n, 64)) // for numbers; vectors are cut by vec
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u8() int  { return int(r.take(1)[0]) }
func (r *reader) u16() int { return int(binary.BigEndian.Uint16(r.take(2))) }

func (r *reader) u24() int {
	b := r.take(3)
	return int(b[0])<<16 | int(b[1])<<8 | int(b[2])
}

func (r *reader) u48() uint64 {
	return uint64(r.u16())<<32 | uint64(r.u16())<<16 | uint64(r.u16())
}

func (r *reader) vec(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	return r.take(n)
}

func (r *reader) vec8() []byte  { return r.vec(r.u8()) }
func (r *reader) vec16() []byte { return r.vec(r.u16()) }
func (r *reader) vec24() []byte { return r.vec(r.u24()) }

// numbers16 splits a vector of two-byte numbers.
func numbers16(b []byte) []uint16 {
	var all []uint16
	for ; len(b) >= 2; b = b[2:] {
		all = append(all, binary.BigEndian.Uint16(b))
	}
	return all
}

// join returns the concatenation in memory of its own.
func join(parts ...[]byte) []byte { return slices.Concat(parts...) }
