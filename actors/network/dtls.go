package network

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

// shakeHands makes a DTLS session over a connected socket, which it owns from
// now on. It runs the pure core of a handshake on the caller's goroutine, until
// ctx ends: nothing else runs, and nothing is left of it.
// tell, when not nil, is told whenever the handshake has come further.
func shakeHands(ctx context.Context, conn net.Conn, s *security, t terms, tell func(messages.HandshakeStep)) (session, error) {
	return shakeHandsIn(ctx, nil, conn, s, t, tell)
}

// shakeHandsIn does so in a turn, nil for one that does not end. While it waits for
// another one the deadline of ctx is moved.
func shakeHandsIn(ctx context.Context, turn *turn, conn net.Conn, s *security, t terms, tell func(messages.HandshakeStep)) (session, error) {
	h := newHandshaker(ctx, conn)
	h.tell = tell
	if turn != nil {
		h.turn, h.ctx = turn, turn.ctx
	}
	made, err := h.run(s.config(t))
	if err != nil {
		_ = h.socket.Close()
		return nil, err
	}
	if t.reserve && made.session.Movable() {
		made.session.Reserve(messages.SequenceBlock)
	}
	made.is, made.origin = t.describe(made.session, time.Now())
	return made, nil
}

// goOn makes a session over a connected socket, which it owns from now on, of one that
// the server finds by its Connection ID.
func goOn(conn net.Conn, t terms) (session, error) {
	restored, err := dtls.Restore(*t.resume)
	if err != nil {
		_ = conn.Close()
		return nil, &HandshakeError{Err: err}
	}
	if reserved := t.from.Reserved; reserved > 0 || !t.reserve {
		restored.Reserve(reserved)
	} else { // there was no record of it, and may be one from now on
		restored.Reserve(restored.NextSequence() + messages.SequenceBlock)
	}
	made := &dtlsSession{socket: newSocket(conn), session: restored}
	made.is, made.origin = t.describe(restored, time.Time{})
	made.is.Unproven = t.from.Unproven
	return made, nil
}

// handshaker is the I/O of one handshake.
type handshaker struct {
	ctx      context.Context
	conn     net.Conn // for its deadlines
	socket   *socket
	deadline time.Time // of ctx; zero for none

	turn *turn // nil for one that does not end
	tell func(messages.HandshakeStep)
	told messages.HandshakeStep
}

func newHandshaker(ctx context.Context, conn net.Conn) *handshaker {
	deadline, _ := ctx.Deadline()
	return &handshaker{ctx: ctx, conn: conn, socket: newSocket(conn), deadline: deadline}
}

func (h *handshaker) run(config dtls.Config) (*dtlsSession, error) {
	defer context.AfterFunc(h.ctx, func() { _ = h.conn.SetReadDeadline(time.Unix(0, 1)) })()
	config.Random = rand.Reader
	core, out, err := dtls.Start(config, time.Now())
	if err != nil {
		return nil, &HandshakeError{Err: err}
	}
	for {
		if err := h.socket.sendAll(out.Send); err != nil {
			return nil, lastWord(core, err)
		}
		switch {
		case out.Session != nil:
			return &dtlsSession{socket: h.socket, session: out.Session}, h.conn.SetReadDeadline(time.Time{})
		case out.Err != nil:
			return nil, explain(out.Err)
		}
		h.tellStep(core.Step())
		if out, err = h.next(core, out.Wake); err != nil {
			return nil, lastWord(core, err)
		}
	}
}

// tellStep tells how far the handshake has come, unless that is known.
func (h *handshaker) tellStep(step dtls.Step) {
	if now := handshakeStep(step); h.tell != nil && now != h.told {
		h.told = now
		h.tell(now)
	}
}

// lastWord returns the alert of a server that has then closed its port, instead
// of the error of the resend that found the port closed.
func lastWord(core *dtls.Handshake, err error) error {
	if alert := core.Alert(); alert != nil && errors.Is(err, syscall.ECONNREFUSED) {
		return explain(alert)
	}
	return err
}

// next waits for a datagram, or for the instant at which the core wants to be
// called.
func (h *handshaker) next(core *dtls.Handshake, wake time.Time) (out dtls.Output, err error) {
	if !h.deadline.IsZero() && h.deadline.Before(wake) {
		wake = h.deadline
	}
	if err := h.conn.SetReadDeadline(wake); err != nil {
		return dtls.Output{}, newSocketError(opRead, h.conn.RemoteAddr(), err)
	}
	if err := h.ended(core); err != nil {
		return dtls.Output{}, err // only now: cancelling sets a deadline too
	}
	b, n, err := h.socket.receive()
	switch {
	case err == nil:
		return h.take(core, b, n)
	case err == errTruncated:
		return dtls.Output{Wake: wake}, nil
	case !isTimeout(err):
		return dtls.Output{}, err
	}
	if err := h.ended(core); err != nil {
		return dtls.Output{}, err
	}
	return core.Expire(time.Now()), nil
}

// take hands a datagram to the core, as soon as this handshake has its turn. While it
// waits, it holds no buffer.
func (h *handshaker) take(core *dtls.Handshake, b *buffer, n int) (dtls.Output, error) {
	data, giveBack := b[:n], sync.OnceFunc(func() { buffers.Put(b) })
	defer giveBack()
	waited, err := h.turn.heard(func() {
		data = bytes.Clone(data)
		giveBack()
	})
	if err != nil {
		return dtls.Output{}, err
	}
	if !h.deadline.IsZero() {
		h.deadline = h.deadline.Add(waited)
	}
	return core.Receive(time.Now(), data), nil
}

// ended says why the handshake may not go on; nil when it may.
func (h *handshaker) ended(core *dtls.Handshake) error {
	if errors.Is(h.ctx.Err(), context.Canceled) {
		return h.ctx.Err()
	}
	if h.ctx.Err() == nil && (h.deadline.IsZero() || time.Now().Before(h.deadline)) {
		return nil
	}
	if alert := core.Alert(); alert != nil {
		return explain(alert)
	}
	return newHandshakeTimeout(core.Progress())
}

// explain turns the core's error into one of this package's types.
func explain(err error) error {
	var (
		alert       *dtls.AlertError
		refusal     *dtls.RefusalError
		certificate *dtls.CertificateError
		signer      *dtls.SignerError
	)
	switch {
	case errors.As(err, &signer):
		return &CredentialsError{Reason: SignerFailed, Err: signer.Err}
	case errors.As(err, &alert):
		return &AlertError{Number: alert.Number, Answered: alert.Answered}
	case errors.As(err, &certificate):
		return &ServerCertificateError{Err: certificate.Err}
	case errors.As(err, &refusal):
		return &HandshakeError{Alert: refusal.Alert, Err: refusal.Err}
	}
	return &HandshakeError{Err: err}
}
