package network

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// readBufferSize is the length of every read buffer, in bytes. A datagram that
// fills it may have been cut by the kernel and is dropped.
const readBufferSize = 8192

// buffer is room for one datagram.
type buffer [readBufferSize]byte

// buffers are shared by all links: one that waits for a datagram holds none.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

var (
	// errNoRoom says that a datagram was not sent because the socket had no
	// room for it: it is lost, as the network may lose it at any time.
	errNoRoom = errors.New("no room to send")
	// errTruncated says that a datagram was dropped because it may have been
	// cut.
	errTruncated = errors.New("datagram too long")
)

// ImmediateWriter is a connection whose writes never wait. A [Transport] may
// return one that is no socket of the operating system; to any other a link
// writes on a goroutine of its own.
type ImmediateWriter interface {
	// WriteNow writes one datagram, or fails at once.
	WriteNow(datagram []byte) (int, error)
}

// socket is a connected socket as a link uses it: a read waits, and holds no
// buffer meanwhile where that can be helped; a write never waits. One goroutine
// at a time may receive; send and Close may be called by any.
type socket struct {
	conn  net.Conn
	ready readiness // of the operating system's sockets
	in    reader
	out   writer
}

// reader waits for a datagram and returns it in a buffer, which the caller gives
// back to buffers. It is called right below receive: most goroutines of a process
// wait here, each call between costs 80 bytes of their stacks, and where these exceed
// 1,100 Go begins with 4 KB instead of 2.
type reader interface {
	receive() (b *buffer, n int, err error)
}

// writer sends datagrams without waiting.
type writer interface {
	// send takes a datagram, which it may keep. It fails with errNoRoom when
	// the datagram is lost, and with anything else when the link is.
	send(datagram []byte) error
	// failed returns why the link is lost, where that was found out between
	// two calls of send.
	failed() error
	// close closes the connection.
	close() error
}

func newSocket(conn net.Conn) *socket {
	s := &socket{conn: conn, in: blocking{conn}}
	switch c := conn.(type) {
	case ImmediateWriter:
		s.out = immediate{conn, c}
	default:
		if s.ready.adopt(conn); s.ready.raw != nil {
			s.in, s.out = &s.ready, &s.ready
		} else {
			s.out = &outbox{conn: conn}
		}
	}
	return s
}

// receive waits for one datagram and returns it in a buffer, which the caller
// gives back to buffers. A datagram that fills the buffer is errTruncated.
func (s *socket) receive() (b *buffer, n int, err error) {
	for n == 0 && err == nil {
		b, n, err = s.in.receive()
		if err == nil && (n == 0 || n == len(b)) {
			buffers.Put(b)
		}
	}
	switch {
	case err == nil && n == len(b):
		return nil, 0, errTruncated
	case err != nil && s.out.failed() != nil:
		return nil, 0, s.out.failed()
	case err != nil:
		return nil, 0, newSocketError(opRead, s.conn.RemoteAddr(), err)
	}
	return b, n, nil
}

// blocking reads from a connection of which nothing says when there is something to
// read: it holds a buffer while it waits.
type blocking struct{ net.Conn }

func (c blocking) receive() (*buffer, int, error) {
	b := buffers.Get().(*buffer)
	n, err := c.Read(b[:])
	if err != nil {
		buffers.Put(b)
	}
	return b, n, err
}

// send sends one datagram. Its errors are errNoRoom, or of type *SocketError.
func (s *socket) send(datagram []byte) error {
	err := s.out.send(datagram)
	switch {
	case err == nil, err == errNoRoom:
		return err
	case hasNoRoom(err):
		return errNoRoom
	}
	return newSocketError(opWrite, s.conn.RemoteAddr(), err)
}

// sendAll sends datagrams in order. What there is no room for is lost.
func (s *socket) sendAll(datagrams [][]byte) error {
	for _, d := range datagrams {
		if err := s.send(d); err != nil && err != errNoRoom {
			return err
		}
	}
	return nil
}

// Close closes the socket. A blocked receive returns.
func (s *socket) Close() error { return s.out.close() }

// immediate writes to a connection that says that it never waits.
type immediate struct {
	net.Conn
	writer ImmediateWriter
}

func (i immediate) send(datagram []byte) error {
	_, err := i.writer.WriteNow(datagram)
	return err
}

func (immediate) failed() error { return nil }

func (i immediate) close() error { return i.Conn.Close() }

// hasNoRoom reports whether a write failed because there was no room for the
// datagram just then: the next one may find some.
func hasNoRoom(err error) bool { return isTimeout(err) || errors.Is(err, syscall.ENOBUFS) }

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func newSocketError(op string, remote net.Addr, err error) *SocketError {
	e := &SocketError{Op: op, Err: err}
	if udp, ok := remote.(*net.UDPAddr); ok {
		e.Remote = udp.AddrPort()
	}
	return e
}
