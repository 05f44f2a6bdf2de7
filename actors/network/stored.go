package network

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	_ "crypto/sha256" // the hashes of matching types
	_ "crypto/sha512"
	"crypto/x509"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

// stored is what credentials know of a server, or of its authority: certificates,
// public keys or digests of either (/0/x/4, as /0/x/13 presents it).
type stored struct {
	matching     messages.MatchingType
	list         [][]byte
	certificates []*x509.Certificate // those of the list that are whole
}

// newStored reads what certificates are held against. An empty list is refused: it
// could only mean that any server is good enough.
func newStored(c messages.Credentials) (*stored, error) {
	if len(c.ServerCertificates) == 0 {
		return nil, &CredentialsError{Reason: NoServerCertificate}
	}
	s := &stored{matching: c.Matching, list: c.ServerCertificates}
	for _, content := range s.list {
		if err := s.read(content); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *stored) read(content []byte) error {
	if s.matching != messages.MatchExact {
		return checkDigest(s.matching, content)
	}
	certificate, err := x509.ParseCertificate(content)
	if err != nil {
		if _, noKey := x509.ParsePKIXPublicKey(content); noKey == nil {
			return nil
		}
		return &CredentialsError{Reason: BadServerCertificate, Err: err}
	}
	if err := dtls.CheckKey(certificate.PublicKey); err != nil {
		return &CredentialsError{Reason: BadServerCertificate, Err: err}
	}
	s.certificates = append(s.certificates, certificate)
	return nil
}

// checkDigest refuses what no certificate or key could ever match.
func checkDigest(matching messages.MatchingType, content []byte) error {
	if hash := matching.Hash(); hash == 0 || len(content) != hash.Size() {
		return &CredentialsError{Reason: BadDigest}
	}
	return nil
}

// has reports whether a certificate is one of those that are stored, or has a key
// that is.
func (s *stored) has(c *x509.Certificate) bool {
	return s.matches(c.Raw) || s.matches(c.RawSubjectPublicKeyInfo)
}

// matches compares something, or its digest, with all that is stored.
func (s *stored) matches(der []byte) bool {
	if hash := s.matching.Hash(); hash != 0 {
		h := hash.New()
		h.Write(der)
		der = h.Sum(nil)
	}
	return slices.ContainsFunc(s.list, func(known []byte) bool { return bytes.Equal(known, der) })
}

// pinned verifies certificate usage 3 (DANE-EE, RFC 7671 section 5.1): the
// leaf is a stored one; names, chain and validity say nothing more.
type pinned struct{ leaves *stored }

func (p *pinned) install(c *dtls.Certificate) { c.VerifyChain = p.verify }

// pinnedKeys verifies a raw public key: it is a stored one.
type pinnedKeys struct{ keys *stored }

func newPinnedKeys(c messages.Credentials) (*pinnedKeys, error) {
	if len(c.ServerCertificates) == 0 {
		return nil, &CredentialsError{Reason: NoServerCertificate}
	}
	for _, content := range c.ServerCertificates {
		if err := checkServerKey(c.Matching, content); err != nil {
			return nil, err
		}
	}
	return &pinnedKeys{keys: &stored{matching: c.Matching, list: c.ServerCertificates}}, nil
}

func checkServerKey(matching messages.MatchingType, content []byte) error {
	if matching != messages.MatchExact {
		return checkDigest(matching, content)
	}
	parsed, err := x509.ParsePKIXPublicKey(content)
	if err != nil {
		return &CredentialsError{Reason: BadServerKey, Err: err}
	}
	if key, ok := parsed.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
		return &CredentialsError{Reason: BadServerKey, Err: &keyTypeError{key: parsed}}
	}
	return nil
}

func (p *pinnedKeys) install(c *dtls.Certificate) { c.VerifyKey = p.verify }

func (p *pinnedKeys) verify(spki []byte) error {
	if p.keys.matches(spki) {
		return nil
	}
	return &UnexpectedKeyError{}
}
