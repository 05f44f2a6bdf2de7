package lwm2mtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// Authority is a certification authority for tests, self-signed, with a key on P-256 that is
// made with it. It is safe for concurrent use.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// authorityYears is how long an authority lasts, longer than what a test simulates.
const authorityYears = 20

// NewAuthority returns an authority of a common name, valid from an hour before now for 20
// years. The error is that of the random source.
func NewAuthority(commonName string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("lwm2mtest: key of an authority: %w", err)
	}
	a, now := &Authority{key: key}, time.Now()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(authorityYears, 0, 0),
	}
	a.certificate, err = a.sign(template, template, &key.PublicKey)
	return a, err
}

// Certificate returns the authority's own certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// Issue signs a certificate of a client for a public key, of a common name that is valid
// between two instants. The error is that of crypto/x509.
func (a *Authority) Issue(public crypto.PublicKey, commonName string, from, until time.Time) (*x509.Certificate, error) {
	return a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.certificate, public)
}

// serialBits is the length of a serial number, below the 20 octets of RFC 5280 section 4.1.2.2.
const serialBits = 120

func (a *Authority) sign(template, parent *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("lwm2mtest: serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("lwm2mtest: certificate of %q: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}
