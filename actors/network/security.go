package network

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// maxIdentity bounds a PSK identity, in bytes (RFC 4279 section 5.3).
const maxIdentity = 128

// security is an account's credentials, parsed and checked locally: what one
// handshake needs. It is immutable.
//
// Keys stand behind a function or a pointer: fmt does not call the methods of
// unexported fields, so that a messages.Secret here would be printed in full.
type security struct {
	serverName string // SNI: a DNS name, or empty (RFC 6066 section 3)

	identity string
	key      func() []byte // the PSK key; nil with a certificate

	own    *ownKey  // nil with PSK
	server verifier // with a certificate or a raw public key
}

// ownKey is the client's own certificate or public key, and its signer.
type ownKey struct {
	chain  [][]byte // DER, leaf first; or one SubjectPublicKeyInfo
	signer crypto.Signer
}

// config returns the configuration of one handshake, but for its randomness.
func (s *security) config(t terms) dtls.Config {
	config := dtls.Config{ServerName: s.serverName}
	switch {
	case t.resume != nil && t.resume.Resume != nil:
		config.Resume = t.resume.Resume
	case t.cid:
		config.CID = []byte{} // the socket tells our sessions apart
	}
	if s.own == nil {
		config.PSK = &dtls.PSK{Identity: []byte(s.identity), Key: s.key}
		return config
	}
	config.Certificate = &dtls.Certificate{Chain: s.own.chain, Signer: s.own.signer}
	s.server.install(config.Certificate)
	return config
}

// times is what validity periods are judged by.
type times struct {
	now   time.Time // of the judgement of our own certificate
	wall  validity.Wall
	known time.Time // an instant that has passed, whatever the clock shows
}

// at returns what is known of the time at an instant.
func (t times) at(instant time.Time) validity.Clock {
	return validity.Clock{Now: t.wall.At(instant), Known: t.known}
}

// newSecurity checks credentials against the URI and the clock. It returns
// nil for a link without DTLS.
func newSecurity(target uri.URI, c messages.Credentials, when times, signers ...crypto.Signer) (*security, error) {
	if err := checkMode(target, c.Mode); err != nil {
		return nil, err
	}
	switch c.Mode {
	case messages.SecurityPSK:
		return newPSK(target, c)
	case messages.SecurityX509:
		return newX509(target, c, signers, when)
	case messages.SecurityRPK:
		return newRPK(target, c, signers)
	}
	return nil, nil
}

// checkMode refuses unsupported modes, and a secured account on a URI without
// DTLS: credentials must never be bypassed silently.
func checkMode(target uri.URI, mode messages.SecurityMode) error {
	secured := mode == messages.SecurityPSK || mode == messages.SecurityX509 || mode == messages.SecurityRPK
	if target.Secure() && secured || !target.Secure() && mode == messages.SecurityNoSec {
		return nil
	}
	return &SecurityModeError{Mode: mode, Scheme: target.Scheme}
}

func newPSK(target uri.URI, c messages.Credentials) (*security, error) {
	if len(c.Key) == 0 {
		return nil, &CredentialsError{Reason: EmptyKey}
	}
	if len(c.Identity) > maxIdentity || !utf8.ValidString(c.Identity) {
		return nil, &CredentialsError{Reason: BadIdentity}
	}
	return &security{serverName: sni(expectedName(target, c)), identity: c.Identity, key: func() []byte { return c.Key }}, nil
}

func newX509(target uri.URI, c messages.Credentials, signers []crypto.Signer, when times) (*security, error) {
	own, err := parseOwn(c, signers, when)
	if err != nil {
		return nil, err
	}
	name := expectedName(target, c)
	server, err := newVerifier(c, name, when)
	if err != nil {
		return nil, err
	}
	return &security{serverName: sni(name), own: own, server: server}, nil
}

