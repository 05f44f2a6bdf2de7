package lwm2mtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Observation is one message that a [Probe] has seen.
type Observation struct {
	Time    time.Time
	Actor   string
	Stage   Stage
	Message any
}

// probeLimit is the number of observations that a probe holds for Expect.
const probeLimit = 65536

// Probe records the messages that actors receive, so that a test can wait for
// them with [Expect]. It must be made with NewProbe.
type Probe struct {
	watch func(actor string, stage Stage) bool

	mu      sync.Mutex
	pending []Observation
	lost    int
	changed chan struct{} // closed and replaced at every observation
}

// NewProbe returns a probe of what watch selects; nil selects every message
// that is invoked.
func NewProbe(watch func(actor string, stage Stage) bool) *Probe {
	if watch == nil {
		watch = func(_ string, stage Stage) bool { return stage == StageInvoked }
	}
	return &Probe{watch: watch, changed: make(chan struct{})}
}

// Message implements [Tap].
func (p *Probe) Message(actor string, stage Stage, msg any) {
	if !p.watch(actor, stage) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == probeLimit {
		p.pending = slices.Delete(p.pending, 0, probeLimit/2)
		p.lost += probeLimit / 2
	}
	p.pending = append(p.pending, Observation{Time: time.Now(), Actor: actor, Stage: stage, Message: msg})
	close(p.changed)
	p.changed = make(chan struct{})
}

// Pending returns what the probe has seen and Expect has not consumed, oldest
// first.
func (p *Probe) Pending() []Observation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pending)
}

// Discard consumes everything seen so far.
func (p *Probe) Discard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = nil
}

// ProbeError says that an expected message did not come.
type ProbeError struct {
	Wanted string // the type
	Seen   int    // messages that were seen instead
	Lost   int    // messages that the probe could not hold
	Cause  error  // the context's error
}

// Error returns a sentence for a person. It shows no message's content.
func (e *ProbeError) Error() string {
	return fmt.Sprintf("lwm2mtest: no matching %s among %d messages (%d lost): %v", e.Wanted, e.Seen, e.Lost, e.Cause)
}

// Unwrap returns the context's error.
func (e *ProbeError) Unwrap() error { return e.Cause }

// Expect waits for a message of type T for which match holds, nil matching
// all, and returns it. It consumes that message and all that the probe has seen
// before it, so that consecutive calls assert an order. The error is a
// *ProbeError, when ctx ends first; nothing is consumed then.
func Expect[T any](ctx context.Context, p *Probe, match func(T) bool) (T, error) {
	for {
		msg, seen, changed, ok := take(p, match)
		if ok {
			return msg, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			var none T
			return none, &ProbeError{Wanted: fmt.Sprintf("%T", none), Seen: seen, Lost: p.lostCount(), Cause: ctx.Err()}
		}
	}
}

// take consumes the first match, if any.
func take[T any](p *Probe, match func(T) bool) (msg T, seen int, changed <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range p.pending {
		msg, is := o.Message.(T)
		if is && (match == nil || match(msg)) {
			p.pending = slices.Delete(p.pending, 0, i+1)
			return msg, i, p.changed, true
		}
	}
	return msg, len(p.pending), p.changed, false
}

func (p *Probe) lostCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}
