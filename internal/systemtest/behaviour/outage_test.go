package behaviour_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const twoYears = 2 * 365 * 24 * time.Hour

// The delays double up to one week, and then stay there. Two years of a refused
// port, every instant exact, for several r0; registered at the first attempt
// after the server's return, and after a second outage r0 again.
func TestTwoYearOutage(t *testing.T) {
	for _, r0 := range []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second} {
		t.Run(r0.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { twoYearOutage(t, r0) })
		})
	}
}

func twoYearOutage(t *testing.T, r0 time.Duration) {
	w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
	defer w.Close()
	cfg := w.NoSec()
	cfg.Reconnect.InitialMin, cfg.Reconnect.InitialMax = r0, r0
	cfg.Lifetime = 100 * 365 * 24 * time.Hour // no Update comes between
	service := w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	c := w.Start(cfg)
	c.WaitFor(holdfast.Registered)
	for range 2 {
		service.Abort()
		lost := time.Now()
		if err := c.RegisterUpdate(context.Background()); err != nil { // finds the port refused
			t.Fatal(err)
		}
		followOutage(t, c, lost, r0)
		service = w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		e := c.Next(holdfast.EventRegistered)
		if want := lost.Add(instant(r0, e.Attempts-1)); !e.Time.Equal(want) {
			t.Errorf("registered again %v after the loss, want %v", e.Time.Sub(lost), want.Sub(lost))
		}
		if systemtest.Offline(e) != e.Time.Sub(lost).Truncate(time.Millisecond) {
			t.Errorf("offline for %v, want %v", systemtest.Offline(e), e.Time.Sub(lost))
		}
	}
	c.ExpectClose(nil)
}

// followOutage reads the errors of two years and demands that each comes at
// its instant, announcing the next one.
func followOutage(t *testing.T, c *systemtest.Client, lost time.Time, r0 time.Duration) {
	t.Helper()
	for attempt := uint64(1); ; attempt++ {
		e := c.Next(holdfast.EventError)
		want := lost.Add(instant(r0, attempt-1))
		if !e.Time.Equal(want) {
			t.Fatalf("attempt %d failed %v after the loss, want %v", attempt, e.Time.Sub(lost), want.Sub(lost))
		}
		retry, _ := e.RetryIn()
		if e.Code != holdfast.CodeNetwork || e.Attempt != attempt || retry != systemtest.Delay(r0, attempt-1) {
			t.Fatalf("%+v", e)
		}
		if e.Time.Sub(lost) > twoYears {
			return
		}
	}
}

// instant is when the attempt after n failures is made, counted from the first
// failure.
func instant(r0 time.Duration, n uint64) time.Duration {
	var at time.Duration
	for i := range n {
		at += systemtest.Delay(r0, i)
	}
	return at
}
