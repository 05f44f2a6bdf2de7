package network

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

// verifier decides whether a server's certificate chain, or raw public key, is
// the right one. The handshake itself proves that the server holds the key.
type verifier interface {
	// install makes the verifier the one of a handshake.
	install(c *dtls.Certificate)
}

// newVerifier returns the verifier that an account's certificate usage asks
// for. An empty list of server certificates is refused: it could only mean
// that any server is good enough.
func newVerifier(c messages.Credentials, name string, when times) (verifier, error) {
	if len(c.ServerCertificates) == 0 {
		return nil, &CredentialsError{Reason: NoServerCertificate}
	}
	anchored := &anchored{anchors: x509.NewCertPool(), name: name, when: when}
	for _, der := range c.ServerCertificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, &CredentialsError{Reason: BadServerCertificate, Err: err}
		}
		if err := dtls.CheckKey(certificate.PublicKey); err != nil {
			return nil, &CredentialsError{Reason: BadServerCertificate, Err: err}
		}
		anchored.add(certificate)
	}
	switch c.Usage {
	case messages.UsageTrustAnchor:
		return anchored, nil
	case messages.UsageServerCertificate:
		return &pinned{leaves: c.ServerCertificates}, nil
	}
	return nil, &CredentialsError{Reason: UnsupportedUsage}
}

// pinned verifies certificate usage 3 (DANE-EE, RFC 7671 section 5.1): the
// leaf equals a stored one; names, chain and validity say nothing more.
type pinned struct{ leaves [][]byte }

func (p *pinned) install(c *dtls.Certificate) { c.VerifyChain = p.verify }

func (p *pinned) verify(chain []*x509.Certificate, _ time.Time) error {
	if contains(p.leaves, chain[0].Raw) {
		return nil
	}
	return &UnexpectedCertificateError{Subject: chain[0].Subject.String()}
}

// pinnedKeys verifies a raw public key: it equals a stored one.
type pinnedKeys struct{ keys [][]byte }

func newPinnedKeys(keys [][]byte) (*pinnedKeys, error) {
	if len(keys) == 0 {
		return nil, &CredentialsError{Reason: NoServerCertificate}
	}
	for _, spki := range keys {
		parsed, err := x509.ParsePKIXPublicKey(spki)
		if err != nil {
			return nil, &CredentialsError{Reason: BadServerKey, Err: err}
		}
		if key, ok := parsed.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return nil, &CredentialsError{Reason: BadServerKey, Err: &keyTypeError{key: parsed}}
		}
	}
	return &pinnedKeys{keys: keys}, nil
}

func (p *pinnedKeys) install(c *dtls.Certificate) { c.VerifyKey = p.verify }

func (p *pinnedKeys) verify(spki []byte) error {
	if contains(p.keys, spki) {
		return nil
	}
	return &UnexpectedKeyError{}
}

func contains(list [][]byte, der []byte) bool {
	return slices.ContainsFunc(list, func(d []byte) bool { return bytes.Equal(d, der) })
}

// anchored verifies certificate usage 2 (DANE-TA, RFC 7671 section 5.2): a
// chain to a stored anchor and to nothing else, valid now, meant for servers,
// and issued for the name.
type anchored struct {
	anchors *x509.CertPool
	roots   []*x509.Certificate // the same
	name    string
	when    times
}

func (a *anchored) add(anchor *x509.Certificate) {
	a.anchors.AddCert(anchor)
	a.roots = append(a.roots, anchor)
}

func (a *anchored) install(c *dtls.Certificate) { c.VerifyChain = a.verify }

// verify tells a chain that is wrong from one that only the clock is against.
func (a *anchored) verify(chain []*x509.Certificate, now time.Time) error {
	clock := a.when.at(now)
	err := a.verifyAt(chain, clock.Now)
	if err == nil || errors.As(err, new(x509.HostnameError)) {
		return err
	}
	period := Period{Clock: clock}
	if begins, ok := a.begins(chain, clock.Now); ok {
		period.NotBefore, period.NotAfter = begins, a.ends(chain, begins)
		if period.verdict().BlamesClock() {
			return &ServerPeriodError{period}
		}
	}
	return err
}

func (a *anchored) verifyAt(chain []*x509.Certificate, at time.Time) error {
	leaf, intermediates := chain[0], x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	options := x509.VerifyOptions{
		Roots:         a.anchors,
		Intermediates: intermediates,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if _, err := leaf.Verify(options); err != nil {
		return err
	}
	return verifyName(leaf, a.name)
}

// maxInstants bounds at how many instants a chain is verified once more.
const maxInstants = 8

// begins returns an instant at which a chain that does not verify now does: the
// first one to come, else the last one that has passed. A chain becomes valid with
// the last of its certificates, and x509 does not always say which of them it is
// that is not valid.
func (a *anchored) begins(chain []*x509.Certificate, now time.Time) (time.Time, bool) {
	var coming, passed []time.Time
	for _, certificate := range slices.Concat(chain, a.roots) {
		if at := certificate.NotBefore; at.After(now) {
			coming = append(coming, at)
		} else {
			passed = append(passed, at)
		}
	}
	slices.SortFunc(coming, time.Time.Compare)
	slices.SortFunc(passed, func(x, y time.Time) int { return y.Compare(x) })
	instants := slices.CompactFunc(append(coming, passed...), time.Time.Equal)
	for _, at := range instants[:min(len(instants), maxInstants)] {
		if a.verifyAt(chain, at) == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// ends returns when the first certificate expires of those that are valid at an
// instant.
func (a *anchored) ends(chain []*x509.Certificate, at time.Time) time.Time {
	end := chain[0].NotAfter
	for _, certificate := range slices.Concat(chain, a.roots) {
		if until := certificate.NotAfter; until.Before(end) && !until.Before(at) {
			end = until
		}
	}
	return end
}

// verifyName matches an address literal against the IP SANs and a DNS name
// against the DNS SANs. Wildcards (RFC 6125 section 7.2 advises against them)
// and the common name do not count, nor does the zone of an address, which means
// something on this machine only. The error is a *NameError.
func verifyName(leaf *x509.Certificate, name string) error {
	if addr, err := netip.ParseAddr(name); err == nil {
		if slices.ContainsFunc(leaf.IPAddresses, net.IP(addr.AsSlice()).Equal) {
			return nil
		}
	} else if slices.ContainsFunc(leaf.DNSNames, func(san string) bool { return strings.EqualFold(san, name) }) {
		return nil
	}
	return &NameError{Name: name, Certificate: leaf}
}
