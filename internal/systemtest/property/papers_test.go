package property_test

import (
	"crypto"
	"crypto/tls"
	"net"
	"sync"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// papers are the certificates of all schedules. They are valid for ten years from
// the beginning of a bubble's time, and made but once.
type papers struct {
	ca     *testpki.Authority
	server *testpki.Leaf
	// bad are certificates that the server may present and must not be trusted
	// for: of another authority, for another name, expired.
	bad    []tls.Certificate
	client *testpki.Leaf
}

// issued makes the papers. It is called in a bubble, whose time they are of.
var issued = sync.OnceValues(func() (*papers, error) {
	ca, err := testpki.NewAuthority("Test CA")
	if err != nil {
		return nil, err
	}
	other, err := testpki.NewAuthority("Another CA")
	if err != nil {
		return nil, err
	}
	p := &papers{ca: ca}
	server := testpki.Request{
		Role: testpki.Server, CommonName: "server", DNSNames: []string{serverName}, IPs: []net.IP{systemtest.ServerAddr.AsSlice()},
	}
	expired, elsewhere := server, server
	expired.Expired = true
	elsewhere.DNSNames, elsewhere.IPs = []string{"elsewhere.test"}, nil
	if p.server, err = ca.Issue(server); err != nil {
		return nil, err
	}
	for _, bad := range []struct {
		by      *testpki.Authority
		request testpki.Request
	}{{other, server}, {ca, elsewhere}, {ca, expired}} {
		leaf, err := bad.by.Issue(bad.request)
		if err != nil {
			return nil, err
		}
		p.bad = append(p.bad, leaf.TLS())
	}
	p.client, err = ca.Issue(testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint})
	return p, err
})

func (l *lab) papers() *papers {
	p, err := issued()
	if err != nil {
		l.T.Fatal(err)
	}
	return p
}

// security is what the management server's port opens with.
func (p *papers) security() lwm2mtest.Security { return lwm2mtest.X509(p.server.TLS(), p.ca.Pool()) }

// account is the management account of a configuration.
func (p *papers) account(uri string) *holdfast.Account {
	own := p.client.TLS()
	return &holdfast.Account{
		URI: uri, Security: holdfast.SecurityX509,
		CertificateChain: own.Certificate, Signer: own.PrivateKey.(crypto.Signer), TrustAnchors: [][]byte{p.ca.Cert.Raw},
	}
}

// forge makes the server present a certificate that must not be trusted.
func (l *lab) forge(f fault) {
	if g := l.managers[0]; g.service != nil {
		g.service.SetCertificate(l.papers().bad[f.N%len(l.papers().bad)])
	}
	l.Server.ForgetSessions() // so that it shows
}

// certify lets it present the good one again.
func (l *lab) certify() {
	if g := l.managers[0]; g.service != nil {
		g.service.SetCertificate(l.papers().server.TLS())
	}
}
