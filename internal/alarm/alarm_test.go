package alarm

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterCallsAtTheInstant(t *testing.T) {
	for _, tt := range []struct{ d, want time.Duration }{
		{-time.Hour, 0}, {0, 0}, {1, 1}, {7 * 24 * time.Hour, 7 * 24 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, called := time.Now(), make(chan time.Duration)
			After(tt.d, func() { called <- time.Since(began) })
			if took := <-called; took != tt.want {
				t.Errorf("after %v: called after %v", tt.d, took)
			}
		})
	}
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := After(time.Second, func() { t.Error("it was stopped") })
		if !a.Stop() || a.Stop() {
			t.Error("an alarm can be stopped once")
		}
		time.Sleep(time.Minute)
		if b := After(0, func() {}); b.Stop() {
			t.Error("what is due at once cannot be stopped")
		}
	})
}

// Thousands of alarms that are due at once, in one bubble: under the race
// detector as many timers of no delay crash within a second.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var callers sync.WaitGroup
		for range 16 {
			callers.Go(func() {
				for range 1000 {
					called := make(chan struct{})
					After(0, func() { close(called) })
					<-called
				}
			})
		}
		callers.Wait()
	})
}
