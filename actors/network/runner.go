package network

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/holdfast-iot/holdfast/messages"
)

// runner is the goroutine of one link. It owns the session from the first
// packet to the last and closes it; others may only write to it.
type runner struct {
	epoch     messages.Epoch
	transport Transport

	// report takes an input for the actor, deliver a datagram for
	// coapresend. Both are called on the runner's goroutine and do not
	// block.
	report  func(input any)
	deliver func(messages.Datagram)

	session atomic.Pointer[session]
	serve   chan struct{} // closed when the peers know that the link is up
}

func newRunner(epoch messages.Epoch, transport Transport, report func(any), deliver func(messages.Datagram)) *runner {
	return &runner{epoch: epoch, transport: transport, report: report, deliver: deliver, serve: make(chan struct{})}
}

// run dials, shakes hands and reads until the link fails or ctx ends. Only the
// first part is bounded by the effect's deadline.
func (r *runner) run(ctx context.Context, o open) {
	bounded, cancel := context.WithDeadline(ctx, o.deadline)
	made, err := establish(bounded, r.transport, o.remote, o.security)
	cancel()
	if err != nil {
		r.fail(ctx, err)
		return
	}
	closing := sync.OnceFunc(func() { _ = made.Close() })
	defer closing()
	defer context.AfterFunc(ctx, closing)() // unblocks read
	r.session.Store(&made)
	r.report(connected{epoch: r.epoch})
	select {
	case <-ctx.Done():
	case <-r.serve:
		r.fail(ctx, r.read(made))
	}
}

// read delivers datagrams until the session fails.
func (r *runner) read(s session) error {
	buffer := make([]byte, readBufferSize)
	for {
		n, err := s.Read(buffer)
		if err != nil {
			return err
		}
		data := append([]byte(nil), buffer[:n]...)
		r.deliver(messages.Datagram{Epoch: r.epoch, Data: data})
	}
}

// write sends one datagram, if there is a session to send it on.
func (r *runner) write(datagram []byte) error {
	s := r.session.Load()
	if s == nil {
		return nil
	}
	return (*s).Write(datagram)
}

// fail reports an error, unless the link is being closed: then nobody asks.
func (r *runner) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.report(broken{epoch: r.epoch, err: err})
	}
}
