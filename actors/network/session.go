package network

import (
	"context"

	"github.com/holdfast-iot/holdfast/messages"
)

// session carries datagrams between two peers, protected or not. Read may be
// called by one goroutine at a time; Write and Close by any. Errors end the
// session, and are of the types of errors.go or *SocketError.
type session interface {
	// Read waits for the next datagram and returns it, whole, and the sequence
	// number of its record, where there is one. It is the
	// caller's own. errTruncated says that one was dropped, and does not end
	// the session.
	Read() (data []byte, record uint64, err error)
	// Write sends one datagram, which it may keep. It never waits: errNoRoom
	// says that the datagram was lost, and does not end the session.
	Write(datagram []byte) error
	// Close sends close_notify where there is a protected session, and closes
	// the socket. A blocked Read returns.
	Close() error
}

// establish dials remote and, with a security, shakes hands, unless there is a session
// to go on with. It is bounded by ctx; nothing is left open when it fails. How far a
// handshake has come is told.
func establish(ctx context.Context, transport Transport, o open, turn *turn, tell func(messages.HandshakeStep)) (session, error) {
	if o.security != nil {
		if err := o.security.ready(); err != nil {
			return nil, err
		}
	}
	conn, err := transport.Dial(ctx, o.remote)
	switch {
	case err != nil:
		return nil, &SocketError{Op: opDial, Remote: o.remote, Err: err}
	case o.security == nil:
		return &plainSession{socket: newSocket(conn)}, nil
	case o.terms.movable():
		return goOn(conn, o.terms)
	}
	return shakeHandsIn(ctx, turn, conn, o.security, o.terms, tell)
}

// plainSession is UDP without protection (security mode 3).
type plainSession struct{ socket *socket }

func (s *plainSession) Read() ([]byte, uint64, error) {
	b, n, err := s.socket.receive()
	if err != nil {
		return nil, 0, err
	}
	data := append([]byte(nil), b[:n]...)
	buffers.Put(b)
	return data, 0, nil
}

func (s *plainSession) Write(datagram []byte) error { return s.socket.send(datagram) }

func (s *plainSession) Close() error { return s.socket.Close() }
