package behaviour_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Code 10: what a bootstrap delivers exceeds the budget. It is answered 4.13,
// nothing of it stays, one event is reported for each attempt, and the next
// comes by the policy; once the server sends less, the client registers.
func TestBootstrapAboveTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeBoth()
		w.DeliverTooMuch()
		cfg := w.Factory()
		cfg.Limits.BootstrapBytes = 1 << 10
		began := time.Now()
		c := w.Start(cfg)
		for attempt, at := range []time.Duration{0, 5 * time.Second, 15 * time.Second} {
			e := c.Next(holdfast.EventError)
			if e.Code != holdfast.CodeMemory || e.Phase != "bootstrap" || e.Attempt != uint64(attempt+1) ||
				e.Action != holdfast.ActionRetry || !strings.Contains(e.Detail, "limits.bootstrap_bytes") || e.Time.Sub(began) != at {
				t.Errorf("after %v: %+v", e.Time.Sub(began), e)
			}
		}
		w.ExpectTooLarge()
		w.Deliver(systemtest.Key)
		if e := c.Next(holdfast.EventBootstrapped); e.Accounts != 1 {
			t.Errorf("%+v", e)
		}
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
	})
}

// The budget holds for all that is delivered, also where every message is small.
func TestBootstrapAboveTheBudgetInSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeBootstrap()
		w.Deliver(systemtest.Key)
		cfg := w.Factory()
		cfg.Limits.BootstrapBytes = 256
		c := w.Start(cfg)
		if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeMemory || !strings.Contains(e.Detail, "limits.bootstrap_bytes") {
			t.Errorf("%+v", e)
		}
		w.ExpectTooLarge()
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}