// newRPK reads raw public keys (RFC 7250): the own one and its private key, and
// that of the server.
func newRPK(target uri.URI, c messages.Credentials, signers []crypto.Signer) (*security, error) {
	if len(c.Certificate) != 1 {
		return nil, &CredentialsError{Reason: BadPublicKey}
	}
	public, err := x509.ParsePKIXPublicKey(c.Certificate[0])
	if err != nil {
		return nil, &CredentialsError{Reason: BadPublicKey, Err: err}
	}
	key, half, err := findKey(c.PrivateKey, signers)
	if err != nil {
		return nil, err
	}
	if !half.Equal(public) {
		return nil, &CredentialsError{Reason: KeyMismatch}
	}
	server, err := newPinnedKeys(c)
	if err != nil {
		return nil, err
	}
	own := &ownKey{chain: c.Certificate, signer: key}
	return &security{serverName: sni(expectedName(target, c)), own: own, server: server}, nil
}

// expectedName is the name that the server has to prove: /0/x/14 where it is
// set, else the URI's host.
func expectedName(target uri.URI, c messages.Credentials) string {
	name := c.ServerName
	if name == "" {
		name = target.Host
	}
	return strings.TrimSuffix(name, ".") // a root dot belongs in no certificate
}

// sni returns the name if a ClientHello may carry it: address literals are
// not allowed (RFC 6066 section 3).
func sni(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	return name
}

// parseOwn reads the client's own chain and key, and makes sure that they
// belong together and that the chain is valid now.
func parseOwn(c messages.Credentials, signers []crypto.Signer, when times) (*ownKey, error) {
	leaf, begins, err := parseChain(c.Certificate)
	if err != nil {
		return nil, err
	}
	key, half, err := findKey(c.PrivateKey, signers)
	if err != nil {
		return nil, err
	}
	if !half.Equal(leaf.PublicKey) {
		return nil, &CredentialsError{Reason: KeyMismatch}
	}
	period := Period{NotBefore: begins, NotAfter: leaf.NotAfter, Clock: when.at(when.now)}
	if period.verdict() != validity.Valid {
		return nil, &OwnCertificateError{period}
	}
	return &ownKey{chain: c.Certificate, signer: key}, nil
}

// parseChain returns the leaf of a chain, and when the last of its certificates
// begins to be valid: no server accepts it before. Whether an issuer's has expired
// is for the server to say, which may know another one.
func parseChain(chain [][]byte) (leaf *x509.Certificate, begins time.Time, err error) {
	if len(chain) == 0 {
		return nil, begins, &CredentialsError{Reason: NoCertificate}
	}
	for i, der := range chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, begins, &CredentialsError{Reason: BadCertificate, Err: err}
		}
		begins = validity.Later(begins, certificate.NotBefore)
		if i == 0 {
			leaf = certificate
		}
	}
	return leaf, begins, nil
}

// findKey returns the key of an account and its public half: the key itself, or
// the signer that holds it.
func findKey(der messages.Secret, signers []crypto.Signer) (crypto.Signer, *ecdsa.PublicKey, error) {
	held, outside := accounts.HeldOutside(der)
	if !outside {
		key, err := parseKey(der)
		if err != nil {
			return nil, nil, err
		}
		return key, &key.PublicKey, nil
	}
	for _, signer := range signers {
		if held.Equal(signer.Public()) {
			return signer, held, nil
		}
	}
	return nil, nil, &CredentialsError{Reason: NoSigner}
}

// parseKey reads PKCS #8 (RFC 5958) or SEC 1 (RFC 5915). The suites on offer
// sign with ECDSA, so that other keys cannot be used.
func parseKey(der messages.Secret) (*ecdsa.PrivateKey, error) {
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, &CredentialsError{Reason: BadPrivateKey, Err: err}
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, &CredentialsError{Reason: BadPrivateKey, Err: &keyTypeError{key: parsed}}
	}
	return key, nil
}

// keyTypeError names the type of a key that cannot be used.
type keyTypeError struct{ key crypto.PrivateKey }

func (e *keyTypeError) Error() string { return fmt.Sprintf("the key is a %T", e.key) }
