package holdfast_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// What a call did shows in Status when it returns, without any further wait.
func TestCallsShowWhenTheyReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		client, _ := s.registered()
		s.network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: time.Millisecond}) // or it is registered again already
		show := func(call string, err error, shows bool) {
			t.Helper()
			if err != nil || !shows {
				t.Fatalf("%s: %v, and the client is %s", call, err, client.Status().State)
			}
		}
		state := func() holdfast.State { return client.Status().State }
		for range 200 {
			err := client.Pause(t.Context())
			show("Pause", err, state() == holdfast.Paused)
			err = client.Resume(t.Context())
			show("Resume", err, state() != holdfast.Paused)
			err = client.Await(t.Context(), holdfast.Registered)
			show("Await", err, state() == holdfast.Registered)
			err = client.RegisterUpdate(t.Context())
			show("RegisterUpdate", err, state() == holdfast.Registered)
			err = client.FactoryReset(t.Context())
			show("FactoryReset", err, state() != holdfast.Registered)
			err = client.Await(t.Context(), holdfast.Registered)
			show("Await", err, state() == holdfast.Registered)
		}
		err := client.Close(t.Context())
		show("Close", err, state() == holdfast.Stopped)
	})
}

// Bootstrap and Reconnect begin an attempt, and Status shows that it has begun.
func TestAttemptsShowWhenTheCallReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		client, events := s.start(s.fromBootstrap()) // nobody answers
		for range 50 {
			if err := s.failure(events); !errors.Is(err, holdfast.ErrTimeout) {
				t.Fatal(err)
			}
			if err := client.Await(t.Context(), holdfast.Waiting); err != nil {
				t.Fatal(err)
			}
			err := client.Reconnect(t.Context())
			if got := client.Status(); err != nil || got.State == holdfast.Waiting || got.Connections[0].State == holdfast.Waiting {
				t.Fatalf("Reconnect: %v, %+v", err, got)
			}
			s.failure(events)
			err = client.Bootstrap(t.Context())
			if got := client.Status(); err != nil || got.State == holdfast.Waiting || got.Connections[0].State == holdfast.Waiting {
				t.Fatalf("Bootstrap: %v, %+v", err, got)
			}
		}
	})
}

// holder is a tap that holds the supervisor up at calls while it is closed.
type holder struct {
	mu    sync.Mutex
	open  chan struct{} // nil: nobody is held up
	calls int           // that came
}

// Message implements lwm2mtest.Tap.
func (h *holder) Message(actor string, stage lwm2mtest.Stage, message any) {
	if _, call := message.(messages.CallRequest); !call || stage != lwm2mtest.StageInvoking || !strings.HasSuffix(actor, "/supervisor") {
		return
	}
	h.mu.Lock()
	h.calls++
	open := h.open
	h.mu.Unlock()
	if open != nil {
		<-open
	}
}

func (h *holder) hold() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = make(chan struct{})
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		close(h.open)
		h.open = nil
	}
}

// everyCall is every method that waits for the supervisor.
func everyCall(c *holdfast.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"RegisterUpdate": c.RegisterUpdate, "Pause": c.Pause, "Resume": c.Resume, "Reconnect": c.Reconnect,
		"Bootstrap": c.Bootstrap, "FactoryReset": c.FactoryReset,
	}
}

// A call returns when its context ends, and the client goes on: what was asked
// for is done once it can be, and later calls are answered.
func TestCallsEndWithTheirContext(t *testing.T) {
	for name := range everyCall(nil) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				h := &holder{}
				s.taps = append(s.taps, lwm2mtest.WithTap(h))
				client, _ := s.registered()
				release := h.hold()
				began := time.Now()
				err := everyCall(client)[name](s.within(3 * time.Second))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				release()
				s.sane(client)
			})
		})
	}
}

// An answer that a crash of the supervisor has taken is not waited for for ever,
// also without a deadline, and the client goes on.
func TestCallsEndWhenTheAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.taps = append(s.taps, lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.CallRequest]("supervisor")))
		client, _ := s.registered()
		began := time.Now()
		if err := client.Pause(t.Context()); !errors.Is(err, holdfast.ErrUnknown) || time.Since(began) != 45*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		s.sane(client)
	})
}

// A context that has ended already begins no call.
func TestCallsDoNotBeginAfterTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		h := &holder{}
		s.taps = append(s.taps, lwm2mtest.WithTap(h))
		client, _ := s.registered()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range everyCall(client) {
			if err := call(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if synctest.Wait(); h.calls != 0 || client.Status().State != holdfast.Registered {
			t.Errorf("%d calls came, and the client is %s", h.calls, client.Status().State)
		}
		s.sane(client)
	})
}

// sane demands that a client pauses, resumes, registers and de-registers.
func (s *site) sane(client *holdfast.Client) {
	s.t.Helper()
	if err := client.Pause(s.t.Context()); err != nil && !errors.Is(err, holdfast.ErrNotAllowed) {
		s.t.Error(err)
	}
	if err := client.Resume(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	if err := client.Await(s.within(time.Hour), holdfast.Registered); err != nil {
		s.t.Error(err)
	}
	if err := client.Close(s.t.Context()); err != nil || s.server.Deregisters(siteEndpoint) != 1 {
		s.t.Errorf("Close: %v, %d de-registrations", err, s.server.Deregisters(siteEndpoint))
	}
}

// While Start waits for a directory that another client has locked, nobody else
// has to wait: calls are refused, and Close ends the Start.
func TestNobodyWaitsForStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		cfg := s.plain()
		s.start(cfg)
		second, err := holdfast.New(cfg, lwm2mtest.WithTransport(s.gateway))
		if err != nil {
			t.Fatal(err)
		}
		started := make(chan error, 1)
		began := time.Now()
		go func() { started <- second.Start(context.Background()) }()
		synctest.Wait()
		for name, call := range everyCall(second) {
			if err := call(t.Context()); !errors.Is(err, holdfast.ErrNotAllowed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		second.NetworkUp()
		if err := second.Start(t.Context()); !errors.Is(err, holdfast.ErrNotAllowed) {
			t.Errorf("a second Start: %v", err)
		}
		if err := second.Close(t.Context()); !errors.Is(err, holdfast.ErrNotRegistered) || second.Status().State != holdfast.Stopped {
			t.Errorf("Close: %v, %s", err, second.Status().State)
		}
		if err := <-started; !errors.Is(err, holdfast.ErrNotAllowed) || time.Since(began) != 0 {
			t.Errorf("Start returned after %v: %v", time.Since(began), err)
		}
	})
}

// A Start whose context ends leaves a client that can be started.
func TestStartEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.serve(siteServer, 5683, lwm2mtest.NoSec())
		cfg := s.plain()
		first, _ := s.start(cfg)
		second, err := holdfast.New(cfg, lwm2mtest.WithTransport(s.gateway))
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Start(s.within(time.Second)); !errors.Is(err, holdfast.ErrStoreInUse) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start: %v", err)
		}
		if err := first.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := second.Start(t.Context()); err != nil {
			t.Error(err)
		}
		if err := second.Await(s.within(time.Minute), holdfast.Registered); err != nil {
			t.Error(err)
		}
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
