package accounts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"

	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// maxPublicKey bounds a SubjectPublicKeyInfo in bytes, before it is parsed. One
// on P-384 has 120; larger ones are of other kinds, which are named.
const maxPublicKey = 1 << 10

// rawPublicKeys reads security mode 1: the own public key and the server's, as
// SubjectPublicKeyInfo or its digest, and the private key. Certificate usage has no
// meaning here.
func (r *reader) rawPublicKeys() messages.Credentials {
	own, ownDER := r.publicKey(objects.SecurityPublicKeyOrIdentity)
	matching, server := r.rawServer()
	return messages.Credentials{
		Mode:               messages.SecurityRPK,
		Certificate:        [][]byte{ownDER},
		PrivateKey:         r.signingKey(own),
		Matching:           matching,
		ServerCertificates: server,
		ServerName:         r.serverName(),
	}
}

// publicKey reads one key; it is nil after a fault.
func (r *reader) publicKey(id uint16) (*ecdsa.PublicKey, []byte) {
	der := r.bytes(id)
	if len(der) == 0 {
		return nil, nil
	}
	key, reason := parsePublicKey(der)
	if reason != "" {
		r.fault(id, reason, nil)
		return nil, nil
	}
	return key, der
}

// parsePublicKey reads a SubjectPublicKeyInfo, or says what is wrong with it.
func parsePublicKey(der []byte) (*ecdsa.PublicKey, Reason) {
	if len(der) > maxPublicKey {
		return nil, ReasonTooLong
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, ReasonPublicKey
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return nil, ReasonPublicKey
	case !SupportedCurve(key.Curve):
		return nil, ReasonCurve
	}
	return key, ""
}

// SupportedCurve reports whether raw public keys may be on a curve.
func SupportedCurve(curve elliptic.Curve) bool {
	return curve == elliptic.P256() || curve == elliptic.P384()
}

// signingKey reads the private key and holds it against the own public key,
// which may be nil. The parser's error is not kept: it speaks of secret bytes.
func (r *reader) signingKey(own *ecdsa.PublicKey) messages.Secret {
	der := r.bytes(objects.SecuritySecretKey)
	if len(der) == 0 {
		return nil
	}
	public, ok := parsePrivateKey(der)
	key, forECDSA := public.(*ecdsa.PublicKey)
	switch {
	case !ok:
		r.fault(objects.SecuritySecretKey, noKey(der), nil)
	case !forECDSA:
		r.fault(objects.SecuritySecretKey, ReasonPrivateKey, nil)
	case !SupportedCurve(key.Curve):
		r.fault(objects.SecuritySecretKey, ReasonCurve, nil)
	case own != nil && !key.Equal(own):
		r.fault(objects.SecuritySecretKey, ReasonPublicMismatch, nil)
	}
	return der
}
