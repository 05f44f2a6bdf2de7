package wallclock

import (
	"maps"
	"slices"
	"sync"
	"time"
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
	offset func() time.Duration
	waiter func() Waiter

	mu        sync.Mutex
	listeners map[*listener]struct{}
	present   Waiter        // of the goroutine; nil while there is none
	stopped   chan struct{} // closed when it has ended
}

type listener struct{ tell func() }

// Machine is the Watch of this machine's clock. A process needs no other: clients
// that have nothing else in common share its one descriptor.
var Machine = newWatch(sinceStart(time.Now()), system)

func newWatch(offset func() time.Duration, waiter func() Waiter) *Watch {
	return &Watch{offset: offset, waiter: waiter, listeners: map[*listener]struct{}{}}
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
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &listener{tell}
	w.listeners[l] = struct{}{}
	if w.present == nil {
		w.present, w.stopped = w.waiter(), make(chan struct{})
		go w.run(w.offset(), w.present, w.stopped)
	}
	return func() { w.remove(l) }
}

func (w *Watch) remove(l *listener) {
	w.mu.Lock()
	delete(w.listeners, l)
	if len(w.listeners) > 0 || w.present == nil {
		w.mu.Unlock()
		return
	}
	stopped := w.stopped
	w.present.Close()
	w.present = nil
	w.mu.Unlock()
	<-stopped
}

// run compares the clocks whenever they may have parted.
func (w *Watch) run(before time.Duration, waiter Waiter, stopped chan<- struct{}) {
	defer close(stopped)
	for waiter.Wait() {
		now := w.offset()
		if (now - before).Abs() >= Least {
			before = now
			w.tell()
		}
	}
}

// tell calls every listener, without the lock: a listener may take its time, and
// locks of its own.
func (w *Watch) tell() {
	w.mu.Lock()
	listeners := slices.Collect(maps.Keys(w.listeners))
	w.mu.Unlock()
	for _, l := range listeners {
		l.tell()
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
