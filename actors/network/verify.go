package network

import (
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
// for (RFC 6698 section 2.1.1).
func newVerifier(c messages.Credentials, name string, when times) (verifier, error) {
	known, err := newStored(c)
	if err != nil {
		return nil, err
	}
	switch c.Usage {
	case messages.UsageCAConstraint, messages.UsageCertConstraint, messages.UsageTrustAnchor:
		return &pkix{usage: c.Usage, stored: known, name: name, when: when}, nil
	case messages.UsageServerCertificate:
		return &pinned{leaves: known}, nil
	}
	return nil, &CredentialsError{Reason: UnsupportedUsage}
}

func (p *pinned) verify(chain []*x509.Certificate, _ time.Time) error {
	if p.leaves.has(chain[0]) {
		return nil
	}
	return &UnexpectedCertificateError{Subject: chain[0].Subject.String()}
}

// pkix verifies the certificate usages with a chain that has to be valid now, meant
// for servers, and issued for the name (RFC 5280 section 6, RFC 7671 section 5):
//
//   - 0, PKIX-TA: it leads to the trust store, and has a stored authority;
//   - 1, PKIX-EE: it leads to the trust store, and begins with a stored certificate;
//   - 2, DANE-TA: it leads to a stored authority, and to nothing else.
type pkix struct {
	usage  messages.CertificateUsage
	stored *stored
	name   string
	when   times

	store   TrustStore  // usages 0 and 1
	trusted Authorities // what it had; none before that: no chain leads there
}

func (p *pkix) install(c *dtls.Certificate) { c.VerifyChain = p.verify }

// verify tells a chain that is wrong from one that only the clock is against.
func (p *pkix) verify(chain []*x509.Certificate, now time.Time) error {
	clock := p.when.at(now)
	roots := p.roots(chain)
	err := p.verifyAt(roots, chain, clock.Now)
	if err == nil || errors.As(err, new(x509.HostnameError)) {
		return err
	}
	period := Period{Clock: clock}
	all := slices.Concat(chain, roots.List)
	if begins, ok := p.begins(roots, chain, clock.Now); ok {
		period.NotBefore, period.NotAfter = begins, ends(all, begins)
		if period.verdict().BlamesClock() {
			return &ServerPeriodError{period}
		}
	}
	return err
}

// roots returns where a chain may lead. Of a stored authority that is not whole the
// server has to show the certificate (RFC 7671 section 5.2.2).
func (p *pkix) roots(chain []*x509.Certificate) Authorities {
	roots := p.trusted
	if p.usage == messages.UsageTrustAnchor {
		roots.List = slices.Clone(p.stored.certificates)
		for _, certificate := range chain {
			if p.stored.has(certificate) {
				roots.List = append(roots.List, certificate)
			}
		}
		roots.Pool = poolOf(roots.List)
	}
	if roots.Pool == nil { // package x509 would take the system's
		roots.Pool = x509.NewCertPool()
	}
	return roots
}

func poolOf(certificates []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
	}
	return pool
}

func (p *pkix) verifyAt(roots Authorities, chain []*x509.Certificate, at time.Time) error {
	leaf := chain[0]
	paths, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots.Pool,
		// A stored authority of usage 0 may be what the server leaves out.
		Intermediates: poolOf(slices.Concat(chain[1:], p.stored.certificates)),
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return p.explain(roots, err)
	}
	// RFC 5246 section 7.4.2: the suites sign with the key.
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return &KeyUsageError{}
	}
	if err := verifyName(leaf, p.name); err != nil {
		return err
	}
	return p.constrain(leaf, paths)
}

// explain says that the server shows no authority of usage 2, where that is why
// package x509 knows none.
func (p *pkix) explain(roots Authorities, err error) error {
	if p.usage == messages.UsageTrustAnchor && len(roots.List) == 0 {
		return &UnexpectedAuthorityError{Err: err}
	}
	return err
}

// constrain holds the paths to the trust store against what is stored.
func (p *pkix) constrain(leaf *x509.Certificate, paths [][]*x509.Certificate) error {
	switch p.usage {
	case messages.UsageCAConstraint:
		through := func(path []*x509.Certificate) bool { return slices.ContainsFunc(path[1:], p.stored.has) }
		if !slices.ContainsFunc(paths, through) {
			return &UnexpectedAuthorityError{}
		}
	case messages.UsageCertConstraint:
		if !p.stored.has(leaf) {
			return &UnexpectedCertificateError{Subject: leaf.Subject.String()}
		}
	}
	return nil
}

// maxInstants bounds at how many instants a chain is verified once more.
const maxInstants = 8

// begins returns an instant at which a chain that does not verify now does: the
// first one to come, else the last one that has passed. A chain becomes valid with
// the last of its certificates, and x509 does not always say which of them it is
// that is not valid.
func (p *pkix) begins(roots Authorities, chain []*x509.Certificate, now time.Time) (time.Time, bool) {
	var coming, passed []time.Time
	for _, certificate := range slices.Concat(chain, roots.List) {
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
		if p.verifyAt(roots, chain, at) == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// ends returns when the first certificate expires of those that are valid at an
// instant.
func ends(all []*x509.Certificate, at time.Time) time.Time {
	end := all[0].NotAfter
	for _, certificate := range all {
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
