package handshake

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// FormatError says that a message does not have the form that its RFC gives
// it.
type FormatError struct {
	Type Type
	What string // which part of it
}

// Error returns a sentence for a person.
func (e *FormatError) Error() string { return fmt.Sprintf("%s: malformed %s", e.Type, e.What) }

// RandomSize is the length of a hello's random, in bytes (RFC 5246 section
// 7.4.1.2).
const RandomSize = 32

// maxSessionID is the greatest length of a session ID, in bytes.
const maxSessionID = 32

// ServerHello is RFC 5246 section 7.4.1.3.
type ServerHello struct {
	Version     uint16
	Random      []byte
	SessionID   []byte
	Suite       uint16
	Compression uint8
	Extensions  []Extension
}

// Extension is one extension of a hello.
type Extension struct {
	Type uint16
	Body []byte
}

// ReadServerHello reads the body of a ServerHello. No extension is there twice.
func ReadServerHello(body []byte) (h ServerHello, err error) {
	s := cryptobyte.String(body)
	var id cryptobyte.String
	if !s.ReadUint16(&h.Version) || !s.ReadBytes(&h.Random, RandomSize) ||
		!s.ReadUint8LengthPrefixed(&id) || len(id) > maxSessionID ||
		!s.ReadUint16(&h.Suite) || !s.ReadUint8(&h.Compression) {
		return h, &FormatError{TypeServerHello, "fields"}
	}
	h.SessionID = id
	if s.Empty() {
		return h, nil // RFC 5246 section 7.4.1.3: no extensions at all
	}
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return h, &FormatError{TypeServerHello, "extensions"}
	}
	h.Extensions, err = readExtensions(list)
	return h, err
}

// maxExtensions bounds the extensions of a hello; a server answers those that
// were offered, each once.
const maxExtensions = 32

func readExtensions(list cryptobyte.String) (all []Extension, err error) {
	for !list.Empty() {
		var kind uint16
		var body cryptobyte.String
		if !list.ReadUint16(&kind) || !list.ReadUint16LengthPrefixed(&body) || len(all) == maxExtensions {
			return nil, &FormatError{TypeServerHello, "extensions"}
		}
		for _, e := range all {
			if e.Type == kind {
				return nil, &FormatError{TypeServerHello, fmt.Sprintf("extensions: %d is there twice", kind)}
			}
		}
		all = append(all, Extension{Type: kind, Body: body})
	}
	return all, nil
}

// ReadHelloVerifyRequest reads the cookie out of the body of a
// HelloVerifyRequest (RFC 6347 section 4.2.1). Its version says nothing.
func ReadHelloVerifyRequest(body []byte) (cookie []byte, err error) {
	s := cryptobyte.String(body)
	var version uint16
	var c cryptobyte.String
	if !s.ReadUint16(&version) || version>>8 != 0xfe || !s.ReadUint8LengthPrefixed(&c) || !s.Empty() {
		return nil, &FormatError{TypeHelloVerifyRequest, "fields"}
	}
	return c, nil
}

// MaxChain bounds the certificates of a Certificate message.
const MaxChain = 10

// ReadCertificates reads the DER certificates of a Certificate message (RFC 5246
// section 7.4.2). There are at most [MaxChain], and none is empty.
func ReadCertificates(body []byte) (chain [][]byte, err error) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, &FormatError{TypeCertificate, "list"}
	}
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || der.Empty() {
			return nil, &FormatError{TypeCertificate, "list"}
		}
		if len(chain) == MaxChain {
			return nil, &FormatError{TypeCertificate, fmt.Sprintf("list: more than %d certificates", MaxChain)}
		}
		chain = append(chain, der)
	}
	return chain, nil
}

// ReadRawPublicKey reads the SubjectPublicKeyInfo of a Certificate message with
// a raw public key (RFC 7250 section 3).
func ReadRawPublicKey(body []byte) (spki []byte, err error) {
	s := cryptobyte.String(body)
	var key cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&key) || !s.Empty() || key.Empty() {
		return nil, &FormatError{TypeCertificate, "raw public key"}
	}
	return key, nil
}

// ServerKeyExchange is that of ECDHE_ECDSA (RFC 8422 section 5.4).
type ServerKeyExchange struct {
	Curve     uint16
	Point     []byte
	Scheme    uint16
	Signature []byte
	// Params is what the signature covers beside the randoms.
	Params []byte
}

// ReadServerKeyExchange reads the body of an ECDHE_ECDSA ServerKeyExchange. Only
// named curves have a form here.
func ReadServerKeyExchange(body []byte) (k ServerKeyExchange, err error) {
	const namedCurve = 3
	s := cryptobyte.String(body)
	var kind uint8
	var point, signature cryptobyte.String
	if !s.ReadUint8(&kind) || kind != namedCurve || !s.ReadUint16(&k.Curve) ||
		!s.ReadUint8LengthPrefixed(&point) || point.Empty() {
		return k, &FormatError{TypeServerKeyExchange, "parameters"}
	}
	k.Params = body[:len(body)-len(s)]
	if !s.ReadUint16(&k.Scheme) || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() || signature.Empty() {
		return k, &FormatError{TypeServerKeyExchange, "signature"}
	}
	k.Point, k.Signature = point, signature
	return k, nil
}

// ReadIdentityHint reads the body of a PSK ServerKeyExchange (RFC 4279 section
// 2).
func ReadIdentityHint(body []byte) (hint []byte, err error) {
	s := cryptobyte.String(body)
	var h cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&h) || !s.Empty() {
		return nil, &FormatError{TypeServerKeyExchange, "identity hint"}
	}
	return h, nil
}

// CertificateRequest is RFC 5246 section 7.4.4, without the authorities: who
// has one certificate has no choice.
type CertificateRequest struct {
	Types   []byte
	Schemes []uint16
}

// ReadCertificateRequest reads the body of a CertificateRequest.
func ReadCertificateRequest(body []byte) (r CertificateRequest, err error) {
	s := cryptobyte.String(body)
	var types, schemes, authorities cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&types) || types.Empty() ||
		!s.ReadUint16LengthPrefixed(&schemes) || schemes.Empty() || len(schemes)%2 != 0 ||
		!s.ReadUint16LengthPrefixed(&authorities) || !s.Empty() {
		return r, &FormatError{TypeCertificateRequest, "lists"}
	}
	r.Types = types
	for !schemes.Empty() {
		var scheme uint16
		schemes.ReadUint16(&scheme)
		r.Schemes = append(r.Schemes, scheme)
	}
	for !authorities.Empty() {
		var name cryptobyte.String
		if !authorities.ReadUint16LengthPrefixed(&name) || name.Empty() {
			return r, &FormatError{TypeCertificateRequest, "authorities"}
		}
	}
	return r, nil
}
