package credfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/holdfast-iot/holdfast/messages"
)

// What an application hands over in memory is held to the same rules as a file's
// content. Faults name the key of the file that it stands for.

func (r *reader) chain(s Source) [][]byte {
	if len(s.Chain) == 0 {
		return r.certificates("certificate", s.Certificate)
	}
	return r.inMemory("certificate", s.Chain, false)
}

func (r *reader) anchors(s Source) [][]byte {
	if len(s.Anchors) == 0 {
		return r.trust(s)
	}
	before := len(r.faults)
	anchors := r.inMemory("trust", s.Anchors, s.leaf())
	switch {
	case len(r.faults) > before:
		return nil
	case s.leaf() && !anyCertificate(anchors), s.usage() == messages.UsageServerCertificate:
		return anchors
	}
	return r.alive(source("")+" holds", anchors)
}

// source says where something was read.
func source(path string) string {
	if path == "" {
		return "what is given in memory"
	}
	return fmt.Sprintf("%q", path)
}

func anyCertificate(list [][]byte) bool {
	return slices.ContainsFunc(list, func(der []byte) bool { _, err := x509.ParseCertificate(der); return err == nil })
}

// inMemory reads certificates, and where keys says so public keys in their place.
func (r *reader) inMemory(key string, list [][]byte, keys bool) [][]byte {
	keys = keys && !anyCertificate(list)
	for i, der := range list {
		if _, err := x509.ParsePKIXPublicKey(der); keys && err == nil {
			continue
		}
		if _, err := x509.ParseCertificate(der); err != nil {
			r.fault(key, fmt.Sprintf("certificate %d of those in memory cannot be parsed", i+1), err)
		}
	}
	if len(list) > maxCertificates {
		r.fault(key, fmt.Sprintf("has more than %d certificates in memory", maxCertificates), nil)
	}
	return list
}

// key returns the private key, or what says that a signer holds it: its public
// half (internal/accounts, HeldOutside).
func (r *reader) key(s Source) messages.Secret {
	if s.Signer == nil {
		return r.privateKey(s.PrivateKey)
	}
	given, err := publicOf(s.Signer)
	public, ok := given.(*ecdsa.PublicKey)
	switch {
	case err != nil:
		r.fault("private_key", "is a signer that cannot be used", err)
		return nil
	case !ok || public == nil:
		r.fault("private_key", fmt.Sprintf("is a signer with a %T: ECDSA is needed", given), nil)
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		r.fault("private_key", "is a signer with a public key on an unknown curve", err)
	}
	return der
}

// publicOf asks a signer for its public key. It is the application's: one that panics,
// as a nil pointer does, or a driver whose token is gone, is a fault like another.
func publicOf(s crypto.Signer) (public crypto.PublicKey, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("its method Public panics: %v", reason)
		}
	}()
	return s.Public(), nil
}
