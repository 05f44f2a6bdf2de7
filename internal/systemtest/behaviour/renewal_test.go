package behaviour_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// shortLife is how long certificates last in these tests.
const shortLife = 2 * time.Minute

// renewalWorld has a bootstrap server and a management server for certificates that last
// two minutes.
type renewalWorld struct {
	*systemtest.World
	ca     *testpki.Authority
	server *testpki.Leaf
}

func inRenewalWorld(t *testing.T, test func(t *testing.T, w *renewalWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &renewalWorld{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), ca: systemtest.Authority(t)}
		defer w.Close()
		w.server = systemtest.IssueServer(t, w.ca)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(w.server.TLS(), w.ca.Pool()))
		w.ServeBootstrap()
		w.deliver(shortLife)
		test(t, w)
	})
}

// deliver has the next bootstrap bring a certificate that begins now and lasts for so long.
func (w *renewalWorld) deliver(life time.Duration) {
	w.T.Helper()
	w.DeliverCertificateOf(w.ca, w.server, testpki.Request{Lifetime: life})
}

// expectRenewed takes the next renewal, and demands that it came before the end of the
// certificate before, and that the server never missed the client.
func (w *renewalWorld) expectRenewed(c *systemtest.Client, expires time.Time) holdfast.Event {
	w.T.Helper()
	e := c.Next(holdfast.EventCredentialsRenewed)
	if !e.Time.Before(expires) || !e.Expires.After(expires) {
		w.T.Errorf("renewed at %v until %v; the one before expires at %v%s", e.Time, e.Expires, expires, c.Story())
	}
	c.WaitFor(holdfast.Registered)
	return e
}

// remote is where the server's last Register or Update came from.
func (w *renewalWorld) remote() netip.AddrPort {
	var last netip.AddrPort
	for _, r := range w.Server.History(systemtest.Endpoint) {
		if r.Kind == lwm2mtest.Register || r.Kind == lwm2mtest.Update {
			last = r.Remote
		}
	}
	return last
}

// expectKept demands that there has been one Register, that the registration is there, and
// that no error was reported.
func (w *renewalWorld) expectKept(c *systemtest.Client) {
	w.T.Helper()
	if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
		w.T.Errorf("%d Registers%s", n, c.Story())
	}
	if n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.Expired); n > 0 {
		w.T.Errorf("the server has lost %d registrations", n)
	}
	c.Story()
	for _, e := range c.Seen {
		if e.Type == holdfast.EventError {
			w.T.Errorf("%+v", e)
		}
	}
}

// A certificate that lasts two minutes is renewed by a bootstrap again and again, at nine
// tenths of its life, and the registration outlives them all.
func TestCertificateIsRenewedByBootstrap(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		c := w.Start(w.Factory())
		c.WaitFor(holdfast.Registered)
		expires := time.Now().Add(shortLife)
		for range 5 {
			systemtest.Rest(time.Minute)
			w.deliver(shortLife + time.Minute) // of which a minute will have passed
			old := w.remote()
			e := w.expectRenewed(c, expires)
			if w.remote() == old {
				t.Error("the client goes on with the link of the old certificate")
			}
			expires = e.Expires
		}
		w.expectKept(c)
		c.ExpectClose(nil)
	})
}

// A bootstrap server that is away, and then brings the same certificate once more, delays the
// renewal by the policy, and costs no registration.
func TestRenewalByBootstrapIsTriedAgain(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		w.deliver(time.Hour)
		c := w.Start(w.Factory())
		c.WaitFor(holdfast.Registered)
		began := time.Now()
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, 2, lwm2mtest.Behaviour{Answer: lwm2m.CodeForbidden})
		for n := range uint64(2) {
			e := c.ExpectError(holdfast.CodeBootstrapFailed)
			if got, want := systemtest.Retry(e), systemtest.Delay(5*time.Second, n); got != want {
				t.Errorf("again in %v, want %v", got, want)
			}
		}
		if e := c.ExpectError(holdfast.CodeEnrolment); e.Phase != holdfast.PhaseEnrolment || e.Action != holdfast.ActionRetry || systemtest.Retry(e) != 5*time.Second {
			t.Errorf("the same certificate: %+v", e)
		}
		w.deliver(2 * time.Hour)
		e := c.Next(holdfast.EventCredentialsRenewed)
		if got := e.Time.Sub(began).Round(time.Second); got != 54*time.Minute+20*time.Second {
			t.Errorf("renewed after %v%s", got, c.Story())
		}
		if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
			t.Errorf("%d Registers", n)
		}
		c.ExpectClose(nil)
	})
}

// New credentials that the server does not take are never used: the old ones keep the
// registration, and others are asked for.
func TestNewCertificateThatIsRefused(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		w.deliver(time.Hour)
		c := w.Start(w.Factory())
		c.WaitFor(holdfast.Registered)
		stranger := systemtest.Authority(t)
		w.DeliverCertificateOf(stranger, w.server, testpki.Request{Lifetime: 2 * time.Hour})
		for n := range uint64(2) {
			e := c.ExpectError(holdfast.CodeEnrolment)
			if systemtest.Retry(e) != systemtest.Delay(5*time.Second, n) || e.Attempt != n+1 || !strings.Contains(e.Remedy, "stays in use") {
				t.Errorf("%+v", e)
			}
			if state := c.Status().State; state != holdfast.Registered {
				t.Errorf("the client is %s", state)
			}
		}
		w.deliver(2 * time.Hour)
		c.Next(holdfast.EventCredentialsRenewed)
		c.WaitFor(holdfast.Registered)
		if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
			t.Errorf("%d Registers", n)
		}
		c.ExpectClose(nil)
	})
}

