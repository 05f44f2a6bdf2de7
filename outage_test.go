package holdfast_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	week     = 7 * 24 * time.Hour
	twoYears = 2 * 365 * 24 * time.Hour
)

// The reference behaviour: the delays double from the first one up to a week, and
// then stay there. Two years of a refused port, every instant exact, for several
// r0; registered at the first attempt after the server's return, and after a
// second outage r0 again.
func TestTwoYearOutage(t *testing.T) {
	for _, r0 := range []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second} {
		t.Run(r0.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { twoYearOutage(t, r0) })
		})
	}
}

func twoYearOutage(t *testing.T, r0 time.Duration) {
	w := newWorld(t, lwm2mtest.ServerOptions{})
	defer w.close()
	cfg := w.noSec()
	cfg.Reconnect.InitialMin, cfg.Reconnect.InitialMax = r0, r0
	cfg.Lifetime = 100 * 365 * 24 * time.Hour // no Update comes between
	service := w.serve(coapPort, lwm2mtest.NoSec())
	c := w.start(cfg)
	c.await(holdfast.Registered)
	for range 2 {
		service.Abort()
		lost := time.Now()
		if err := c.RegisterUpdate(); err != nil { // finds the port refused
			t.Fatal(err)
		}
		followOutage(t, c, lost, r0)
		service = w.serve(coapPort, lwm2mtest.NoSec())
		e := c.next(holdfast.EventRegistered)
		if want := lost.Add(instant(r0, e.Attempts-1)); !e.Time.Equal(want) {
			t.Errorf("registered again %v after the loss, want %v", e.Time.Sub(lost), want.Sub(lost))
		}
		if *e.OfflineMS != e.Time.Sub(lost).Milliseconds() {
			t.Errorf("offline for %d ms, want %v", *e.OfflineMS, e.Time.Sub(lost))
		}
	}
	c.close(nil)
}

// followOutage reads the errors of two years and demands that each comes at
// its instant, announcing the next one.
func followOutage(t *testing.T, c *runner, lost time.Time, r0 time.Duration) {
	t.Helper()
	for attempt := uint64(1); ; attempt++ {
		e := c.next(holdfast.EventError)
		want := lost.Add(instant(r0, attempt-1))
		if !e.Time.Equal(want) {
			t.Fatalf("attempt %d failed %v after the loss, want %v", attempt, e.Time.Sub(lost), want.Sub(lost))
		}
		retry, _ := e.RetryIn()
		if e.Code != messages.ConnectNetworkError || e.Attempt != attempt || retry != delay(r0, attempt-1) {
			t.Fatalf("%+v", e)
		}
		if e.Time.Sub(lost) > twoYears {
			return
		}
	}
}

// delay is the n-th delay of the exponential policy, n from 0.
func delay(r0 time.Duration, n uint64) time.Duration {
	d := r0
	for range n {
		d = min(2*d, week)
	}
	return d
}

// instant is when the attempt after n failures is made, counted from the first
// failure.
func instant(r0 time.Duration, n uint64) time.Duration {
	var at time.Duration
	for i := range n {
		at += delay(r0, i)
	}
	return at
}
