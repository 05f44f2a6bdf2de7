package est

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/validity"
)

func TestAccept(t *testing.T) {
	root, other := newAuthority(t, "Root", nil), newAuthority(t, "Other", nil)
	between := newAuthority(t, "Between", root)
	r := newRequest(t, nil, "gw-1")
	_, key, err := r.wanted()
	if err != nil {
		t.Fatal(err)
	}
	issue := func(change func(*x509.Certificate)) []*x509.Certificate {
		return []*x509.Certificate{between.issue(t, key, change)}
	}
	good := issue(nil)
	urn := &url.URL{Scheme: "urn", Opaque: "dev:1"}
	for name, c := range map[string]struct {
		answer, anchors []*x509.Certificate
		clock           validity.Clock
		want            Reason
	}{
		"good":                            {good, nil, clockAt(15), ""},
		"leads to an anchor":              {append(slices.Clone(good), between.cert), []*x509.Certificate{root.cert}, clockAt(15), ""},
		"another order":                   {[]*x509.Certificate{root.cert, between.cert, good[0]}, []*x509.Certificate{other.cert, root.cert}, clockAt(15), ""},
		"the issuer is the anchor":        {good, []*x509.Certificate{between.cert}, clockAt(15), ""},
		"an issuer is missing":            {good, []*x509.Certificate{root.cert}, clockAt(15), ReasonIssuer},
		"another authority":               {append(slices.Clone(good), between.cert), []*x509.Certificate{other.cert}, clockAt(15), ReasonIssuer},
		"another key":                     {[]*x509.Certificate{between.issue(t, &other.key.PublicKey, nil)}, nil, clockAt(15), ReasonKey},
		"another name":                    {issue(func(c *x509.Certificate) { c.Subject.CommonName = "gw-2" }), nil, clockAt(15), ReasonName},
		"no name":                         {issue(func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"Acme"}} }), nil, clockAt(15), ReasonName},
		"the name as an alternative":      {issue(func(c *x509.Certificate) { c.Subject = pkix.Name{}; c.DNSNames = []string{"gw-1"} }), nil, clockAt(15), ""},
		"more names":                      {issue(func(c *x509.Certificate) { c.URIs = []*url.URL{urn} }), nil, clockAt(15), ""},
		"an authority":                    {issue(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), nil, clockAt(15), ReasonAuthority},
		"for encryption":                  {issue(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), nil, clockAt(15), ReasonUse},
		"for servers":                     {issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), nil, clockAt(15), ReasonUse},
		"for anything":                    {issue(func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil }), nil, clockAt(15), ""},
		"expired":                         {good, nil, clockAt(21), ReasonExpired},
		"not valid yet":                   {good, nil, clockAt(5), ""},
		"expired by a wrong clock":        {good, nil, validity.Clock{Now: day(21), Known: day(30)}, ""},
		"expired, and leads to an anchor": {append(slices.Clone(good), between.cert), []*x509.Certificate{root.cert}, clockAt(21), ReasonExpired},
	} {
		chain, err := r.Accept(c.answer, c.anchors, c.clock)
		if reasonOf(err) != c.want || (err != nil) != (c.want != "") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && len(chain) == 0 {
			t.Errorf("%s: no chain", name)
		}
	}
}

func TestAcceptOrdersTheChain(t *testing.T) {
	root := newAuthority(t, "Root", nil)
	upper := newAuthority(t, "Upper", root)
	lower := newAuthority(t, "Lower", upper)
	r := newRequest(t, nil, "gw-1")
	_, key, err := r.wanted()
	if err != nil {
		t.Fatal(err)
	}
	leaf, stray := lower.issue(t, key, nil), newAuthority(t, "Stray", nil)
	chain, err := r.Accept([]*x509.Certificate{root.cert, upper.cert, stray.cert, leaf, lower.cert}, nil, clockAt(15))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{leaf.Raw, lower.cert.Raw, upper.cert.Raw}
	if !slices.EqualFunc(chain, want, bytes.Equal) {
		t.Errorf("%d certificates, or another order", len(chain))
	}
}

func TestAcceptDemandsTheAlternativeNamesThatWereThere(t *testing.T) {
	ca := newAuthority(t, "CA", nil)
	urn := &url.URL{Scheme: "urn", Opaque: "dev:1"}
	present := ca.issue(t, &ca.key.PublicKey, func(c *x509.Certificate) {
		c.DNSNames, c.URIs = []string{"gw-1.example"}, []*url.URL{urn}
	})
	r := newRequest(t, present.Raw, "gw-1")
	_, key, err := r.wanted()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   Reason
	}{
		"both":    {func(c *x509.Certificate) { c.DNSNames, c.URIs = present.DNSNames, present.URIs }, ""},
		"no URI":  {func(c *x509.Certificate) { c.DNSNames = present.DNSNames }, ReasonName},
		"no name": {func(c *x509.Certificate) { c.URIs = present.URIs }, ReasonName},
	} {
		if _, err := r.Accept([]*x509.Certificate{ca.issue(t, key, c.change)}, nil, clockAt(15)); reasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
