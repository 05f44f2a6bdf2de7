package dtlstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	_ "crypto/sha256" // the hashes of signatures
	_ "crypto/sha512"
	"io"
	"slices"
)

// Certificate is the message of that name: a chain, or one raw public key.
type Certificate struct {
	Chain [][]byte
	// Raw leaves the lengths of the chain out: the one key stands alone.
	Raw bool
}

func (c *Certificate) encode() []byte {
	if c.Raw {
		return vec24(nil, slices.Concat(c.Chain...))
	}
	var b []byte
	for _, der := range c.Chain {
		b = vec24(b, der)
	}
	return vec24(nil, b)
}

// Signature schemes, as pairs of hash and signature (RFC 5246, 7.4.1.4.1).
const (
	SchemeECDSAWithSHA256 = 0x0403
	SchemeECDSAWithSHA384 = 0x0503
	SchemeECDSAWithSHA512 = 0x0603
)

var schemeHashes = map[uint16]crypto.Hash{
	SchemeECDSAWithSHA256: crypto.SHA256, SchemeECDSAWithSHA384: crypto.SHA384, SchemeECDSAWithSHA512: crypto.SHA512,
}

// KeyExchange is a ServerKeyExchange: a hint for PSK, else a point and a
// signature.
type KeyExchange struct {
	Hint []byte // PSK only

	CurveType byte
	Curve     uint16
	Point     []byte
	// Signed are the bytes under the signature: by default both randoms and
	// the parameters as they are sent.
	Signed func(k *KeyExchange) []byte
	Signer crypto.Signer
	Scheme uint16
	// Signature is made from the fields above when it is nil.
	Signature []byte
}

// params is what the signature covers besides the randoms (RFC 8422, 5.4).
func (k *KeyExchange) params() []byte {
	return vec8(u16([]byte{k.CurveType}, int(k.Curve)), k.Point)
}

func (k *KeyExchange) encode(psk bool) []byte {
	if psk {
		return vec16(nil, k.Hint)
	}
	if k.Signature == nil {
		k.Signature = sign(k.Signer, k.Scheme, k.Signed(k))
	}
	return vec16(u16(k.params(), int(k.Scheme)), k.Signature)
}

// sign signs with ECDSA, without randomness (RFC 6979). A scheme that is not
// known is signed as if its hash were SHA-256.
func sign(signer crypto.Signer, scheme uint16, message []byte) []byte {
	h, known := schemeHashes[scheme]
	if !known {
		h = crypto.SHA256
	}
	return must(signer.Sign(nil, digestOf(h, message), h))
}

func digestOf(h crypto.Hash, message []byte) []byte {
	w := h.New()
	w.Write(message)
	return w.Sum(nil)
}

// A signer signs without randomness whatever it is given to draw from, so that
// certificates are the same in every run too.
type signer struct{ *ecdsa.PrivateKey }

func (s signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.PrivateKey.Sign(nil, digest, opts)
}

// newSigner makes a key from randomness.
func newSigner(random io.Reader, curve elliptic.Curve) signer {
	for {
		scalar := draw(random, (curve.Params().BitSize+7)/8)
		scalar[0] &= byte(0xff >> (8*len(scalar) - curve.Params().BitSize))
		if key, err := ecdsa.ParseRawPrivateKey(curve, scalar); err == nil {
			return signer{key}
		}
	}
}

// keyExchange is the honest one. The curve and the scheme are the first of ours
// that the client has offered.
func (s *Server) keyExchange() *KeyExchange {
	if s.suite.PSK {
		return &KeyExchange{Hint: s.cfg.PSKHint}
	}
	k := &KeyExchange{CurveType: 3, Curve: firstOffered(s.cfg.curves(), s.hello.Groups()), Signer: s.cfg.Key}
	s.useCurve(k, k.Curve)
	k.Scheme = firstOffered(s.cfg.schemes(), s.hello.Schemes())
	k.Signed = func(k *KeyExchange) []byte { return join(s.hello.Random, s.random, k.params()) }
	return k
}

// useCurve gives a KeyExchange a new key on a curve.
func (s *Server) useCurve(k *KeyExchange, curve uint16) {
	k.Curve, s.ephemeral = curve, newKey(s.cfg.Rand, curve)
	k.Point = s.ephemeral.PublicKey().Bytes()
}

// firstOffered returns the first of ours that is among theirs, else our first.
func firstOffered(ours, theirs []uint16) uint16 {
	for _, n := range ours {
		if slices.Contains(theirs, n) {
			return n
		}
	}
	return ours[0]
}

// Types of client certificates (RFC 5246, 7.4.4; RFC 8422, 5.5).
const certTypeECDSASign = 64

// CertificateRequest has the fields of the message (RFC 5246, 7.4.4).
type CertificateRequest struct {
	Types       []byte
	Schemes     []uint16
	Authorities [][]byte
}

func (r *CertificateRequest) encode() []byte {
	var names []byte
	for _, n := range r.Authorities {
		names = vec16(names, n)
	}
	return vec16(vec16(vec8(nil, r.Types), list16(r.Schemes)), names)
}

func (s *Server) certificateRequest() *CertificateRequest {
	return &CertificateRequest{
		Types:   []byte{certTypeECDSASign},
		Schemes: []uint16{SchemeECDSAWithSHA256, SchemeECDSAWithSHA384, SchemeECDSAWithSHA512},
	}
}
