package holdfast_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a world that ends with its test, and so do the clients in it.
type site struct {
	*systemtest.World
	taps []holdfast.Option // of every client
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{})}
	t.Cleanup(s.Close)
	return s
}

// start starts a client; it is closed with the test at the latest.
func (s *site) start(cfg holdfast.Config) *systemtest.Client {
	s.T.Helper()
	client := s.Start(cfg, s.taps...)
	s.T.Cleanup(func() { _ = client.Close(context.Background()) }) // the test may have closed it
	return client
}

// registered starts a client and waits until it is registered.
func (s *site) registered() *systemtest.Client {
	s.T.Helper()
	s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	client := s.start(s.NoSec())
	client.WaitFor(holdfast.Registered)
	return client
}

// within is a context that ends with the test, or after d of virtual time.
func (s *site) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.T.Context(), d)
	s.T.Cleanup(cancel)
	return ctx
}

func TestRegisterReadUpdateDeregister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c := w.Start(w.NoSec())
		c.WaitFor(holdfast.Registered)
		e := c.Next(holdfast.EventRegistered)
		if e.Location != "/rd/1" || e.Lifetime != 86400*time.Second || e.LwM2M != "1.1" || e.Attempts != 1 || !e.LostAt.IsZero() || e.Server != "coap://192.0.2.1" {
			t.Errorf("%+v", e)
		}
		for _, accept := range []messages.Format{messages.FormatTLV, messages.FormatSenMLCBOR} {
			got, err := w.Server.Read(context.Background(), systemtest.Endpoint, "/3/0", accept)
			if err != nil || got.Code != messages.Content {
				t.Errorf("read /3/0: %v, %v", got.Code, err)
			}
		}
		if got, err := w.Server.Read(context.Background(), systemtest.Endpoint, "/0", messages.FormatTLV); err != nil || got.Code != messages.Unauthorized {
			t.Errorf("read /0: %v, %v", got.Code, err)
		}
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Errorf("RegisterUpdate: %v", err)
		}
		c.Next(holdfast.EventRegistrationUpdated)
		c.ExpectClose(nil)
		c.Next(holdfast.EventUnregistered)
		if n := w.Server.Deregisters(systemtest.Endpoint); n != 1 {
			t.Errorf("%d de-registrations", n)
		}
	})
}

// The Update is sent in time, for ever: 24 h - 93 s apart.
func TestRegistrationIsKeptForAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c := w.Start(w.NoSec())
		c.WaitFor(holdfast.Registered)
		time.Sleep(365 * 24 * time.Hour)
		if n := w.Server.Updates(systemtest.Endpoint); n != 365 {
			t.Errorf("%d Updates in a year", n)
		}
		if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
			t.Errorf("%d Registers in a year", n)
		}
		c.ExpectClose(nil)
	})
}

// A program may leave an option out where it has none.
func TestANilOptionIsNone(t *testing.T) {
	cfg := holdfast.Config{
		Endpoint: "gw-0001", StateDir: t.TempDir(),
		Server: &holdfast.Account{URI: "coap://192.0.2.1", Security: holdfast.SecurityNoSec},
	}
	client, err := holdfast.New(cfg, nil, holdfast.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(t.Context()); !errors.Is(err, holdfast.ErrNotRegistered) {
		t.Error(err)
	}
}

func TestCallsBeforeStartAndAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		client, err := holdfast.New(w.NoSec(), lwm2mtest.WithTransport(w.Gateway))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.RegisterUpdate(context.Background()); !errors.Is(err, holdfast.ErrNotAllowed) {
			t.Errorf("RegisterUpdate before Start: %v", err)
		}
		client.NetworkUp()
		if err := client.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := client.Start(context.Background()); !errors.Is(err, holdfast.ErrNotAllowed) {
			t.Errorf("second Start: %v", err)
		}
		for range 3 {
			if err := client.Close(context.Background()); !errors.Is(err, holdfast.ErrNotRegistered) {
				t.Errorf("Close: %v", err)
			}
		}
		if err := client.Start(context.Background()); !errors.Is(err, holdfast.ErrNotAllowed) {
			t.Errorf("Start after Close: %v", err)
		}
		if err := client.Await(context.Background(), holdfast.Registered); !errors.Is(err, holdfast.ErrNotAllowed) {
			t.Errorf("Await after Close: %v", err)
		}
	})
}

func TestCloseIsBoundedWhenTheServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		service := w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		_ = service
		c := w.Start(w.NoSec())
		c.WaitFor(holdfast.Registered)
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Deregister, -1, lwm2mtest.Behaviour{Silent: true})
		began := time.Now()
		c.ExpectClose(holdfast.ErrUnregistration)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestInvalidConfigurationNamesEveryFault(t *testing.T) {
	_, err := holdfast.New(holdfast.Config{
		Server: &holdfast.Account{URI: "coaps:\\\\server", Security: holdfast.SecurityNoSec},
	})
	if !errors.Is(err, holdfast.ErrInvalidParameters) {
		t.Fatalf("%v", err)
	}
	var faults *holdfast.ConfigError
	if !errors.As(err, &faults) || len(faults.Faults) < 2 {
		t.Fatalf("%v", err)
	}
}

// A Start that panics, on the caller's goroutine, gives back what it has taken: the
// client can be closed at once, as by a defer on the way out, or started again.
func TestAPanicInStartLeavesNothing(t *testing.T) {
	for name, where := range map[string]func(failing *bool) holdfast.Option{
		"at the disk": func(failing *bool) holdfast.Option {
			return lwm2mtest.WithStoreFaults(func(lwm2mtest.DiskOperation, string) error { return breakIf(*failing) })
		},
		"at the actors": func(failing *bool) holdfast.Option {
			return lwm2mtest.WithRand(func() float64 { _ = breakIf(*failing); return 0.5 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
				cfg, failing := w.NoSec(), true
				closed, again := broken(t, w, cfg, where(&failing)), broken(t, w, cfg, where(&failing))
				began := time.Now()
				if err := closed.Close(t.Context()); !errors.Is(err, holdfast.ErrNotRegistered) || time.Since(began) != 0 {
					t.Errorf("Close after %v: %v", time.Since(began), err)
				}
				failing = false
				if err := again.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := again.Await(t.Context(), holdfast.Registered); err != nil {
					t.Error(err)
				}
				if err := again.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func breakIf(failing bool) error {
	if failing {
		panic("broken")
	}
	return nil
}

// broken returns a client whose Start has panicked.
func broken(t *testing.T, w *systemtest.World, cfg holdfast.Config, option holdfast.Option) (client *holdfast.Client) {
	t.Helper()
	client, err := holdfast.New(cfg, lwm2mtest.WithTransport(w.Gateway), option)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if cause := recover(); cause != "broken" {
			t.Errorf("panic: %v", cause)
		}
	}()
	err = client.Start(t.Context())
	t.Errorf("Start: %v", err)
	return client
}
