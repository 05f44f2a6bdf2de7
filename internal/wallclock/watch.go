package wallclock

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/listeners"
)

const (
	// Interval is how often a Watch looks where the system does not tell.
	Interval = 30 * time.Second
	// Least is the smallest step that is told. Less is the work of the daemons
	// that keep a clock right, and of no consequence for a certificate, whose
	// validity begins at a full second.
	Least = time.Second
)

// Waiter waits for the clock to be set.
type Waiter interface {
	// Wait returns when the clock may have been set, now and then also when it
	// has not, and false once the waiter is closed.
	Wait() (more bool)
	// Close ends Wait, on any goroutine. It is called once.
	Close()
}

// Watch tells listeners that the clock was set. Its methods may be called from
// any goroutine.
type Watch struct {
	// offset is how far the wall clock is ahead of one that nobody sets.
	offset    func() time.Duration
	waiter    func() Waiter
	listeners listeners.Group[struct{}]
}

// Machine is the Watch of this machine's clock. A process needs no other: clients
// that have nothing else in common share its one descriptor.
var Machine = newWatch(sinceStart(time.Now()), system)

func newWatch(offset func() time.Duration, waiter func() Waiter) *Watch {
	return &Watch{offset: offset, waiter: waiter}
}

// sinceStart returns how far the wall clock has gone ahead of the monotonic one
// since an instant.
func sinceStart(start time.Time) func() time.Duration {
	wall := start.Round(0)
	return func() time.Duration {
		now := time.Now()
		return now.Round(0).Sub(wall) - now.Sub(start)
	}
}

// Add has tell called when the clock was set, also when the machine was suspended
// and its monotonic clock stood still. The function that Add returns ends that;
// tell may be under way for the last time meanwhile. When it was the last
// listener, the goroutine has ended on return: so tell must not call that
// function, and whoever calls it must hold no lock that tell takes.
func (w *Watch) Add(tell func()) (remove func()) {
	return w.listeners.Add(func(struct{}) { tell() }, func() (end func()) {
		waiter, stopped := w.waiter(), make(chan struct{})
		go w.run(w.offset(), waiter, stopped)
		return func() {
			waiter.Close()
			<-stopped
		}
	})
}

// run compares the clocks whenever they may have parted.
func (w *Watch) run(before time.Duration, waiter Waiter, stopped chan<- struct{}) {
	defer close(stopped)
	for waiter.Wait() {
		now := w.offset()
		if (now - before).Abs() >= Least {
			before = now
			w.listeners.Tell(struct{}{})
		}
	}
}

// ticks is a Waiter that looks every Interval.
type ticks struct {
	ticker *time.Ticker
	closed chan struct{}
}

func newTicks() *ticks {
	return &ticks{ticker: time.NewTicker(Interval), closed: make(chan struct{})}
}

// Wait implements Waiter.
func (t *ticks) Wait() bool {
	select {
	case <-t.ticker.C:
		return true
	case <-t.closed:
		return false
	}
}

// Close implements Waiter.
func (t *ticks) Close() {
	t.ticker.Stop()
	close(t.closed)
}
