package credfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"

	"github.com/holdfast-iot/holdfast/internal/validity"
)

// Anchors reads the trust anchors of a source alone, for a client that shows nothing to
// servers.
func Anchors(s Source, clock validity.Clock) ([][]byte, []Fault) {
	r := &reader{clock: clock}
	return r.anchors(s), r.faults
}

// Signers reads who may sign a manifest: public keys on P-256 in a PEM file, and those of
// its certificates, or the same from memory in DER. They are of use only when there are no
// faults. Whether a certificate has expired does not count: a gateway that nobody has
// updated for years must not refuse the update that mends it.
func Signers(path string, inMemory [][]byte) ([]*ecdsa.PublicKey, []Fault) {
	const key = "trust"
	r := &reader{}
	list := inMemory
	if len(list) == 0 {
		list = r.publicKeys(key, path)
	}
	if len(list) > maxCertificates {
		r.fault(key, fmt.Sprintf("%s holds more than %d keys", source(path), maxCertificates), nil)
	}
	var keys []*ecdsa.PublicKey
	for i, der := range list {
		public, problem := signingKey(der)
		if problem != "" {
			r.fault(key, fmt.Sprintf("key %d of %s %s", i+1, source(path), problem), nil)
		}
		keys = append(keys, public)
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return keys, nil
}

// signingKey returns the key of SubjectPublicKeyInfo or of a certificate, or says what is
// wrong with it.
func signingKey(der []byte) (public *ecdsa.PublicKey, problem string) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, "is neither a public key nor a certificate"
		}
		key = certificate.PublicKey
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, "is none for ECDSA on P-256, with which manifests are signed"
	}
	return public, ""
}
