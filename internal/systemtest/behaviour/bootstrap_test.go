package behaviour_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// bootstrapped starts a client that bootstraps and registers over PSK.
func bootstrapped(w *systemtest.World) (c *systemtest.Client, management *lwm2mtest.Service) {
	w.T.Helper()
	management = w.ServeAndDeliver()
	c = w.Start(w.Factory())
	c.WaitFor(holdfast.Registered)
	return c, management
}

func TestBootstrapThenRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c, _ := bootstrapped(w)
		if e := c.Next(holdfast.EventBootstrapped); e.Accounts != 1 || e.Server != "coaps://192.0.2.2" {
			t.Errorf("%+v", e)
		}
		if e := c.Next(holdfast.EventRegistered); e.Lifetime != 3600*time.Second || e.Server != "coaps://192.0.2.1" {
			t.Errorf("%+v", e)
		}
		c.ExpectClose(nil)
	})
}

// What a bootstrap stored wins over the configuration at the next start.
func TestBootstrappedAccountOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		cfg := w.Factory()
		for range 2 {
			c := w.Start(cfg)
			c.WaitFor(holdfast.Registered)
			c.ExpectClose(nil)
		}
		if n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != 1 {
			t.Errorf("%d bootstraps for two starts", n)
		}
	})
}

// Code 2: a server that says 4.00 with a reason: the quota of the account is reached.
func TestRefusedBootstrapIsRetriedByThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, 3, lwm2mtest.Behaviour{
			Answer: messages.BadRequest, Payload: "Account device quota reached",
		})
		began := time.Now()
		c, _ := bootstrapped(w)
		for attempt, at := range []time.Duration{0, 5 * time.Second, 15 * time.Second} {
			e := c.Next(holdfast.EventError)
			if e.Code != holdfast.CodeBootstrapFailed || e.Attempt != uint64(attempt+1) || e.CoAP != "4.00" ||
				e.Phase != "bootstrap" || e.Time.Sub(began) != at {
				t.Errorf("after %v: %+v", e.Time.Sub(began), e)
			}
		}
		if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != 35*time.Second {
			t.Errorf("registered after %v", e.Time.Sub(began))
		}
		c.ExpectClose(nil)
	})
}

// Code 2: the server says 2.04 and then nothing for EXCHANGE_LIFETIME.
func TestSilentBootstrapServerIsGivenUpAfter247Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeBoth()
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{NoFinish: true})
		began := time.Now()
		c := w.Start(w.Factory())
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeBootstrapFailed || e.Time.Sub(began) != 247*time.Second {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		w.Deliver(systemtest.Key)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}

// Row 3: a management server that refuses the Register leads to a bootstrap.
func TestRefusedRegisterLeadsToABootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.Forbidden})
		began := time.Now()
		c, _ := bootstrapped(w)
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeInvalidParameters || e.Action != holdfast.ActionBootstrap || e.CoAP != "4.03" || systemtest.Retry(e) != 5*time.Second {
			t.Errorf("%+v", e)
		}
		if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != 5*time.Second || e.Attempts != 2 {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		if n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != 2 {
			t.Errorf("%d bootstraps", n)
		}
		c.ExpectClose(nil)
	})
}

// Row 12: a rotated key shows as silence after the ServerHello: code 6 the
// first time, code 12 and a bootstrap the second.
func TestRotatedKeyLeadsToABootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c, management := bootstrapped(w)
		rotated := []byte("fedcba9876543210")
		management.SetPSK(systemtest.Endpoint, rotated)
		management.ForgetSessions()
		w.Deliver(rotated)
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := []struct {
			code   holdfast.ErrorCode
			action holdfast.Action
		}{
			{holdfast.CodeNetwork, holdfast.ActionRetry}, // the silence of the old session
			{holdfast.CodeTimeout, holdfast.ActionRetry},
			{holdfast.CodeSecureConnection, holdfast.ActionBootstrap},
		}
		for i, tt := range want {
			if e := c.Next(holdfast.EventError); e.Code != tt.code || e.Action != tt.action || e.Attempt != uint64(i+1) {
				t.Fatalf("error %d: %+v", i+1, e)
			}
		}
		c.Next(holdfast.EventBootstrapped)
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
	})
}

// A bootstrap that breaks off leaves the account that worked.
func TestBrokenBootstrapKeepsTheFormerAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c, _ := bootstrapped(w)
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{
			Delete: []string{"/0", "/1"},
			Before: func(_ context.Context, step lwm2mtest.BootstrapStep) error {
				if step.Kind == lwm2mtest.StepFinish {
					return errors.New("the server dies between Write and Finish")
				}
				return nil
			},
		})
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Update, 1, lwm2mtest.Behaviour{Answer: messages.NotFound})
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.Forbidden})
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeInvalidParameters {
			t.Fatalf("%+v", e)
		}
		if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeBootstrapFailed {
			t.Fatalf("%+v", e)
		}
		if e := c.Next(holdfast.EventRegistered); e.Lifetime != 3600*time.Second || e.Server != "coaps://192.0.2.1" {
			t.Errorf("%+v", e)
		}
		c.ExpectClose(nil)
	})
}
