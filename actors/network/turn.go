package network

import (
	"context"
	"time"

	"github.com/holdfast-iot/holdfast/internal/admission"
)

// turn is the right of one handshake to go on, which may lapse and come back. Its methods
// do nothing on nil, which is a turn without end.
type turn struct {
	ctx    context.Context // of the link; it has no deadline
	runner *runner
	pass   *admission.Pass
	moved  time.Duration // by the wait before the first datagram
}

// awaitTurn waits until a link may shake hands; those that do not may go on at once. The wait does not
// count: turn.end moves the deadline. The error is that of ctx.
func (r *runner) awaitTurn(ctx context.Context, o open) (*turn, error) {
	if r.gate == nil || o.security == nil || o.terms.movable() {
		return nil, nil
	}
	t := &turn{ctx: ctx, runner: r}
	var err error
	t.moved, err = t.await(func(waits func()) (err error) {
		t.pass, err = r.gate.Enter(ctx, o.remote, waits)
		return err
	})
	return t, err
}

// end returns a deadline that was given before the wait.
func (t *turn) end(deadline time.Time) time.Time {
	if t == nil {
		return deadline
	}
	return deadline.Add(t.moved)
}

// heard is called when something has come. It waits for another turn where this one has
// lapsed, and returns for how long; then waits is called before. The error is that of the
// link's context.
func (t *turn) heard(waits func()) (waited time.Duration, err error) {
	if t == nil {
		return 0, nil
	}
	return t.await(func(tell func()) error {
		return t.pass.Heard(t.ctx, func() { waits(); tell() })
	})
}

// await reports the beginning and the end of a wait, if there is one.
func (t *turn) await(wait func(waits func()) error) (waited time.Duration, err error) {
	var since time.Time
	err = wait(func() {
		since = time.Now()
		t.runner.report(queued{epoch: t.runner.epoch})
	})
	if err != nil || since.IsZero() {
		return 0, err
	}
	t.runner.report(admitted{epoch: t.runner.epoch})
	return time.Since(since), nil
}

// over gives the turn back. It may be called any number of times.
func (t *turn) over() {
	if t != nil {
		t.pass.Leave()
	}
}
