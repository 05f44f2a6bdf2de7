package holdfast_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// oversized makes the bootstrap server write a chain of 8 KiB.
func (w *world) oversized() {
	account := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: endpoint, PSKKey: testKey, Lifetime: time.Hour}
	writes := account.Writes()
	format := messages.FormatOpaque
	writes = append(writes, lwm2mtest.BootstrapWrite{Path: "/0/1/4", Format: &format, Payload: make([]byte, 8<<10)})
	w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{Writes: writes})
}

// Code 10: what a bootstrap delivers exceeds the budget. It is answered 4.13,
// nothing of it stays, one event is reported for each attempt, and the next
// comes by the policy; once the server sends less, the client registers.
func TestBootstrapAboveTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.oversized()
		cfg := w.factory()
		cfg.Limits.BootstrapBytes = 1 << 10
		began := time.Now()
		c := w.start(cfg)
		for attempt, at := range []time.Duration{0, 5 * time.Second, 15 * time.Second} {
			e := c.next(holdfast.EventError)
			if e.Code != messages.ConnectMemoryConnectFail || e.Phase != "bootstrap" || e.Attempt != uint64(attempt+1) ||
				e.Action != messages.ActionRetry || !strings.Contains(e.Detail, "limits.bootstrap_bytes") || e.Time.Sub(began) != at {
				t.Errorf("after %v: %+v", e.Time.Sub(began), e)
			}
		}
		w.refusedTooLarge()
		w.deliver(testKey)
		if e := c.next(holdfast.EventBootstrapped); e.Accounts != 1 {
			t.Errorf("%+v", e)
		}
		c.next(holdfast.EventRegistered)
		c.close(nil)
	})
}

// The budget holds for all that is delivered, also where every message is small.
func TestBootstrapAboveTheBudgetInSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.deliver(testKey)
		cfg := w.factory()
		cfg.Limits.BootstrapBytes = 256
		c := w.start(cfg)
		if e := c.next(holdfast.EventError); e.Code != messages.ConnectMemoryConnectFail || !strings.Contains(e.Detail, "limits.bootstrap_bytes") {
			t.Errorf("%+v", e)
		}
		w.refusedTooLarge()
		c.close(holdfast.ErrNotRegistered)
	})
}

// refusedTooLarge demands that the server's last write was answered 4.13.
func (w *world) refusedTooLarge() {
	w.t.Helper()
	result, err := w.server.WaitBootstraps(context.Background(), endpoint, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	if last := result.Steps[len(result.Steps)-1]; last.Response.Code != messages.RequestEntityTooLarge {
		w.t.Errorf("the write was answered %s", last.Response.Code)
	}
}
