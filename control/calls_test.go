package control_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// situation brings a client into a state.
type situation struct {
	state holdfast.State
	begin func(w *systemtest.World) *systemtest.Client
	// allowed are the calls that answer 200; close and factory-reset always
	// do.
	allowed []string
	// closed is the name in the answer to close.
	closed string
}

const notRegistered = "ConnectNotRegistered"

var situations = []situation{
	{holdfast.Registered, registeredOverNoSec, []string{"update", "reconnect", "pause"}, ""},
	{holdfast.Waiting, waitingForAServer, []string{"reconnect", "pause"}, notRegistered},
	{holdfast.Registering, registeringAtASilentServer, []string{"reconnect", "pause"}, notRegistered},
	{holdfast.Paused, pausedClient, []string{"resume"}, notRegistered},
	{holdfast.Bootstrapping, bootstrappingSilently, []string{"reconnect", "pause"}, notRegistered},
}

func registeredOverNoSec(w *systemtest.World) *systemtest.Client {
	w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	c := w.Start(w.NoSec())
	c.WaitFor(holdfast.Registered)
	return c
}

func waitingForAServer(w *systemtest.World) *systemtest.Client {
	c := w.Start(w.NoSec()) // nobody listens: the port is refused
	c.WaitFor(holdfast.Waiting)
	return c
}

func registeringAtASilentServer(w *systemtest.World) *systemtest.Client {
	w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, -1, lwm2mtest.Behaviour{Silent: true})
	w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	c := w.Start(w.NoSec())
	c.WaitFor(holdfast.Registering)
	return c
}

func pausedClient(w *systemtest.World) *systemtest.Client {
	c := registeredOverNoSec(w)
	if err := c.Pause(context.Background()); err != nil {
		w.T.Fatal(err)
	}
	return c
}

func bootstrappingSilently(w *systemtest.World) *systemtest.Client {
	w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, -1, lwm2mtest.Behaviour{Silent: true})
	w.ServeBootstrap()
	c := w.Start(w.Factory())
	c.WaitFor(holdfast.Bootstrapping)
	return c
}

// Every call in every state: 200, or 409 with the code's name and one event.
func TestControlCallsByState(t *testing.T) {
	for _, s := range situations {
		for _, call := range []string{"update", "reconnect", "bootstrap", "pause", "resume", "factory-reset", "close"} {
			t.Run(string(s.state)+"/"+call, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { s.try(t, call) })
			})
		}
	}
}

func (s situation) try(t *testing.T, call string) {
	w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
	defer w.Close()
	c := s.begin(w)
	if got := c.State(); got != s.state {
		t.Fatalf("the client is %s", got)
	}
	status, name := c.Post(call)
	wantStatus, wantName := s.expect(call)
	if status != wantStatus || name != wantName {
		t.Errorf("%d %s, want %d %s", status, name, wantStatus, wantName)
	}
	if status == http.StatusConflict {
		e := c.Next(holdfast.EventError)
		for e.Code != holdfast.CodeNotAllowed {
			e = c.Next(holdfast.EventError)
		}
		if e.Phase != "api" || c.State() != s.state {
			t.Errorf("the client is %s after %+v", c.State(), e)
		}
	}
	_ = c.Close(t.Context())
}

func (s situation) expect(call string) (status int, name string) {
	if call == "close" {
		return http.StatusOK, s.closed
	}
	for _, allowed := range append(s.allowed, "factory-reset") {
		if call == allowed {
			return http.StatusOK, ""
		}
	}
	return http.StatusConflict, "ConnectNotAllowed"
}

// A call has taken effect when its answer comes.
func TestControlCallsTakeEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		for range 10 {
			if status, _ := c.Post("pause"); status != http.StatusOK || c.State() != holdfast.Paused {
				t.Fatalf("pause: %d, %s", status, c.State())
			}
			if status, _ := c.Post("resume"); status != http.StatusOK || c.State() == holdfast.Paused {
				t.Fatalf("resume: %d, %s", status, c.State())
			}
			c.WaitFor(holdfast.Registered)
		}
		c.ExpectClose(nil)
	})
}

// reconnect ends a wait at once.
func TestControlReconnectEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := waitingForAServer(w)
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		began := time.Now()
		if status, _ := c.Post("reconnect"); status != http.StatusOK {
			t.Fatal(status)
		}
		c.WaitFor(holdfast.Registered)
		if took := time.Since(began); took >= 5*time.Second {
			t.Errorf("registered after %v", took)
		}
		c.ExpectClose(nil)
	})
}

// After close the client is gone, its directory free, its events at an end.
func TestControlCloseEndsTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		answer := systemtest.Object(t, c.Ask(http.MethodPost, "/v1/close"))
		if answer["ok"] != true || answer["name"] != nil || w.Server.Deregisters(systemtest.Endpoint) != 1 {
			t.Errorf("%v after %d de-registrations", answer, w.Server.Deregisters(systemtest.Endpoint))
		}
		for range c.Feed { // to its end
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// close while the server is silent answers in time, and says so.
func TestControlCloseAtASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Deregister, -1, lwm2mtest.Behaviour{Silent: true})
		began := time.Now()
		recorder := c.Ask(http.MethodPost, "/v1/close")
		if name := systemtest.Object(t, recorder)["name"]; recorder.Code != http.StatusOK || name != "ConnectorUnregistrationFailed" {
			t.Errorf("%d %v", recorder.Code, name)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		_ = c.Close(t.Context())
	})
}

func TestControlOfAClientThatIsNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		client, err := holdfast.New(w.NoSec(), lwm2mtest.WithTransport(w.Gateway))
		if err != nil {
			t.Fatal(err)
		}
		c := &systemtest.Client{Client: client, T: t}
		if status, name := c.Post("update"); status != http.StatusConflict || name != "ConnectNotAllowed" {
			t.Errorf("update: %d %s", status, name)
		}
		for path, want := range map[string]int{
			"/livez": http.StatusServiceUnavailable, "/readyz": http.StatusServiceUnavailable,
			"/v1/status": http.StatusOK, "/v1/explain": http.StatusOK, "/metrics": http.StatusOK,
		} {
			if got := c.Ask(http.MethodGet, path); got.Code != want {
				t.Errorf("%s: %d %s", path, got.Code, got.Body)
			}
		}
		if c.API().Addr() != "" {
			t.Error("the API is off")
		}
		_ = client.Close(t.Context())
	})
}
