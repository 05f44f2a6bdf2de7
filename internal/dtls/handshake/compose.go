package handshake

import "golang.org/x/crypto/cryptobyte"

// ClientHello is RFC 5246 section 7.4.1.2 with the cookie of RFC 6347 section
// 4.2.1. Compression is always null.
type ClientHello struct {
	Version    uint16
	Random     []byte // of RandomSize bytes
	SessionID  []byte // at most 32 bytes
	Cookie     []byte // at most 255 bytes
	Suites     []uint16
	Extensions []Extension
}

// Body composes the body of the message.
func (h *ClientHello) Body() []byte {
	var b cryptobyte.Builder
	b.AddUint16(h.Version)
	b.AddBytes(h.Random)
	b.AddUint8LengthPrefixed(bytesOf(h.SessionID))
	b.AddUint8LengthPrefixed(bytesOf(h.Cookie))
	b.AddUint16LengthPrefixed(numbersOf(h.Suites))
	b.AddUint8LengthPrefixed(bytesOf([]byte{0}))
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, e := range h.Extensions {
			b.AddUint16(e.Type)
			b.AddUint16LengthPrefixed(bytesOf(e.Body))
		}
	})
	return b.BytesOrPanic()
}

// Certificates composes the body of a Certificate message: a chain in DER, leaf
// first; none where a client has none to show.
func Certificates(chain [][]byte) []byte {
	var b cryptobyte.Builder
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, der := range chain {
			b.AddUint24LengthPrefixed(bytesOf(der))
		}
	})
	return b.BytesOrPanic()
}

// RawPublicKey composes the body of a Certificate message with a raw public key
// (RFC 7250 section 3).
func RawPublicKey(spki []byte) []byte {
	var b cryptobyte.Builder
	b.AddUint24LengthPrefixed(bytesOf(spki))
	return b.BytesOrPanic()
}

// PublicPoint composes the body of an ECDHE ClientKeyExchange (RFC 8422 section
// 5.7).
func PublicPoint(point []byte) []byte {
	var b cryptobyte.Builder
	b.AddUint8LengthPrefixed(bytesOf(point))
	return b.BytesOrPanic()
}

// Identity composes the body of a PSK ClientKeyExchange (RFC 4279 section 2).
func Identity(identity []byte) []byte {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(bytesOf(identity))
	return b.BytesOrPanic()
}

// CertificateVerify composes the body of a CertificateVerify (RFC 5246 section
// 7.4.8).
func CertificateVerify(scheme uint16, signature []byte) []byte {
	var b cryptobyte.Builder
	b.AddUint16(scheme)
	b.AddUint16LengthPrefixed(bytesOf(signature))
	return b.BytesOrPanic()
}

// Numbers composes a list of 16-bit values with a length of two bytes, the body
// of some extensions.
func Numbers(list []uint16) []byte {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(numbersOf(list))
	return b.BytesOrPanic()
}

// ServerName composes the body of a server_name extension with one DNS name
// (RFC 6066 section 3).
func ServerName(name string) []byte {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(0) // host_name
		b.AddUint16LengthPrefixed(bytesOf([]byte(name)))
	})
	return b.BytesOrPanic()
}

func bytesOf(v []byte) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) { b.AddBytes(v) }
}

func numbersOf(list []uint16) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) {
		for _, v := range list {
			b.AddUint16(v)
		}
	}
}
