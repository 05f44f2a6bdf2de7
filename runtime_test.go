package holdfast_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/bootclock"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// crew is a runtime with a number of registered clients, one way 100 ms from
// their server.
func crew(w *systemtest.World, size int) *holdfast.Runtime {
	w.T.Helper()
	w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 100 * time.Millisecond})
	w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	rt := holdfast.NewRuntime(lwm2mtest.WithTransport(w.Gateway), lwm2mtest.WithRand(func() float64 { return 0 }))
	for i := range size {
		w.Member(rt, w.NoSec(), i).WaitFor(holdfast.Registered)
	}
	return rt
}

// The clients of a runtime are closed at the same time.
func TestRuntimeClosesItsClientsInOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 20
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		rt := crew(w, clients)
		began := time.Now()
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		const oneWay = 100 * time.Millisecond
		if took := time.Since(began); took >= 4*oneWay {
			t.Errorf("closing %d clients took %v, which is two round trips", clients, took)
		}
		for _, r := range w.Server.Requests("", lwm2mtest.Deregister) {
			if at := r.Time.Sub(began); at != oneWay {
				t.Errorf("%s said good-bye after %v, want %v", r.Endpoint, at, oneWay)
			}
		}
		if n := w.Server.Deregisters(""); n != clients {
			t.Errorf("%d of %d clients said good-bye", n, clients)
		}
	})
}

// With a silent server, Close of a runtime is bounded like that of one client.
func TestRuntimeCloseIsBoundedWhenTheServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, bound = 20, 5 * time.Second
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		rt := crew(w, clients)
		w.Network.Impair(lwm2mtest.ToAddr(systemtest.ServerAddr), lwm2mtest.Conditions{BlackHole: true})
		began := time.Now()
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > bound {
			t.Errorf("closing %d clients took %v, want at most %v", clients, took, bound)
		}
	})
}

// However many clients there are on a real network, one goroutine watches for
// the sleep of the machine, and none when the last client is closed.
func TestClientsShareOneWatchForSleep(t *testing.T) {
	rt := holdfast.NewRuntime()
	var clients []*holdfast.Client
	for range 10 {
		c, err := rt.New(holdfast.Config{Endpoint: "gw-0001", StateDir: t.TempDir()}) // no account: it sends nothing
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	want := 0
	if _, supported := bootclock.Slept(); supported {
		want = 1
	}
	for _, c := range clients {
		if n := watches(); n != want {
			t.Fatalf("%d watches", n)
		}
		_ = c.Close(t.Context()) // there is no registration to end
	}
	if n := watches(); n != 0 {
		t.Errorf("%d watches without a client", n)
	}
	if err := rt.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// watches counts the goroutines that watch for sleep.
func watches() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "bootclock.(*Watch).run(")
}
