package behaviour_test

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// validIn is how long it takes in these tests until a certificate becomes valid.
const validIn = 9 * time.Second

// serverLeaf is a certificate of the management server.
func serverLeaf(t *testing.T, ca *testpki.Authority, r testpki.Request) *testpki.Leaf {
	r.Role, r.CommonName, r.IPs = testpki.Server, "server", []net.IP{systemtest.ServerAddr.AsSlice()}
	return systemtest.Issue(t, ca, r)
}

// account is an X.509 account for a server, with a certificate that becomes valid
// later.
func account(t *testing.T, ca *testpki.Authority, uri string, r testpki.Request) *holdfast.Account {
	r.Role, r.CommonName = testpki.Client, systemtest.Endpoint
	own := systemtest.Issue(t, ca, r).WriteFiles(t)
	return &holdfast.Account{
		URI: uri, Security: holdfast.SecurityX509, Certificate: own.Cert, PrivateKey: own.Key, Trust: ca.WriteFile(t),
	}
}

// expectRegistered demands that the client registers at an instant after began, that
// all before that was code 12 with a remedy that names the clock, and that nobody
// asked for other credentials.
func expectRegistered(t *testing.T, w *systemtest.World, c *systemtest.Client, began time.Time, after time.Duration) {
	t.Helper()
	e := c.Next(holdfast.EventRegistered)
	if got := e.Time.Sub(began); got != after {
		t.Errorf("registered after %v, want %v%s", got, after, c.Story())
	}
	failed := 0
	for _, e := range c.Seen {
		if e.Type != holdfast.EventError {
			continue
		}
		failed++
		if e.Code != holdfast.CodeSecureConnection || e.Action != holdfast.ActionRetry || !strings.Contains(e.Remedy, "clock") || !strings.Contains(e.Detail, "clock") {
			t.Errorf("%+v", e)
		}
	}
	if failed == 0 {
		t.Error("no error was reported")
	}
	if n := len(w.Server.Bootstraps(systemtest.Endpoint)); n > 0 {
		t.Errorf("%d bootstraps", n)
	}
}

// An own certificate that becomes valid in 9 s is waited for, whatever there is that
// could give out another one.
func TestOwnCertificateThatIsNotValidYet(t *testing.T) {
	for name, bootstrap := range map[string]func(*systemtest.World, *holdfast.Config, *testpki.Authority, *testpki.Leaf){
		"no bootstrap account": func(*systemtest.World, *holdfast.Config, *testpki.Authority, *testpki.Leaf) {},
		"a bootstrap server that issues others": func(w *systemtest.World, cfg *holdfast.Config, ca *testpki.Authority, server *testpki.Leaf) {
			w.ServeBootstrap()
			w.DeliverCertificate(ca, server)
			cfg.Bootstrap = w.Factory().Bootstrap
		},
		"a silent bootstrap server": func(w *systemtest.World, cfg *holdfast.Config, _ *testpki.Authority, _ *testpki.Leaf) {
			w.ListenBootstrap(systemtest.DTLSPort)
			cfg.Bootstrap = w.Factory().Bootstrap
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				ca := systemtest.Authority(t)
				server := systemtest.IssueServer(t, ca)
				w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
				cfg := w.NoSec()
				cfg.Server = account(t, ca, "coaps://192.0.2.1", testpki.Request{ValidIn: validIn})
				bootstrap(w, &cfg, ca, server)
				began := time.Now()
				c := w.Start(cfg)
				expectRegistered(t, w, c, began, validIn)
				c.ExpectClose(nil)
			})
		})
	}
}

