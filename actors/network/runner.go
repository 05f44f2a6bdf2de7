package network

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/holdfast-iot/holdfast/messages"
)

// runner is the I/O of one link, on one goroutine at a time: one that connects,
// then one that reads. It owns the session from the first packet to the last
// and closes it; others may only write to it.
type runner struct {
	epoch     messages.Epoch
	transport Transport

	// report takes an input for the actor, deliver a messages.Datagram or
	// messages.Truncated for coapresend. Both are called on any goroutine and
	// do not block.
	report  func(input any)
	deliver func(message any)

	session atomic.Pointer[session]
}

func newRunner(epoch messages.Epoch, transport Transport, report func(any), deliver func(any)) *runner {
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
		switch err {
		case nil:
			r.deliver(messages.Datagram{Epoch: r.epoch, Data: data})
		case errTruncated:
			r.deliver(messages.Truncated{Epoch: r.epoch})
		default:
			return err
		}
	}
}

// write sends one datagram, on any goroutine, and reports whether it has left.
// It never waits. A failure ends the link.
func (r *runner) write(datagram []byte) (sent bool) {
	s := r.session.Load()
	if s == nil {
		return false
	}
	err := (*s).Write(datagram)
	if err != nil && err != errNoRoom && !errors.Is(err, net.ErrClosed) {
		r.report(broken{epoch: r.epoch, err: err})
	}
	return err == nil
}

// fail reports an error, unless the link is being closed.
func (r *runner) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.report(broken{epoch: r.epoch, err: err})
	}
}

// Outlet is where the datagrams of one link leave, from the instant at which the
// link is up until it is lost. It belongs to one incarnation: the network actor
// opens it, and coapresend sends without a detour over the network actor's
// mailbox. It is safe for concurrent use; the zero value is closed.
type Outlet struct{ run atomic.Pointer[runner] }

// Send sends one datagram, which it keeps, and reports whether it has left. It
// never waits: a datagram for which the socket has no room is lost, as UDP may
// lose it, and so is one for a link that is not up. An error of the socket ends
// the link.
func (o *Outlet) Send(datagram []byte) (sent bool) {
	run := o.run.Load()
	return run != nil && run.write(datagram)
}
