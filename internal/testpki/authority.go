package testpki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// clockSkew is how long before now a certificate starts to be valid.
	clockSkew = time.Hour
	// authorityLifetime outlives every certificate that an authority issues.
	authorityLifetime = 20 * 365 * 24 * time.Hour
	// DefaultLifetime is how long a certificate is valid unless a Request
	// says otherwise. It outlives the longest simulated outage.
	DefaultLifetime = 10 * 365 * 24 * time.Hour
)

// serialBits is the length of serial numbers: RFC 5280 allows 20 octets, of
// which the first bit must be clear.
const serialBits = 128

// An Authority is a self-signed certification authority with an ECDSA P-256
// key. It is safe for concurrent use.
type Authority struct {
	// Cert is the authority's own certificate.
	Cert *x509.Certificate

	key *ecdsa.PrivateKey
}

// NewAuthority makes an authority with that common name.
func NewAuthority(commonName string) (*Authority, error) {
	template, err := newTemplate(commonName, authorityLifetime)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("testpki: key of %q: %w", commonName, err)
	}
	cert, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &Authority{Cert: cert, key: key}, nil
}

// Pool returns a new pool that trusts only this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// A Role tells what a certificate is for (RFC 5280, 4.2.1.12).
type Role int

// The roles of a certificate.
const (
	Server Role = iota
	Client
)

// extKeyUsages lets a server act as a client too, as an LwM2M server does that
// opens a session to a device. Some servers refuse a certificate without it.
func (r Role) extKeyUsages() []x509.ExtKeyUsage {
	if r == Client {
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
}

// A Request says what to put into a certificate. The zero value is a server's
// certificate without a name.
type Request struct {
	Role       Role
	CommonName string
	// DNSNames and IPs become subject alternative names.
	DNSNames []string
	IPs      []net.IP
	// Curve is that of the key; nil means P-256.
	Curve elliptic.Curve
	// Expired makes a certificate whose validity has ended.
	Expired bool
	// Lifetime, where it is positive, makes a certificate that is valid from now on for so
	// long, in whole seconds.
	Lifetime time.Duration
	// ValidIn, where it is positive, makes a certificate that becomes valid so
	// much later, in whole seconds.
	ValidIn time.Duration
	// Padding is the number of bytes by which the certificate is to be made
	// longer, at least; for messages that do not fit into one block.
	Padding int
}

// Issue makes a key and a certificate for it.
func (a *Authority) Issue(req Request) (*Leaf, error) {
	template, err := req.template()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(req.curve(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("testpki: key of %q: %w", req.CommonName, err)
	}
	cert, err := sign(template, a.Cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &Leaf{Cert: cert, Key: key}, nil
}

func (r Request) curve() elliptic.Curve {
	if r.Curve == nil {
		return elliptic.P256()
	}
	return r.Curve
}

func (r Request) template() (*x509.Certificate, error) {
	template, err := newTemplate(r.CommonName, DefaultLifetime)
	if err != nil {
		return nil, err
	}
	if r.Expired {
		template.NotBefore = template.NotBefore.Add(-2 * clockSkew)
		template.NotAfter = template.NotBefore.Add(clockSkew)
	}
	if r.Lifetime > 0 {
		template.NotBefore = time.Now()
		template.NotAfter = template.NotBefore.Add(r.Lifetime)
	}
	if r.ValidIn > 0 {
		template.NotBefore = time.Now().Add(r.ValidIn)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = r.Role.extKeyUsages()
	template.DNSNames = append(paddingNames(r.Padding), r.DNSNames...)
	template.IPAddresses = r.IPs
	return template, nil
}

// paddingNames returns names of at least that many bytes together.
func paddingNames(size int) []string {
	const name = "padding-%032d.invalid"
	var names []string
	for total := 0; total < size; {
		next := fmt.Sprintf(name, len(names))
		names = append(names, next)
		total += len(next)
	}
	return names
}

func newTemplate(commonName string, lifetime time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("testpki: serial number: %w", err)
	}
	start := time.Now().Add(-clockSkew)
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             start,
		NotAfter:              start.Add(lifetime),
		BasicConstraintsValid: true,
	}, nil
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("testpki: sign %q: %w", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("testpki: parse %q: %w", template.Subject.CommonName, err)
	}
	return cert, nil
}
