package behaviour_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/admission"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// A hundred clients of a silent server are there before the first one of a good server,
// on a runtime with a single place. The good one's is next, and not the last. Those that
// wait say so, and each has all of its time from its turn on.
func TestSilentServerLeavesRoomForAGoodOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 100
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.DTLSPort, lwm2mtest.Security{PSK: systemtest.MemberKeys(many + 1)})
		silent := w.Listen(5690) // nobody reads there
		defer silent.Close()
		rt := holdfast.NewRuntime(lwm2mtest.WithTransport(w.Gateway), holdfast.WithHandshakes(1))
		base := w.PSK()
		base.Server.URI = "coaps://192.0.2.1:5690"
		began := time.Now()
		var clients []*systemtest.Client
		for i := range many {
			clients = append(clients, w.Member(rt, base, i))
			synctest.Wait() // one behind the other
		}
		base.Server.URI = "coaps://192.0.2.1"
		good := w.Member(rt, base, many)
		synctest.Wait()

		c := clients[many-1].Status().Connections[0]
		if c.WaitsFor != "handshake" || c.Attempt == nil || !strings.HasPrefix(c.Attempt.Text, "waits for its turn to shake hands") {
			t.Errorf("the last one waits for %q: %+v", c.WaitsFor, c.Attempt)
		}
		if text := clients[many-1].Explain().String(); !strings.Contains(text, "waits for its turn to shake hands") {
			t.Errorf("it does not say what it waits for:\n%s", text)
		}
		good.WaitFor(holdfast.Registered)
		if waited := time.Since(began); waited > 2*admission.Silence {
			t.Errorf("the client of the good server was registered after %v", waited)
		}

		// The first has no wait, the last has that of all the others.
		const budget = 3 * time.Minute
		if e := clients[0].Next(holdfast.EventError); e.Time.Sub(began) != budget {
			t.Errorf("the first attempt ended after %v", e.Time.Sub(began))
		}
		e := clients[many-1].Next(holdfast.EventError)
		if least, took := budget+(many-1)*admission.Silence, e.Time.Sub(began); took < least || took > least+admission.Silence {
			t.Errorf("the last attempt ended after %v, want %v", took, least)
		}
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
