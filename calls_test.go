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
		client := s.registered()
		s.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: time.Millisecond}) // or it is registered again already
		show := func(call string, err error, shows bool) {
			t.Helper()
			if err != nil || !shows {
				t.Fatalf("%s: %v, and the client is %s", call, err, client.Status().State)
			}
		}
		state := func() holdfast.State { return client.Status().State }
		for range 200 {
			_ = client.Story() // takes the events, of which more come than there is room for
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
		client := s.start(s.Factory()) // nobody answers
		for range 50 {
			if err := client.Next(holdfast.EventError).Err(); !errors.Is(err, holdfast.ErrTimeout) {
				t.Fatal(err)
			}
			if err := client.Await(t.Context(), holdfast.Waiting); err != nil {
				t.Fatal(err)
			}
			err := client.Reconnect(t.Context())
			if got := client.Status(); err != nil || got.State == holdfast.Waiting || got.Connections[0].State == holdfast.Waiting {
				t.Fatalf("Reconnect: %v, %+v", err, got)
			}
			client.Next(holdfast.EventError)
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
				client := s.registered()
				release := h.hold()
				began := time.Now()
				err := everyCall(client.Client)[name](s.within(3 * time.Second))
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
		client := s.registered()
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
		client := s.registered()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range everyCall(client.Client) {
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
func (s *site) sane(client *systemtest.Client) {
	s.T.Helper()
	if err := client.Pause(s.T.Context()); err != nil && !errors.Is(err, holdfast.ErrNotAllowed) {
		s.T.Error(err)
	}
	if err := client.Resume(s.T.Context()); err != nil {
		s.T.Error(err)
	}
	synctest.Wait() // a factory reset that was still at the disk begins anew
	if err := client.Await(s.within(time.Hour), holdfast.Registered); err != nil {
		s.T.Error(err)
	}
	if err := client.Close(s.T.Context()); err != nil || s.Server.Deregisters(systemtest.Endpoint) != 1 {
		s.T.Errorf("Close: %v, %d de-registrations", err, s.Server.Deregisters(systemtest.Endpoint))
	}
}

// While Start waits for a directory that another client has locked, nobody else
// has to wait: calls are refused, and Close ends the Start.
func TestNobodyWaitsForStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		cfg := s.NoSec()
		s.start(cfg)
		second, err := holdfast.New(cfg, lwm2mtest.WithTransport(s.Gateway))
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
		s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		cfg := s.NoSec()
		first := s.start(cfg)
		second, err := holdfast.New(cfg, lwm2mtest.WithTransport(s.Gateway))
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
