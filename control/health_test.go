package control_test

import (
	"context"
	"net/http"
	"reflect"
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

// blocker is a tap that holds one actor up while it is closed.
type blocker struct {
	actor string // the end of its path

	mu   sync.Mutex
	hold chan struct{} // nil: nobody is held up
}

// Message implements lwm2mtest.Tap. It blocks, which a tap must not do: here
// that is the fault.
func (b *blocker) Message(actor string, stage lwm2mtest.Stage, message any) {
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold != nil && stage == lwm2mtest.StageInvoked && strings.HasSuffix(actor, b.actor) && b.holds(message) {
		<-hold
	}
}

// holds reports whether a message holds the actor up: a ping, or a call, which
// is the first that the supervisor gets.
func (b *blocker) holds(message any) bool {
	switch message.(type) {
	case messages.Ping, messages.CallRequest:
		return true
	}
	return false
}

func (b *blocker) block() (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	hold := make(chan struct{})
	b.hold = hold
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.hold = nil
		close(hold)
	}
}

// Every actor answers: the supervisor, its two shared children, and three for
// each link.
func TestLivezAsksEveryActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		recorder := c.Ask(http.MethodGet, "/livez")
		if got := systemtest.Object(t, recorder); recorder.Code != http.StatusOK || got["ok"] != true || got["actors"] != 6.0 {
			t.Errorf("%d %v", recorder.Code, got)
		}
		if recorder := c.Ask(http.MethodGet, "/readyz"); recorder.Code != http.StatusOK {
			t.Errorf("readyz: %d %s", recorder.Code, recorder.Body)
		}
		if err := c.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		if recorder := c.Ask(http.MethodGet, "/readyz"); recorder.Code != http.StatusServiceUnavailable {
			t.Errorf("readyz: %d %s", recorder.Code, recorder.Body)
		}
		synctest.Wait()
		if got := systemtest.Object(t, c.Ask(http.MethodGet, "/livez")); got["actors"] != 3.0 {
			t.Errorf("%v", got)
		}
		_ = c.Close(t.Context())
	})
}

// An actor that stands still is named, within a bounded time; when it goes on,
// all is well.
func TestLivezNamesABlockedActor(t *testing.T) {
	for _, actor := range []string{"supervisor", "store", "management", "network/1", "coapresend/1", "registration/1"} {
		synctest.Test(t, func(t *testing.T) {
			w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
			defer w.Close()
			w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
			b := &blocker{actor: actor}
			c := w.Start(w.NoSec(), lwm2mtest.WithTap(b))
			c.WaitFor(holdfast.Registered)
			release := b.block()
			if actor == "supervisor" {
				go c.Post("pause") // its ping holds the supervisor up
				synctest.Wait()
			}
			c.Ask(http.MethodGet, "/livez") // its ping holds the others up
			began := time.Now()
			recorder := c.Ask(http.MethodGet, "/livez")
			got := systemtest.Object(t, recorder)
			if recorder.Code != http.StatusServiceUnavailable || !reflect.DeepEqual(got["silent"], []any{actor}) {
				t.Errorf("%s: %d %v", actor, recorder.Code, got)
			}
			if took := time.Since(began); took != 4*time.Second {
				t.Errorf("%s: took %v", actor, took)
			}
			release()
			synctest.Wait()
			if recorder := c.Ask(http.MethodGet, "/livez"); recorder.Code != http.StatusOK {
				t.Errorf("%s: %d %s", actor, recorder.Code, recorder.Body)
			}
			_ = c.Close(t.Context())
		})
	}
}

// A client that reconnects all the time is alive all the time.
func TestLivezWhileReconnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := waitingForAServer(w)
		for range 100 {
			c.NetworkUp()
			if recorder := c.Ask(http.MethodGet, "/livez"); recorder.Code != http.StatusOK {
				t.Fatalf("%d %s", recorder.Code, recorder.Body)
			}
			time.Sleep(5 * time.Second)
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// A call that a stalled actor does not carry out is answered within 5 s, and the
// answer names the actor. What only looks is answered at once.
func TestCallsOfAStalledClientAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		b := &blocker{actor: "supervisor"}
		c := w.Start(w.NoSec(), lwm2mtest.WithTap(b))
		c.WaitFor(holdfast.Registered)
		release := b.block()
		c.Post("reconnect") // it is carried out, and then the supervisor stands still
		for _, path := range []string{"update", "reconnect", "bootstrap", "factory-reset", "pause", "resume", "close"} {
			began := time.Now()
			recorder := c.Ask(http.MethodPost, "/v1/"+path)
			detail, _ := systemtest.Object(t, recorder)["detail"].(string)
			if recorder.Code != http.StatusGatewayTimeout || path != "close" && !strings.Contains(detail, "no answer from supervisor") {
				t.Errorf("%s: %d %s", path, recorder.Code, recorder.Body)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: took %v", path, took)
			}
			began = time.Now()
			for _, path := range []string{"/v1/status", "/v1/explain", "/metrics", "/readyz"} {
				c.Ask(http.MethodGet, path)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("looking took %v", took)
			}
		}
		release()
		_ = c.Close(t.Context())
	})
}

// What comes of a call are the events after its number.
func TestCallsNameTheirEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		before := c.Status().Events
		got := systemtest.Object(t, c.Ask(http.MethodPost, "/v1/update"))
		if got["seq"] != float64(before) || got["state"] != "registered" || !reflect.DeepEqual(got["servers"], []any{"coap://192.0.2.1"}) {
			t.Errorf("update: %v after %d events", got, before)
		}
		if e := c.Next(holdfast.EventRegistrationUpdated); e.Seq != before+1 {
			t.Errorf("%+v", e)
		}
		got = systemtest.Object(t, c.Ask(http.MethodPost, "/v1/pause"))
		if e := c.Next(holdfast.EventState); got["seq"] != float64(e.Seq) || e.State != holdfast.Paused || got["state"] != "paused" {
			t.Errorf("pause: %v, %+v", got, e)
		}
		_ = c.Close(t.Context())
	})
}
