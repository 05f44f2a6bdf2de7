package network

import (
	"bytes"
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// maxPeerChain bounds the certificates that a server may present.
const maxPeerChain = 10

// verifier decides whether a server's certificate chain is the right one.
// The handshake itself proves that the server holds the leaf's key.
type verifier interface {
	// verify takes the chain as presented, DER, leaf first. Its errors are
	// *ServerCertificateError.
	verify(chain [][]byte, now time.Time) error
}

// newVerifier returns the verifier that an account's certificate usage asks
// for. An empty list of server certificates is refused: it could only mean
// that any server is good enough.
func newVerifier(c messages.Credentials, name string) (verifier, error) {
	if len(c.ServerCertificates) == 0 {
		return nil, &CredentialsError{Reason: NoServerCertificate}
	}
	pool := x509.NewCertPool()
	for _, der := range c.ServerCertificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, &CredentialsError{Reason: BadServerCertificate, Err: err}
		}
		pool.AddCert(certificate)
	}
	switch c.Usage {
	case messages.UsageTrustAnchor:
		return &anchored{anchors: pool, name: name}, nil
	case messages.UsageServerCertificate:
		return &pinned{leaves: c.ServerCertificates}, nil
	}
	return nil, &CredentialsError{Reason: UnsupportedUsage}
}

// pinned verifies certificate usage 3 (DANE-EE, RFC 7671 section 5.1): the
// leaf equals a stored one; names, chain and validity say nothing more.
type pinned struct{ leaves [][]byte }

func (p *pinned) verify(chain [][]byte, _ time.Time) error {
	leaf, _, err := parsePeer(chain)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(p.leaves, func(der []byte) bool { return bytes.Equal(der, leaf.Raw) }) {
		return nil
	}
	return &ServerCertificateError{Err: &UnexpectedCertificateError{Subject: leaf.Subject.String()}}
}

// anchored verifies certificate usage 2 (DANE-TA, RFC 7671 section 5.2): a
// chain to a stored anchor and to nothing else, valid now, meant for servers,
// and issued for the name.
type anchored struct {
	anchors *x509.CertPool
	name    string
}

func (a *anchored) verify(chain [][]byte, now time.Time) error {
	leaf, intermediates, err := parsePeer(chain)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots:         a.anchors,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if _, err := leaf.Verify(options); err != nil {
		return &ServerCertificateError{Err: err}
	}
	if err := verifyName(leaf, a.name); err != nil {
		return &ServerCertificateError{Err: err}
	}
	return nil
}

// verifyName matches an address literal against the IP SANs and a DNS name
// against the DNS SANs. Wildcards (RFC 6125 section 7.2 advises against them)
// and the common name do not count.
func verifyName(leaf *x509.Certificate, name string) error {
	matches := func(san string) bool { return strings.EqualFold(san, name) }
	if ip := net.ParseIP(name); ip != nil {
		if slices.ContainsFunc(leaf.IPAddresses, ip.Equal) {
			return nil
		}
	} else if slices.ContainsFunc(leaf.DNSNames, matches) {
		return nil
	}
	return x509.HostnameError{Certificate: leaf, Host: name}
}

func parsePeer(chain [][]byte) (leaf *x509.Certificate, intermediates *x509.CertPool, err error) {
	if len(chain) == 0 || len(chain) > maxPeerChain {
		return nil, nil, &ServerCertificateError{Err: &chainLengthError{length: len(chain)}}
	}
	intermediates = x509.NewCertPool()
	for i, der := range chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, &ServerCertificateError{Err: err}
		}
		if i == 0 {
			leaf = certificate
			continue
		}
		intermediates.AddCert(certificate)
	}
	return leaf, intermediates, nil
}
