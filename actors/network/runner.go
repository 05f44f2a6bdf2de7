package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/holdfast-iot/holdfast/internal/admission"
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

	gate *admission.Gate // who shakes hands when; nil for everybody at once

	session atomic.Pointer[session]  // nil before the link is up, and once it is closed
	conn    atomic.Pointer[net.Conn] // the socket below; nil before there is one
	closed  atomic.Bool
	left    atomic.Bool // what is left of the session is somebody else's
}

func newRunner(epoch messages.Epoch, transport Transport, report func(any), deliver func(any)) *runner {
	return &runner{epoch: epoch, transport: transport, report: report, deliver: deliver}
}

// connect dials and shakes hands, until the effect's deadline or the end of ctx.
func (r *runner) connect(ctx context.Context, o open) {
	turn, err := r.awaitTurn(ctx, o)
	if err != nil {
		r.fail(err)
		return
	}
	defer turn.over()
	bounded, cancel := context.WithDeadline(ctx, turn.end(o.deadline))
	made, err := establish(bounded, noting{r.transport, r}, o, turn, func(step messages.HandshakeStep) {
		step.Epoch = r.epoch
		r.report(step)
	})
	cancel()
	if err != nil {
		r.fail(err)
		return
	}
	r.session.Store(&made)
	if r.closed.Load() { // meanwhile
		r.left.Store(true)
		r.close()
		return
	}
	up := connected{epoch: r.epoch}
	if s, secured := made.(*dtlsSession); secured {
		is := s.watch(func(next uint64) { r.report(sequenceLow{epoch: r.epoch, next: next}) })
		up.origin, up.session = s.origin, &is
	}
	r.report(up)
}

// noting is a transport of which a runner knows the socket.
type noting struct {
	Transport
	runner *runner
}

// Dial implements Transport.
func (n noting) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	conn, err := n.Transport.Dial(ctx, remote)
	if err == nil {
		n.runner.conn.Store(&conn)
	}
	return conn, err
}

// localOf returns the address of this machine that a socket has; an invalid one where that
// is not known.
func localOf(conn net.Conn) netip.Addr {
	udp, is := conn.LocalAddr().(*net.UDPAddr)
	if !is {
		return netip.Addr{}
	}
	return udp.AddrPort().Addr().Unmap().WithZone("")
}

// compareLimit bounds how long it may take to open a socket for a comparison.
const compareLimit = 5 * time.Second

// compare returns the address of the link's socket, and that which a new one to the same
// peer has. What is not known is invalid.
func (r *runner) compare(ctx context.Context, remote netip.AddrPort) (local, fresh netip.Addr) {
	if known := r.conn.Load(); known != nil {
		local = localOf(*known)
	}
	conn, err := r.transport.Dial(ctx, remote)
	if err != nil {
		return local, netip.Addr{}
	}
	defer func() { _ = conn.Close() }() // nothing was sent over it
	return local, localOf(conn)
}

// serve waits for a datagram and delivers it. It reports whether to wait for the
// next one: not when the link has failed or is closed.
func (r *runner) serve() (more bool) {
	s := r.session.Load()
	if s == nil {
		return false
	}
	data, err := (*s).Read()
	switch err {
	case nil:
		r.deliver(messages.Datagram{Epoch: r.epoch, Data: data, Record: (*s).Record()})
	case errTruncated:
		r.deliver(messages.Truncated{Epoch: r.epoch})
	case errLeft:
		return false
	default:
		r.fail(err)
		return false
	}
	return true
}

// close closes the session, once, which ends the wait of serve. It may write a
// farewell, but not over a session that was lent, and that whoever has lent it has back:
// the next link would use the number of that record again.
func (r *runner) close() {
	r.closed.Store(true)
	s := r.session.Swap(nil)
	if s == nil {
		return
	}
	if secured, is := (*s).(*dtlsSession); is && r.left.Load() && secured.origin == messages.SessionKept {
		_, _ = secured.leave()
	}
	_ = (*s).Close()
}

// leave takes what is left of the session, which nobody uses any more. It does not close
// the socket. Where there is no session yet, one that is ready later is left unused.
func (r *runner) leave() (left messages.SecureSession, ok bool) {
	r.left.Store(true)
	if s := r.secured(); s != nil {
		return s.leave()
	}
	return left, false
}

// reserve allows the sequence numbers below until.
func (r *runner) reserve(until uint64) {
	if s := r.secured(); s != nil {
		s.reserve(until)
	}
}

// secured returns the session while it is a protected one and not closed, else nil.
func (r *runner) secured() *dtlsSession {
	if s := r.session.Load(); s != nil {
		secured, _ := (*s).(*dtlsSession)
		return secured
	}
	return nil
}

// write sends one datagram, on any goroutine, and reports whether it has left.
// It never waits. A failure ends the link.
func (r *runner) write(datagram []byte) (sent bool) {
	s := r.session.Load()
	if s == nil {
		return false
	}
	err := (*s).Write(datagram)
	if err != nil && err != errNoRoom && err != errLeft && !errors.Is(err, net.ErrClosed) {
		r.report(broken{epoch: r.epoch, err: err})
	}
	return err == nil
}

// fail reports an error, unless the link is being closed.
func (r *runner) fail(err error) {
	if !r.closed.Load() {
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
