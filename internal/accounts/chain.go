package accounts

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// Arrange puts a chain in the order in which it has to be shown (RFC 5246 section
// 7.4.2): the certificate of the public key, its issuer, the issuer of that one, and
// so on. What is part of no path follows as it stood: a server may know more of it.
// It is not ok where no certificate has the key; then the chain stays as it is. What
// has the leaf first and is in order stays as it is, too.
func Arrange(chain []*x509.Certificate, public PublicKey) (ordered []*x509.Certificate, ok bool) {
	leaf := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return public.Equal(c.PublicKey) })
	if leaf < 0 {
		return chain, false
	}
	rest := slices.Concat(chain[:leaf], chain[leaf+1:])
	ordered = append(make([]*x509.Certificate, 0, len(chain)), chain[leaf])
	for {
		next := issuerOf(ordered[len(ordered)-1], rest)
		if next < 0 {
			return append(ordered, rest...), true
		}
		ordered = append(ordered, rest[next])
		rest = slices.Delete(rest, next, next+1)
	}
}

// issuerOf finds the certificate that has issued another one; -1 for none. A name
// alone does not tell: an authority that has changed its key goes on under it. What
// is found is not verified: that is for the server.
func issuerOf(c *x509.Certificate, among []*x509.Certificate) int {
	return slices.IndexFunc(among, func(issuer *x509.Certificate) bool {
		named := len(c.AuthorityKeyId) > 0 && len(issuer.SubjectKeyId) > 0
		return bytes.Equal(issuer.RawSubject, c.RawIssuer) && (!named || bytes.Equal(issuer.SubjectKeyId, c.AuthorityKeyId))
	})
}

// noKey says why something is no private key.
func noKey(der []byte) Reason {
	if EncryptedKey(der) {
		return ReasonEncryptedKey
	}
	return ReasonPrivateKey
}

// EncryptedKey reports whether something has the form of an EncryptedPrivateKeyInfo
// (RFC 5958 section 3): an algorithm, and what it has made of the key.
func EncryptedKey(der []byte) bool {
	var form struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	rest, err := asn1.Unmarshal(der, &form)
	return err == nil && len(rest) == 0
}
