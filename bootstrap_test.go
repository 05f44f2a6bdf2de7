package holdfast_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

var bootstrapKey = []byte("bootstrap-key-16")

// serveBootstrap opens the bootstrap server's port on a host of its own.
func (w *world) serveBootstrap(security lwm2mtest.Security) *lwm2mtest.Service {
	w.t.Helper()
	return w.server.ServeBootstrap(w.bootstrapPort(dtlsPort), security)
}

func (w *world) bootstrapPort(port uint16) net.PacketConn {
	w.t.Helper()
	if w.bootstrapHost == nil {
		w.bootstrapHost = w.network.Host("bootstrap", bootstrapAddr)
	}
	pc, err := w.bootstrapHost.ListenPacket(port)
	if err != nil {
		w.t.Fatal(err)
	}
	return pc
}

// deliver makes the bootstrap server write an account for the management
// server over PSK.
func (w *world) deliver(key []byte) {
	account := lwm2mtest.AccountConfig{
		URI: "coaps://192.0.2.1", PSKIdentity: endpoint, PSKKey: key, Lifetime: time.Hour,
	}
	w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{
		Delete: []string{"/0", "/1"}, Writes: account.Writes(),
	})
}

// factory is a configuration with a bootstrap account over PSK only.
func (w *world) factory() holdfast.Config {
	cfg := w.noSec()
	cfg.Server = nil
	cfg.Bootstrap = &holdfast.Account{
		URI: "coaps://192.0.2.2", Security: holdfast.SecurityPSK,
		PSKIdentity: "bs-" + endpoint, PSKKey: bootstrapKey,
	}
	return cfg
}

// bootstrapped starts a client that bootstraps and registers over PSK.
func (w *world) bootstrapped() (c *runner, management *lwm2mtest.Service) {
	w.t.Helper()
	management = w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
	w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
	w.deliver(testKey)
	c = w.start(w.factory())
	c.await(holdfast.Registered)
	return c, management
}

func TestBootstrapThenRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		c, _ := w.bootstrapped()
		if e := c.next(holdfast.EventBootstrapped); e.Accounts != 1 || e.Server != "coaps://192.0.2.2" {
			t.Errorf("%+v", e)
		}
		if e := c.next(holdfast.EventRegistered); e.LifetimeS != 3600 || e.Server != "coaps://192.0.2.1" {
			t.Errorf("%+v", e)
		}
		c.close(nil)
	})
}

// What a bootstrap stored wins over the configuration at the next start.
func TestBootstrappedAccountOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.deliver(testKey)
		cfg := w.factory()
		for range 2 {
			c := w.start(cfg)
			c.await(holdfast.Registered)
			c.close(nil)
		}
		if n := w.server.Seen(endpoint, lwm2mtest.BootstrapRequest); n != 1 {
			t.Errorf("%d bootstraps for two starts", n)
		}
	})
}

// Code 2: a server that says 4.00 with a reason: the account's quota is used up.
func TestRefusedBootstrapIsRetriedByThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.server.Misbehave(endpoint, lwm2mtest.BootstrapRequest, 3, lwm2mtest.Behaviour{
			Answer: messages.BadRequest, Payload: "Account device quota reached",
		})
		began := time.Now()
		c, _ := w.bootstrapped()
		for attempt, at := range []time.Duration{0, 5 * time.Second, 15 * time.Second} {
			e := c.next(holdfast.EventError)
			if e.Code != messages.ConnectBootstrapFailed || e.Attempt != uint64(attempt+1) || e.CoAP != "4.00" ||
				e.Phase != "bootstrap" || e.Time.Sub(began) != at {
				t.Errorf("after %v: %+v", e.Time.Sub(began), e)
			}
		}
		if e := c.next(holdfast.EventRegistered); e.Time.Sub(began) != 35*time.Second {
			t.Errorf("registered after %v", e.Time.Sub(began))
		}
		c.close(nil)
	})
}

// Code 2: the server says 2.04 and then nothing for EXCHANGE_LIFETIME.
func TestSilentBootstrapServerIsGivenUpAfter247Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{NoFinish: true})
		began := time.Now()
		c := w.start(w.factory())
		e := c.next(holdfast.EventError)
		if e.Code != messages.ConnectBootstrapFailed || e.Time.Sub(began) != 247*time.Second {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		w.deliver(testKey)
		c.await(holdfast.Registered)
		c.close(nil)
	})
}

// Row 3: a management server that refuses the Register leads to a bootstrap.
func TestRefusedRegisterLeadsToABootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.server.Misbehave(endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.Forbidden})
		began := time.Now()
		c, _ := w.bootstrapped()
		e := c.next(holdfast.EventError)
		if e.Code != messages.ConnectInvalidParameters || e.Action != messages.ActionBootstrap || e.CoAP != "4.03" || *e.RetryInMS != 5000 {
			t.Errorf("%+v", e)
		}
		if e := c.next(holdfast.EventRegistered); e.Time.Sub(began) != 5*time.Second || e.Attempts != 2 {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		if n := w.server.Seen(endpoint, lwm2mtest.BootstrapRequest); n != 2 {
			t.Errorf("%d bootstraps", n)
		}
		c.close(nil)
	})
}

// Row 12: a rotated key shows as silence after the ServerHello: code 6 the
// first time, code 12 and a bootstrap the second.
func TestRotatedKeyLeadsToABootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		c, management := w.bootstrapped()
		rotated := []byte("fedcba9876543210")
		management.SetPSK(endpoint, rotated)
		management.ForgetSessions()
		w.deliver(rotated)
		if err := c.RegisterUpdate(); err != nil {
			t.Fatal(err)
		}
		want := []struct {
			code   holdfast.ErrorCode
			action messages.Action
		}{
			{messages.ConnectNetworkError, messages.ActionRetry}, // the silence of the old session
			{messages.ConnectTimeout, messages.ActionRetry},
			{messages.ConnectSecureConnectionFailed, messages.ActionBootstrap},
		}
		for i, tt := range want {
			if e := c.next(holdfast.EventError); e.Code != tt.code || e.Action != tt.action || e.Attempt != uint64(i+1) {
				t.Fatalf("error %d: %+v", i+1, e)
			}
		}
		c.next(holdfast.EventBootstrapped)
		c.next(holdfast.EventRegistered)
		c.close(nil)
	})
}

// A bootstrap that breaks off leaves the account that worked.
func TestBrokenBootstrapKeepsTheFormerAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		c, _ := w.bootstrapped()
		w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{
			Delete: []string{"/0", "/1"},
			Before: func(_ context.Context, step lwm2mtest.BootstrapStep) error {
				if step.Kind == lwm2mtest.StepFinish {
					return errors.New("the server dies between Write and Finish")
				}
				return nil
			},
		})
		w.server.Misbehave(endpoint, lwm2mtest.Update, 1, lwm2mtest.Behaviour{Answer: messages.NotFound})
		w.server.Misbehave(endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.Forbidden})
		if err := c.RegisterUpdate(); err != nil {
			t.Fatal(err)
		}
		if e := c.next(holdfast.EventError); e.Code != messages.ConnectInvalidParameters {
			t.Fatalf("%+v", e)
		}
		if e := c.next(holdfast.EventError); e.Code != messages.ConnectBootstrapFailed {
			t.Fatalf("%+v", e)
		}
		if e := c.next(holdfast.EventRegistered); e.LifetimeS != 3600 || e.Server != "coaps://192.0.2.1" {
			t.Errorf("%+v", e)
		}
		c.close(nil)
	})
}
