package dtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// maxRSABits bounds RSA moduli in certificates. Verifying a signature takes
// time that grows with the square of it; crypto/tls has the same bound.
const maxRSABits = 8192

// CheckKey refuses public keys that would cost too much to compute with, and
// those of unknown kinds, of which nothing can be verified: RSA above 8,192
// bits, curves other than P-256, P-384, P-521, and everything that is neither
// RSA, ECDSA nor Ed25519. It computes nothing itself.
func CheckKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits > maxRSABits {
			return fmt.Errorf("an RSA modulus of %d bits, more than %d", bits, maxRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			return errors.New("an ECDSA key on an unsupported curve")
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("a key of an unsupported type, %T", key)
}

// parseChain parses the server's certificates, whose number and sizes the
// message has bounded, and bounds what will be computed with them.
func parseChain(ders [][]byte) ([]*x509.Certificate, error) {
	if len(ders) == 0 {
		return nil, errors.New("the server shows none")
	}
	chain := make([]*x509.Certificate, len(ders))
	for i, der := range ders {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		if err := CheckKey(certificate.PublicKey); err != nil {
			return nil, fmt.Errorf("certificate %d has %w", i+1, err)
		}
		chain[i] = certificate
	}
	return chain, nil
}

// signatureKey returns a server's key if a ServerKeyExchange on offer can be
// signed with it: ECDSA on a curve of the offer (RFC 8422 section 5.3).
func signatureKey(key crypto.PublicKey) (*ecdsa.PublicKey, error) {
	k, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("its key is a %T, not one for ECDSA", key)
	}
	if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
		return nil, errors.New("its key is on a curve that was not offered")
	}
	return k, nil
}

// judgeKey parses and judges a raw public key. Its form is bounded by the
// message; what is computed with it is what a certificate's key may cost.
func judgeKey(spki []byte, verify func([]byte) error) (*ecdsa.PublicKey, error) {
	if err := verify(spki); err != nil {
		return nil, &RefusalError{Alert: alertBadCertificate, Err: &CertificateError{err}}
	}
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, &RefusalError{Alert: alertBadCertificate, Err: &CertificateError{err}}
	}
	key, err := signatureKey(parsed)
	if err != nil {
		return nil, &RefusalError{Alert: alertUnsupportedCert, Err: &CertificateError{err}}
	}
	return key, nil
}
