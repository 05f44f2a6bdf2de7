package network

import (
	"context"
	"sync/atomic"

	"github.com/holdfast-iot/holdfast/messages"
)

// runner is the I/O of one link, on one goroutine at a time: one that connects,
// then one that reads. It owns the session from the first packet to the last
// and closes it; others may only write to it.
type runner struct {
	epoch     messages.Epoch
	transport Transport

	// report takes an input for the actor, deliver a datagram for
	// coapresend. Both are called on the runner's goroutine and do not
	// block.
	report  func(input any)
	deliver func(messages.Datagram)

	session atomic.Pointer[session]
}

func newRunner(epoch messages.Epoch, transport Transport, report func(any), deliver func(messages.Datagram)) *runner {
	return &runner{epoch: epoch, transport: transport, report: report, deliver: deliver}
}

// connect dials and shakes hands, until the effect's deadline. The session that
// it makes is closed when ctx ends.
func (r *runner) connect(ctx context.Context, o open) {
	bounded, cancel := context.WithDeadline(ctx, o.deadline)
	made, err := establish(bounded, r.transport, o.remote, o.security)
	cancel()
	if err != nil {
		r.fail(ctx, err)
		return
	}
	context.AfterFunc(ctx, func() { _ = made.Close() }) // which unblocks serve
	r.session.Store(&made)
	r.report(connected{epoch: r.epoch})
}

// serve delivers datagrams until the link fails or ctx ends. It runs on a new
// goroutine, because the stack of the other one has grown during the handshake.
func (r *runner) serve(ctx context.Context) { r.fail(ctx, r.read(*r.session.Load())) }

func (r *runner) read(s session) error {
	for {
		data, err := s.Read()
		if err != nil {
			return err
		}
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

// fail reports an error, unless the link is being closed.
func (r *runner) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.report(broken{epoch: r.epoch, err: err})
	}
}
