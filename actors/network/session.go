package network

import (
	"context"
	"net"
	"net/netip"
)

// session carries datagrams between two peers, protected or not. Read may be
// called by one goroutine at a time; Write and Close by any. Errors end the
// session, and are of the types of errors.go or *SocketError.
type session interface {
	// Read waits for the next datagram and returns it, whole. It is the
	// caller's own.
	Read() ([]byte, error)
	// Write sends one datagram; it does not keep it.
	Write(datagram []byte) error
	// Close sends close_notify where there is a protected session, and closes
	// the socket. A blocked Read returns.
	Close() error
}

// establish dials remote and, with a security, shakes hands. It is bounded by
// ctx; nothing is left open when it fails.
func establish(ctx context.Context, transport Transport, remote netip.AddrPort, s *security) (session, error) {
	conn, err := transport.Dial(ctx, remote)
	if err != nil {
		return nil, &SocketError{Op: opDial, Remote: remote, Err: err}
	}
	if s == nil {
		return &plainSession{conn: conn}, nil
	}
	return shakeHands(ctx, conn, s)
}

// plainSession is UDP without protection (security mode 3).
type plainSession struct{ conn net.Conn }

func (s *plainSession) Read() (data []byte, err error) {
	err = receive(s.conn, func(datagram []byte) { data = append([]byte(nil), datagram...) })
	if err != nil {
		return nil, newSocketError(opRead, s.conn.RemoteAddr(), err)
	}
	return data, nil
}

func (s *plainSession) Write(datagram []byte) error {
	if err := writeWhole(s.conn, datagram); err != nil {
		return newSocketError(opWrite, s.conn.RemoteAddr(), err)
	}
	return nil
}

func (s *plainSession) Close() error { return s.conn.Close() }
