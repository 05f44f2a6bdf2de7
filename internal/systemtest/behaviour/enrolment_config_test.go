package behaviour_test

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// enrolByConfiguration has the server's account in the configuration, and no certificate for it.
func (w *enrolmentWorld) enrolByConfiguration() {
	w.cfg.Server = &holdfast.Account{URI: "coaps://192.0.2.1", Security: holdfast.SecurityEST, Trust: w.ca.WriteFile(w.T)}
}

// A configured account enrols at the bootstrap server, and again before each certificate
// ends, without a bootstrap. After a restart it goes on with the certificate that it has.
func TestConfiguredAccountEnrols(t *testing.T) {
	inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
		w.enrolByConfiguration()
		c := w.Start(w.cfg)
		e := c.Next(holdfast.EventCredentialsRenewed)
		c.WaitFor(holdfast.Registered)
		w.expectRenewed(c, e.Expires)
		w.expectKept(c)
		cfg := w.Kill(c, w.cfg)
		c = w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		if got := w.again(); !slices.Equal(got, []bool{false, true}) {
			t.Errorf("enrolled again: %v", got)
		}
		if n := len(w.Server.Bootstraps(systemtest.Endpoint)); n != 0 {
			t.Errorf("%d bootstraps", n)
		}
		c.ExpectClose(nil)
	})
}

// The server that enrols may be another one than the bootstrap server, which need not be
// there then. A bootstrap leads back to the bootstrap server.
func TestConfiguredAccountEnrolsElsewhere(t *testing.T) {
	inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
		const port = 5690
		both := w.ca.Pool()
		both.AddCert(w.issuer.Certificate())
		est := systemtest.Issue(t, w.ca, testpki.Request{Role: testpki.Server, CommonName: "est", IPs: []net.IP{systemtest.BootstrapAddr.AsSlice()}})
		w.Server.ServeBootstrap(w.ListenBootstrap(port), lwm2mtest.X509(est.TLS(), both))
		w.enrolByConfiguration()
		w.cfg.Server.EST = "coaps://192.0.2.2:5690"
		w.cfg.Bootstrap.URI = "coaps://192.0.2.2:5691" // where nobody is
		w.cfg.Bootstrap.ServerName = "bs.test"         // is not what the other one is called
		c := w.Start(w.cfg)
		e := c.Next(holdfast.EventCredentialsRenewed)
		c.WaitFor(holdfast.Registered)
		w.expectRenewed(c, e.Expires)
		w.expectKept(c)
		if got := w.again(); !slices.Equal(got, []bool{false, true}) {
			t.Errorf("enrolled again: %v", got)
		}
		c.ExpectClose(nil)
	})
}

// Where enrolling fails, the attempt of the account has failed: code 15, by the policy.
func TestConfiguredAccountThatIsNotEnrolled(t *testing.T) {
	inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
		w.enrolByConfiguration()
		w.Server.SpoilEnrolments(2, lwm2mtest.EnrolmentFault{CommonName: "other"})
		c := w.Start(w.cfg)
		for n := range uint64(2) {
			e := c.ExpectError(holdfast.CodeEnrolment)
			if e.Phase != holdfast.PhaseEnrolment || systemtest.Retry(e) != systemtest.Delay(5*time.Second, n) {
				t.Errorf("%+v", e)
			}
		}
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}

// What a factory has provisioned enrols like what is configured, but only at the bootstrap
// server.
func TestProvisionedAccountEnrols(t *testing.T) {
	inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
		w.enrolByConfiguration()
		w.cfg.Server.EST = "coaps://192.0.2.2:5690"
		if err := holdfast.Provision(t.Context(), w.cfg); !errors.Is(err, holdfast.ErrInvalidParameters) {
			t.Errorf("with a server of its own that enrols: %v", err)
		}
		w.cfg.Server.EST = ""
		if err := holdfast.Provision(t.Context(), w.cfg); err != nil {
			t.Fatal(err)
		}
		w.cfg.Server, w.cfg.Bootstrap = nil, nil
		c := w.Start(w.cfg)
		c.Next(holdfast.EventCredentialsRenewed)
		c.WaitFor(holdfast.Registered)
		if n := len(w.Server.Bootstraps(systemtest.Endpoint)); n != 0 {
			t.Errorf("%d bootstraps", n)
		}
		c.ExpectClose(nil)
	})
}
