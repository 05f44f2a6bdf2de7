package est

import (
	"bytes"
	"crypto/x509"
	"net/url"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/validity"
)

// Accept finds the certificate in an answer that was asked for, and returns its chain in
// DER: that certificate first, then those of its issuers that the answer has, each followed
// by its own issuer. It must be for the key of the request, have the names that were asked
// for, be fit for a client, and not have expired. One that is not valid yet passes: that
// blames the clock (docs/adr/0019-wrong-clock.md). Where there are anchors, it must lead to
// one of them. The error is a [*CertificateError].
func (r Request) Accept(answer, anchors []*x509.Certificate, clock validity.Clock) (chain [][]byte, err error) {
	wanted, key, err := r.wanted()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(answer, func(c *x509.Certificate) bool { return key.Equal(c.PublicKey) })
	if i < 0 {
		return nil, refuse(ReasonKey)
	}
	leaf, others := answer[i], slices.Delete(slices.Clone(answer), i, i+1)
	if reason := unfit(leaf, wanted, clock); reason != "" {
		return nil, refuse(reason)
	}
	if err := leadsTo(leaf, others, anchors); err != nil {
		return nil, err
	}
	return chained(leaf, others), nil
}

// unfit says why a certificate cannot be used; empty when it can.
func unfit(leaf *x509.Certificate, wanted *x509.CertificateRequest, clock validity.Clock) Reason {
	switch {
	case leaf.IsCA:
		return ReasonAuthority
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0, !forClients(leaf):
		return ReasonUse
	case !hasNames(leaf, wanted):
		return ReasonName
	}
	clock.Known = validity.Later(clock.Known, leaf.NotBefore)
	if clock.Judge(leaf.NotBefore, leaf.NotAfter) == validity.Expired {
		return ReasonExpired
	}
	return ""
}

// forClients looks at the extended key usage, where there is one.
func forClients(leaf *x509.Certificate) bool {
	if len(leaf.ExtKeyUsage) == 0 && len(leaf.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// hasNames reports whether a certificate stands for who was asked for. An issuer may change
// the subject (RFC 7030 section 4.2.3), but not the names by which a server knows the device:
// the common name, which may have become a subject alternative name, and those that were
// there.
func hasNames(leaf *x509.Certificate, wanted *x509.CertificateRequest) bool {
	names := append(slices.Clone(leaf.DNSNames), leaf.Subject.CommonName)
	uris := texts(leaf.URIs)
	if name := wanted.Subject.CommonName; name != "" && !slices.Contains(names, name) && !slices.Contains(uris, name) {
		return false
	}
	for _, name := range wanted.DNSNames {
		if !slices.Contains(names, name) {
			return false
		}
	}
	for _, name := range texts(wanted.URIs) {
		if !slices.Contains(uris, name) {
			return false
		}
	}
	return true
}

func texts(uris []*url.URL) (all []string) {
	for _, u := range uris {
		all = append(all, u.String())
	}
	return all
}

// leadsTo verifies a chain at an instant at which the certificate is valid: what the clock
// says of it has been judged.
func leadsTo(leaf *x509.Certificate, others, anchors []*x509.Certificate) error {
	if len(anchors) == 0 {
		return nil
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range anchors {
		roots.AddCert(c)
	}
	for _, c := range others {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: leaf.NotBefore,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return &CertificateError{Reason: ReasonIssuer, Cause: err}
	}
	return nil
}

// chained puts certificates into the order of a handshake (RFC 5246 section 7.4.2), without
// the anchor at its end, which a server has.
func chained(leaf *x509.Certificate, others []*x509.Certificate) [][]byte {
	chain := [][]byte{leaf.Raw}
	for last := leaf; !bytes.Equal(last.RawIssuer, last.RawSubject); {
		i := slices.IndexFunc(others, func(c *x509.Certificate) bool { return last.CheckSignatureFrom(c) == nil })
		if i < 0 || bytes.Equal(others[i].RawIssuer, others[i].RawSubject) {
			break
		}
		last = others[i]
		chain, others = append(chain, last.Raw), slices.Delete(slices.Clone(others), i, i+1)
	}
	return chain
}
