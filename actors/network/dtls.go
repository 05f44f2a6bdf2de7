package network

import (
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
func shakeHands(ctx context.Context, conn net.Conn, s *security, tell func(messages.HandshakeStep)) (session, error) {
	h := newHandshaker(ctx, conn)
	h.tell = tell
	made, err := h.run(s)
	if err != nil {
		_ = h.socket.Close()
		return nil, err
	}
	return made, nil
}

// handshaker is the I/O of one handshake.
type handshaker struct {
	ctx      context.Context
	conn     net.Conn // for its deadlines
	socket   *socket
	deadline time.Time // of ctx; zero for none

	tell func(messages.HandshakeStep)
	told messages.HandshakeStep
}

func newHandshaker(ctx context.Context, conn net.Conn) *handshaker {
	deadline, _ := ctx.Deadline()
	return &handshaker{ctx: ctx, conn: conn, socket: newSocket(conn), deadline: deadline}
}

func (h *handshaker) run(s *security) (*dtlsSession, error) {
	defer context.AfterFunc(h.ctx, func() { _ = h.conn.SetReadDeadline(time.Unix(0, 1)) })()
	config := s.config()
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
		out = core.Receive(time.Now(), b[:n])
		buffers.Put(b)
		return out, nil
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

// dtlsSession is an established session on its socket.
type dtlsSession struct {
	socket *socket

	// mu guards what follows, and holds from a record's sequence number until
	// the record is sent: records leave in their order. Nothing waits under it.
	mu      sync.Mutex
	session *dtls.Session
	over    error // why the session has ended; nil as long as it has not

	rest []byte // of a datagram with several records; the reader's own
}

// Read returns the next application data. Other records are dropped, or end the
// session.
func (s *dtlsSession) Read() (data []byte, err error) {
	for data == nil && err == nil {
		if rest := s.rest; len(rest) > 0 {
			data, err = s.open(rest)
			continue
		}
		data, err = s.receive()
	}
	return data, err
}

func (s *dtlsSession) receive() ([]byte, error) {
	b, n, err := s.socket.receive()
	if err != nil {
		return nil, err
	}
	defer buffers.Put(b)
	return s.open(b[:n])
}

// open processes the records of a datagram up to the first one with data. It
// keeps no reference to it.
func (s *dtlsSession) open(datagram []byte) ([]byte, error) {
	s.rest = nil
	for len(datagram) > 0 {
		e, rest, err := s.next(datagram)
		switch {
		case err != nil:
			return nil, err
		case e.Err != nil:
			return nil, s.end(&ClosedError{Err: e.Err})
		case e.Closed:
			return nil, s.end(&ClosedError{Alert: e.Alert})
		case e.Data != nil:
			s.rest = append([]byte(nil), rest...) // seldom more than nothing
			return append([]byte(nil), e.Data...), nil
		}
		datagram = rest
	}
	return nil, nil
}

func (s *dtlsSession) next(datagram []byte) (dtls.Event, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, rest := s.session.Next(datagram)
	return e, rest, s.socket.sendAll(e.Send)
}

// end makes every later Write fail with the error of this Read.
func (s *dtlsSession) end(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = err
	return err
}

// Write encrypts and sends one datagram.
func (s *dtlsSession) Write(datagram []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return s.over
	}
	sealed, err := s.session.Seal(make([]byte, 0, len(datagram)+s.session.Overhead()), datagram)
	if err != nil {
		return &ClosedError{Err: err}
	}
	return s.socket.send(sealed)
}

// Close sends close_notify and closes the socket.
func (s *dtlsSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if goodbye, err := s.session.Goodbye(nil); err == nil {
		_ = s.socket.send(goodbye)
	}
	return s.socket.Close()
}