// The same where a bootstrap has delivered it: what was delivered stays.
func TestDeliveredCertificateThatIsNotValidYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		server := systemtest.IssueServer(t, ca)
		w.ServeBootstrap()
		w.DeliverCertificateOf(ca, server, testpki.Request{ValidIn: validIn})
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		began := time.Now()
		c := w.Start(w.Factory())
		c.Next(holdfast.EventBootstrapped)
		for range 2 { // at once, and after r0
			if e := c.ExpectError(holdfast.CodeSecureConnection); e.Action != holdfast.ActionRetry {
				t.Errorf("%+v", e)
			}
		}
		if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != validIn {
			t.Errorf("registered after %v", e.Time.Sub(began))
		}
		if n := len(w.Server.Bootstraps(systemtest.Endpoint)); n != 1 {
			t.Errorf("%d bootstraps", n)
		}
		c.ExpectClose(nil)
	})
}

// The bootstrap account's own certificate is waited for in the same way.
func TestBootstrapAccountWhoseCertificateIsNotValidYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		leaf := systemtest.Issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "bs", IPs: []net.IP{systemtest.BootstrapAddr.AsSlice()}})
		w.Server.ServeBootstrap(w.ListenBootstrap(systemtest.DTLSPort), lwm2mtest.X509(leaf.TLS(), ca.Pool()))
		w.ServePSK()
		w.Deliver(systemtest.Key)
		cfg := w.NoSec()
		cfg.Server, cfg.Bootstrap = nil, account(t, ca, "coaps://192.0.2.2", testpki.Request{ValidIn: validIn})
		began := time.Now()
		c := w.Start(cfg)
		if e := c.Next(holdfast.EventBootstrapped); e.Time.Sub(began) != validIn {
			t.Errorf("bootstrapped after %v%s", e.Time.Sub(began), c.Story())
		}
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}

// A server's certificate that is not valid yet is the clock's fault too. Its refusal
// is held back for a second, in case it was forged.
func TestServerCertificateThatIsNotValidYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(serverLeaf(t, ca, testpki.Request{ValidIn: validIn}).TLS(), ca.Pool()))
		w.ListenBootstrap(systemtest.DTLSPort)
		cfg := w.Certified(ca)
		cfg.Bootstrap = w.Factory().Bootstrap
		began := time.Now()
		c := w.Start(cfg)
		expectRegistered(t, w, c, began, validIn+time.Second)
		c.ExpectClose(nil)
	})
}

// A gateway without a battery begins in 1970. When the network has told it the time,
// 40 s later, it registers at once.
func TestClockThatBeginsIn1970(t *testing.T) {
	const toldAfter = 40 * time.Second
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		server := systemtest.IssueServer(t, ca)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		w.ServeBootstrap()
		w.DeliverCertificate(ca, server)
		cfg := w.Certified(ca)
		cfg.Bootstrap = w.Factory().Bootstrap
		clock := lwm2mtest.NewWallClock(time.Unix(12, 0))
		began := time.Now()
		c := w.Start(cfg, lwm2mtest.WithWallClock(clock))
		time.Sleep(toldAfter)
		clock.Set(time.Now())
		expectRegistered(t, w, c, began, toldAfter)
		c.ExpectClose(nil)
	})
}

// A clock in the future makes certificates expire. When it is right again, the wait
// for other credentials is over, also with a bootstrap server that is silent.
func TestClockThatWasInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		server := systemtest.IssueServer(t, ca)
		bootstrap := w.ServeBootstrap()
		w.DeliverCertificate(ca, server)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		cfg := w.Factory()
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		bootstrap.Abort()
		w.ListenBootstrap(systemtest.DTLSPort)

		clock := lwm2mtest.NewWallClock(time.Now().Add(2 * testpki.DefaultLifetime))
		cfg.Server = nil
		c = w.Start(cfg, lwm2mtest.WithWallClock(clock))
		if e := c.ExpectError(holdfast.CodeSecureConnection); e.Action != holdfast.ActionBootstrap {
			t.Errorf("%+v", e)
		}
		time.Sleep(time.Minute) // the bootstrap is under way
		registersWhenSet(t, c, clock)
	})
}

// registersWhenSet sets the clock right, and demands that the client registers in that
// instant.
func registersWhenSet(t *testing.T, c *systemtest.Client, clock *lwm2mtest.WallClock) {
	t.Helper()
	now := time.Now()
	clock.Set(now)
	if e := c.Next(holdfast.EventRegistered); !e.Time.Equal(now) {
		t.Errorf("registered %v after the step%s", e.Time.Sub(now), c.Story())
	}
	c.ExpectClose(nil)
}