// A client that is killed at any moment of a renewal registers again by itself, with one of
// the two certificates, and goes on renewing.
func TestKilledDuringARenewal(t *testing.T) {
	const moments = 24
	for n := range moments {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
				w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 100 * time.Millisecond})
				cfg := w.Factory()
				c := w.Start(cfg)
				c.WaitFor(holdfast.Registered)
				systemtest.Rest(time.Minute)
				w.deliver(time.Hour)
				systemtest.Rest(46*time.Second + time.Duration(n)*100*time.Millisecond*2)
				cfg = w.Kill(c, cfg)
				systemtest.Rest(time.Duration(n) * time.Second) // until after the end of the old one, at last
				c = w.Start(cfg)
				c.WaitFor(holdfast.Registered)
				for _, e := range c.Seen {
					if e.NeedsPerson() {
						t.Errorf("%+v", e)
					}
				}
				systemtest.Rest(3 * time.Minute) // the old one has expired
				at := c.Explain().Connections
				if expires := at[len(at)-1].CertificateExpires; !expires.After(time.Now()) {
					t.Errorf("the certificate in use has expired at %v%s", expires, c.Story())
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// Where the certificate has expired before the client starts, it bootstraps and registers.
func TestCertificateThatExpiredWhileTheClientWasOff(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		cfg := w.Factory()
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		cfg = w.Kill(c, cfg)
		systemtest.Rest(time.Hour)
		w.deliver(time.Hour)
		c = w.Start(cfg)
		if e := c.ExpectError(holdfast.CodeSecureConnection); e.Action != holdfast.ActionBootstrap {
			t.Errorf("%+v", e)
		}
		c.Next(holdfast.EventBootstrapped)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}

// By a clock that is known to be wrong nothing is renewed, and by one that jumps far ahead
// not again and again.
func TestRenewalAndTheWallClock(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		w.deliver(24 * time.Hour)
		clock := lwm2mtest.NewWallClock(time.Now())
		c := w.Start(w.Factory(), lwm2mtest.WithWallClock(clock))
		c.WaitFor(holdfast.Registered)
		bootstraps := func() int { return len(w.Server.Bootstraps(systemtest.Endpoint)) }

		clock.Set(time.Unix(0, 0)) // in 1970
		c.Sleep(48 * time.Hour)
		if n := bootstraps(); n != 1 {
			t.Errorf("%d bootstraps by a clock that is wrong", n)
		}
		c.ExpectClose(nil)
	})
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		w.deliver(24 * time.Hour)
		clock := lwm2mtest.NewWallClock(time.Now())
		c := w.Start(w.Factory(), lwm2mtest.WithWallClock(clock))
		c.WaitFor(holdfast.Registered)
		clock.Set(time.Now().AddDate(30, 0, 0)) // what is delivered has expired by it
		c.Sleep(24 * time.Hour)
		n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
		if n < 3 || n > 16 { // 5 s, 10 s, 20 s ...
			t.Errorf("%d bootstraps in a day", n)
		}
		clock.Set(time.Now()) // and the certificate is good
		w.deliver(72 * time.Hour)
		c.Sleep(7 * 24 * time.Hour)
		if state := c.Status().State; state != holdfast.Registered {
			t.Errorf("the client is %s%s", state, c.Story())
		}
		c.ExpectClose(nil)
	})
}

// Certificates that are to be renewed as soon as they are there are renewed by the policy.
func TestCertificatesThatDoNotLast(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		cfg := w.Factory()
		cfg.RenewAt = 1e-9
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		var last time.Time
		for n := range 8 {
			w.deliver(24*time.Hour + time.Duration(n)*time.Minute)
			e := c.Next(holdfast.EventCredentialsRenewed)
			if n > 0 && e.Time.Sub(last).Round(time.Second) < systemtest.Delay(5*time.Second, uint64(n-1)) {
				t.Errorf("renewal %d came %v after the one before", n, e.Time.Sub(last))
			}
			last = e.Time
		}
		c.ExpectClose(nil)
	})
}

// A renewal that a bootstrap server keeps waiting is called off when the clock turns out to
// have been wrong.
func TestRenewalIsCalledOff(t *testing.T) {
	inRenewalWorld(t, func(t *testing.T, w *renewalWorld) {
		w.deliver(24 * time.Hour)
		clock := lwm2mtest.NewWallClock(time.Now())
		c := w.Start(w.Factory(), lwm2mtest.WithWallClock(clock))
		c.WaitFor(holdfast.Registered)
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, -1, lwm2mtest.Behaviour{Answer: lwm2m.CodeForbidden})
		clock.Set(time.Now().Add(23 * time.Hour))
		c.ExpectError(holdfast.CodeBootstrapFailed)
		clock.Set(time.Now())
		asked := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
		c.Sleep(12 * time.Hour)
		if n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest) - asked; n > 0 {
			t.Errorf("%d bootstraps by a clock that is right", n)
		}
		c.ExpectClose(nil)
	})
}
