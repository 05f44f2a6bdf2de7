package network

import (
	"context"

	"github.com/holdfast-iot/holdfast/messages"
)

// session carries datagrams between two peers, protected or not. Read may be
// called by one goroutine at a time; Write and Close by any. Errors end the
// session, and are of the types of errors.go or *SocketError.
type session interface {
	// Read waits for the next datagram and returns it, whole. It is the
	// caller's own. errTruncated says that one was dropped, and does not end
	// the session.
	Read() ([]byte, error)
	// Record returns the sequence number of the record that the last Read has
	// returned; 0 where there are none. The reader calls it.
	Record() uint64
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
		return goOn(conn, *o.terms)
	}
	terms := terms{}
	if o.terms != nil {
		terms = *o.terms
	}
	return shakeHandsIn(ctx, turn, conn, o.security, terms, tell)
}

// plainSession is UDP without protection (security mode 3).
type plainSession struct{ socket *socket }

func (s *plainSession) Read() ([]byte, error) {
	b, n, err := s.socket.receive()
	if err != nil {
		return nil, err
	}
	data := append([]byte(nil), b[:n]...)
	buffers.Put(b)
	return data, nil
}

func (s *plainSession) Record() uint64 { return 0 }

func (s *plainSession) Write(datagram []byte) error { return s.socket.send(datagram) }

func (s *plainSession) Close() error { return s.socket.Close() }
