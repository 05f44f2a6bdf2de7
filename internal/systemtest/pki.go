package systemtest

import (
	"net"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Authority makes a certificate authority.
func Authority(t *testing.T) *testpki.Authority {
	t.Helper()
	ca, err := testpki.NewAuthority("Test CA")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// Issue makes a certificate.
func Issue(t *testing.T, ca *testpki.Authority, r testpki.Request) *testpki.Leaf {
	t.Helper()
	leaf, err := ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// IssueServer makes a certificate for the management server's address.
func IssueServer(t *testing.T, ca *testpki.Authority) *testpki.Leaf {
	t.Helper()
	return Issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "server", IPs: []net.IP{ServerAddr.AsSlice()}})
}

// Certified is a configuration with a management server over X.509.
func (w *World) Certified(ca *testpki.Authority) holdfast.Config {
	w.T.Helper()
	own := Issue(w.T, ca, testpki.Request{Role: testpki.Client, CommonName: Endpoint}).WriteFiles(w.T)
	cfg := w.NoSec()
	cfg.Server = &holdfast.Account{
		URI: "coaps://192.0.2.1", Security: holdfast.SecurityX509,
		Certificate: own.Cert, PrivateKey: own.Key, Trust: ca.WriteFile(w.T),
	}
	return cfg
}

// DeliverCertificate makes the bootstrap server write an X.509 account: the
// leaf of the server equals resource 4, as without /0/x/15 it must.
func (w *World) DeliverCertificate(ca *testpki.Authority, server *testpki.Leaf) {
	w.T.Helper()
	w.DeliverCertificateOf(ca, server, testpki.Request{})
}

// DeliverCertificateOf is DeliverCertificate for an own certificate whose validity a
// request says.
func (w *World) DeliverCertificateOf(ca *testpki.Authority, server *testpki.Leaf, r testpki.Request) {
	w.T.Helper()
	r.Role, r.CommonName = testpki.Client, Endpoint
	own := Issue(w.T, ca, r)
	key, err := own.KeyDER()
	if err != nil {
		w.T.Fatal(err)
	}
	account := lwm2mtest.AccountConfig{
		URI: "coaps://192.0.2.1", Certificate: own.Cert.Raw, PrivateKey: key, ServerCertificate: server.Cert.Raw,
	}
	w.Server.SetBootstrap(Endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: account.Writes()})
}
