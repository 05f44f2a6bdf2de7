package wallclock

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hand is a Waiter that a test wakes.
type hand struct{ wake chan bool }

func (h *hand) Wait() bool { return <-h.wake }
func (h *hand) Close()     { close(h.wake) }

func TestWatchTellsAStepOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		h := &hand{make(chan bool)}
		w := newWatch(func() time.Duration { return time.Duration(offset.Load()) }, func() Waiter { return h })
		told := 0
		remove := w.Add(func() { told++ })
		for _, c := range []struct {
			offset time.Duration
			told   int
		}{
			{0, 0},
			{Least - 1, 0},
			{Least, 1},
			{Least, 1},
			{56 * 365 * 24 * time.Hour, 2},
			{0, 3}, // back again
		} {
			offset.Store(int64(c.offset))
			h.wake <- true
			synctest.Wait()
			if told != c.told {
				t.Errorf("offset %v: told %d times, want %d", c.offset, told, c.told)
			}
		}
		remove()
	})
}

func TestWatchOfNobodyHasNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		w := newWatch(func() time.Duration { return 0 }, func() Waiter { made++; return &hand{make(chan bool)} })
		first, second := w.Add(func() {}), w.Add(func() {})
		first()
		second()
		second() // of no effect
		w.Add(func() {})()
		if made != 2 {
			t.Errorf("%d waiters for two stretches of listening", made)
		}
	})
}

// Where the system does not tell, a step is seen at the next look.
func TestTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var stepped atomic.Bool
		offset := func() time.Duration {
			if stepped.Load() {
				return time.Hour
			}
			return 0
		}
		told := make(chan time.Duration, 1)
		w := newWatch(offset, func() Waiter { return newTicks() })
		remove := w.Add(func() { told <- time.Since(begin) })
		time.Sleep(Interval + time.Second)
		stepped.Store(true)
		if at := <-told; at != 2*Interval {
			t.Errorf("told after %v", at)
		}
		remove()
	})
}

// In a bubble both clocks are the bubble's, and agree.
func TestSinceStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		offset := sinceStart(start)
		time.Sleep(time.Hour)
		if d := offset(); d != 0 {
			t.Errorf("the clocks have parted by %v", d)
		}
	})
	ahead := sinceStart(time.Now().Add(-time.Hour).Round(0))
	if d := ahead(); d.Abs() > time.Minute {
		t.Errorf("without a monotonic clock the offset is %v", d)
	}
}

func TestRealWatchEnds(*testing.T) {
	for range 2 {
		Machine.Add(func() {})()
	}
}
