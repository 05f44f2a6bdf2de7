package bootclock

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a clock of the tests, which counts how often it is looked at.
type machine struct{ slept, looks atomic.Int64 }

func (m *machine) clock() (time.Duration, bool) {
	m.looks.Add(1)
	return time.Duration(m.slept.Load()), true
}

func (m *machine) sleep(d time.Duration) { m.slept.Add(int64(d)) }

// ear is a listener that notes what it is told, and when.
type ear struct {
	began time.Time
	heard []time.Duration // pairs: after how long, and what was slept
}

func (e *ear) tell(slept time.Duration) { e.heard = append(e.heard, time.Since(e.began), slept) }

func TestWatchTellsEveryListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		m.sleep(time.Hour) // before anybody listened
		w := New(m.clock)
		first, second := &ear{began: time.Now()}, &ear{began: time.Now()}
		forget := w.Add(first.tell)
		time.Sleep(10 * time.Second)
		forgetSecond := w.Add(second.tell)
		m.sleep(8 * time.Hour)
		time.Sleep(30 * time.Second)
		m.sleep(Least - 1)
		time.Sleep(30 * time.Second)
		forget()
		m.sleep(Least)
		time.Sleep(30 * time.Second)
		forgetSecond()
		m.sleep(time.Hour)
		time.Sleep(time.Hour)
		if want := []time.Duration{30 * time.Second, 8 * time.Hour}; !slices.Equal(first.heard, want) {
			t.Errorf("the first heard %v, want %v", first.heard, want)
		}
		if want := []time.Duration{30 * time.Second, 8 * time.Hour, 90 * time.Second, Least}; !slices.Equal(second.heard, want) {
			t.Errorf("the second heard %v, want %v", second.heard, want)
		}
	})
}

// A thousand listeners cost one goroutine: the clock is looked at once in an
// interval. The bubble waits for all of its goroutines, so that one that did
// not end with the last listener would keep the test from ending.
func TestWatchHasOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		w := New(m.clock)
		for range 2 { // it can be used again
			var forget []func()
			for range 1000 {
				forget = append(forget, w.Add(func(time.Duration) {}))
			}
			before := m.looks.Load()
			time.Sleep(10*Interval + 1)
			if n := m.looks.Load() - before; n != 10 {
				t.Errorf("%d looks at the clock in ten intervals", n)
			}
			for _, f := range forget {
				f()
				f() // a second time does no harm
			}
			before = m.looks.Load()
			time.Sleep(10 * Interval)
			if n := m.looks.Load() - before; n != 0 {
				t.Errorf("%d looks at the clock with nobody to tell", n)
			}
		}
	})
}

func TestWatchWithoutAClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(func() (time.Duration, bool) { return 0, false })
		forget := w.Add(func(time.Duration) { t.Error("told of a sleep") })
		time.Sleep(10 * Interval)
		forget()
	})
}

// The two clocks of the system are read one after the other, so that what they
// say together is true to within the time between.
func TestSlept(t *testing.T) {
	before, supported := Slept()
	after, again := Slept()
	if supported != again || before <= -Least || (after-before).Abs() >= Least {
		t.Errorf("%v %v, then %v %v", before, supported, after, again)
	}
}
