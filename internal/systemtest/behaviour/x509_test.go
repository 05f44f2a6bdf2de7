package behaviour_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

func TestRegisterWithCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(systemtest.IssueServer(t, ca).TLS(), ca.Pool()))
		c := w.Start(w.Certified(ca))
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}

// Code 12: a server certificate that does not verify is retried by the policy,
// and never leads to a weaker check or to a bootstrap.
func TestServerCertificateTroubleIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		good := systemtest.IssueServer(t, ca)
		bad := []*testpki.Leaf{
			systemtest.IssueServer(t, systemtest.Authority(t)), // another CA
			systemtest.Issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "192.0.2.1", IPs: []net.IP{{192, 0, 2, 77}}}),
			systemtest.Issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "server", IPs: []net.IP{systemtest.ServerAddr.AsSlice()}, Expired: true}),
		}
		service := w.Serve(systemtest.DTLSPort, lwm2mtest.X509(bad[0].TLS(), ca.Pool()))
		c := w.Start(w.Certified(ca))
		for attempt := range uint64(3) {
			e := c.Next(holdfast.EventError)
			retry, _ := e.RetryIn()
			if e.Code != holdfast.CodeSecureConnection || e.Action != holdfast.ActionRetry ||
				e.Attempt != attempt+1 || retry != systemtest.Delay(5*time.Second, attempt) {
				t.Fatalf("%+v", e)
			}
			next := good
			if attempt < 2 {
				next = bad[attempt+1]
			}
			service.SetCertificate(next.TLS())
		}
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
	})
}

// The client's own certificate has expired: it falls back to the bootstrap to
// fetch another (docs/recovery.md).
func TestExpiredDeviceCertificateIsReplacedByABootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		server := systemtest.IssueServer(t, ca)
		w.ServeBootstrap()
		w.DeliverCertificate(ca, server)
		service := w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		c := w.Start(w.Factory())
		c.WaitFor(holdfast.Registered)

		c.Sleep(testpki.DefaultLifetime + 48*time.Hour)
		ca = systemtest.Authority(t)
		w.DeliverCertificate(ca, server) // the server's own certificate is pinned (usage 3)
		service.Abort()
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		began := time.Now()
		c.Story()
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := []struct {
			code   holdfast.ErrorCode
			action holdfast.Action
		}{
			{holdfast.CodeNetwork, holdfast.ActionRetry}, // the session is gone
			{holdfast.CodeSecureConnection, holdfast.ActionBootstrap},
		}
		for _, tt := range want {
			if e := c.Next(holdfast.EventError); e.Code != tt.code || e.Action != tt.action {
				t.Fatalf("%+v", e)
			}
		}
		c.Next(holdfast.EventBootstrapped)
		e := c.Next(holdfast.EventRegistered)
		t.Logf("registered with a new certificate %v after the first unanswered message", e.Time.Sub(began))
		c.ExpectClose(nil)
	})
}