// A file that has expired by a clock in the future is looked at again when that is
// set.
func TestFilesAreLookedAtWhenTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(systemtest.IssueServer(t, ca).TLS(), ca.Pool()))
		clock := lwm2mtest.NewWallClock(time.Now().Add(15 * 365 * 24 * time.Hour))
		c := w.Start(w.Certified(ca), lwm2mtest.WithWallClock(clock))
		for range 4 {
			c.ExpectError(holdfast.CodeInvalidCredentials)
		}
		time.Sleep(time.Second)
		registersWhenSet(t, c, clock)
	})
}

// A clock that stands before the newest stored record is wrong, so that nothing has
// expired by it: no bootstrap, and no code 4.
func TestClockBeforeTheNewestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		server := systemtest.IssueServer(t, ca)
		w.ServeBoth()
		w.DeliverCertificate(ca, server)
		time.Sleep(24 * time.Hour) // the newest certificate is older than the record
		cfg := w.PSK()
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		recorded := time.Now()
		cfg = w.Kill(c, cfg)

		cfg.Server = account(t, ca, "coaps://192.0.2.1", testpki.Request{Expired: true}) // two hours ago
		cfg.Bootstrap = w.Factory().Bootstrap
		clock := lwm2mtest.NewWallClock(recorded.Add(-time.Hour))
		c = w.Start(cfg, lwm2mtest.WithWallClock(clock))
		for range 3 {
			e := c.ExpectError(holdfast.CodeSecureConnection)
			if e.Action != holdfast.ActionRetry || !strings.Contains(e.Remedy, "clock") {
				t.Errorf("%+v", e)
			}
		}
		if n := len(w.Server.Bootstraps(systemtest.Endpoint)); n > 0 {
			t.Errorf("%d bootstraps", n)
		}
		clock.Set(time.Now()) // by a clock that is right it has expired
		if e := c.ExpectError(holdfast.CodeInvalidCredentials); e.Action != holdfast.ActionUser {
			t.Errorf("%+v", e)
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// An anchor that is there for a time to come says nothing of the clock: a certificate
// that has expired has.
func TestAnchorForATimeToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		next := systemtest.Issue(t, ca, testpki.Request{CommonName: "next CA", ValidIn: 24 * time.Hour})
		own := systemtest.Issue(t, ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint, Expired: true})
		cfg := w.NoSec()
		cfg.Server = &holdfast.Account{
			URI: "coaps://192.0.2.1", Security: holdfast.SecurityX509,
			CertificateChain: [][]byte{own.Cert.Raw}, Signer: own.Key, TrustAnchors: [][]byte{ca.Cert.Raw, next.Cert.Raw},
		}
		c := w.Start(cfg)
		if e := c.ExpectError(holdfast.CodeInvalidCredentials); !strings.Contains(e.Detail, "expired") {
			t.Errorf("%+v", e)
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// A key that stays in hardware makes no difference: it is the certificate that is
// early.
func TestCertificateOfASignerThatIsNotValidYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		ca := systemtest.Authority(t)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(systemtest.IssueServer(t, ca).TLS(), ca.Pool()))
		own := systemtest.Issue(t, ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint, ValidIn: validIn})
		cfg := w.NoSec()
		cfg.Server = &holdfast.Account{
			URI: "coaps://192.0.2.1", Security: holdfast.SecurityX509,
			CertificateChain: [][]byte{own.Cert.Raw}, Signer: own.Key, TrustAnchors: [][]byte{ca.Cert.Raw},
		}
		w.ListenBootstrap(systemtest.DTLSPort)
		cfg.Bootstrap = w.Factory().Bootstrap
		began := time.Now()
		c := w.Start(cfg)
		expectRegistered(t, w, c, began, validIn)
		c.ExpectClose(nil)
	})
}
