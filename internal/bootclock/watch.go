package bootclock

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/listeners"
)

const (
	// Interval is how often a Watch compares the clocks.
	Interval = 30 * time.Second
	// Least is the shortest sleep that is told; less is scheduling noise.
	Least = 2 * time.Second
)

// Clock returns how long the machine has been suspended so far, and whether
// this system can tell.
type Clock func() (slept time.Duration, supported bool)

// Watch tells listeners what the machine has slept. Its methods may be called
// from any goroutine.
type Watch struct {
	clock     Clock
	listeners listeners.Group[time.Duration]
}

// New returns a Watch of a clock; [Slept] is the real one.
func New(clock Clock) *Watch {
	return &Watch{clock: clock}
}

// Add has tell called with what the machine has slept, at most [Interval] after
// it woke. The function that Add returns ends that; tell may be under way for
// the last time meanwhile. When it was the last listener, the goroutine has
// ended on return: so tell must not call that function, and whoever calls it
// must hold no lock that tell takes.
func (w *Watch) Add(tell func(slept time.Duration)) (remove func()) {
	before, supported := w.clock()
	if !supported {
		return func() {}
	}
	return w.listeners.Add(tell, func() (end func()) {
		stop, stopped := make(chan struct{}), make(chan struct{})
		go w.run(before, stop, stopped)
		return func() {
			close(stop)
			<-stopped
		}
	})
}

// run compares the clocks until it is stopped.
func (w *Watch) run(before time.Duration, stop <-chan struct{}, stopped chan<- struct{}) {
	defer close(stopped)
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now, _ := w.clock()
		if slept := now - before; slept >= Least {
			w.listeners.Tell(slept)
		}
		before = now
	}
}
