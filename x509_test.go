package holdfast_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// issueServer makes a certificate for the management server's address.
func issueServer(t *testing.T, ca *testpki.Authority) *testpki.Leaf {
	t.Helper()
	return issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "server", IPs: []net.IP{serverAddr.AsSlice()}})
}

func issue(t *testing.T, ca *testpki.Authority, r testpki.Request) *testpki.Leaf {
	t.Helper()
	leaf, err := ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func authority(t *testing.T) *testpki.Authority {
	t.Helper()
	ca, err := testpki.NewAuthority("Test CA")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// certified is a configuration with a management server over X.509.
func (w *world) certified(ca *testpki.Authority) holdfast.Config {
	w.t.Helper()
	own := issue(w.t, ca, testpki.Request{Role: testpki.Client, CommonName: endpoint}).WriteFiles(w.t)
	cfg := w.noSec()
	cfg.Server = &holdfast.Account{
		URI: "coaps://192.0.2.1", Security: holdfast.SecurityX509,
		Certificate: own.Cert, PrivateKey: own.Key, Trust: ca.WriteFile(w.t),
	}
	return cfg
}

func TestRegisterWithCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		ca := authority(t)
		w.serve(dtlsPort, lwm2mtest.X509(issueServer(t, ca).TLS(), ca.Pool()))
		c := w.start(w.certified(ca))
		c.await(holdfast.Registered)
		c.close(nil)
	})
}

// Code 12: a server certificate that does not verify is retried by the policy,
// and never leads to a weaker check or to a bootstrap.
func TestServerCertificateTroubleIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		ca := authority(t)
		good := issueServer(t, ca)
		bad := []*testpki.Leaf{
			issueServer(t, authority(t)), // another CA
			issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "192.0.2.1", IPs: []net.IP{{192, 0, 2, 77}}}),
			issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "server", IPs: []net.IP{serverAddr.AsSlice()}, Expired: true}),
		}
		service := w.serve(dtlsPort, lwm2mtest.X509(bad[0].TLS(), ca.Pool()))
		c := w.start(w.certified(ca))
		for attempt := range uint64(3) {
			e := c.next(holdfast.EventError)
			retry, _ := e.RetryIn()
			if e.Code != messages.ConnectSecureConnectionFailed || e.Action != messages.ActionRetry ||
				e.Attempt != attempt+1 || retry != delay(5*time.Second, attempt) {
				t.Fatalf("%+v", e)
			}
			next := good
			if attempt < 2 {
				next = bad[attempt+1]
			}
			service.SetCertificate(next.TLS())
		}
		c.next(holdfast.EventRegistered)
		c.close(nil)
	})
}

// The reference behaviour: with an expired device certificate the client goes
// back to its bootstrap server for a new one.
func TestExpiredDeviceCertificateIsReplacedByABootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		ca := authority(t)
		server := issueServer(t, ca)
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.deliverCertificate(ca, server)
		service := w.serve(dtlsPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		c := w.start(w.factory())
		c.await(holdfast.Registered)

		time.Sleep(testpki.DefaultLifetime + 48*time.Hour)
		ca = authority(t)
		w.deliverCertificate(ca, server) // the server's own certificate is pinned (usage 3)
		service.Abort()
		w.serve(dtlsPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		began := time.Now()
		c.story()
		if err := c.RegisterUpdate(); err != nil {
			t.Fatal(err)
		}
		want := []struct {
			code   holdfast.ErrorCode
			action messages.Action
		}{
			{messages.ConnectNetworkError, messages.ActionRetry}, // the session is gone
			{messages.ConnectSecureConnectionFailed, messages.ActionBootstrap},
		}
		for _, tt := range want {
			if e := c.next(holdfast.EventError); e.Code != tt.code || e.Action != tt.action {
				t.Fatalf("%+v", e)
			}
		}
		c.next(holdfast.EventBootstrapped)
		e := c.next(holdfast.EventRegistered)
		t.Logf("registered with a new certificate %v after the first unanswered message", e.Time.Sub(began))
		c.close(nil)
	})
}

// deliverCertificate makes the bootstrap server write an X.509 account: the
// leaf of the server equals resource 4, as without /0/x/15 it must.
func (w *world) deliverCertificate(ca *testpki.Authority, server *testpki.Leaf) {
	w.t.Helper()
	own := issue(w.t, ca, testpki.Request{Role: testpki.Client, CommonName: endpoint})
	key, err := own.KeyDER()
	if err != nil {
		w.t.Fatal(err)
	}
	account := lwm2mtest.AccountConfig{
		URI: "coaps://192.0.2.1", Certificate: own.Cert.Raw, PrivateKey: key, ServerCertificate: server.Cert.Raw,
	}
	w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: account.Writes()})
}
