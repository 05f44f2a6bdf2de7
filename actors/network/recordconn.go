package network

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// readBufferSize is the length of every read buffer, in bytes; pion's
	// has the same. A datagram that fills it is dropped.
	readBufferSize = 8192
	// writeLimit bounds one write. UDP blocks only while the kernel's send
	// buffer is full.
	writeLimit = time.Second
	// maxHandshakeDatagrams bounds what one handshake takes from the peer's
	// address, where nothing is authenticated yet. A server that resends a
	// large flight for three minutes sends fewer than a hundred.
	maxHandshakeDatagrams = 256
)

// recordConn is the socket below pion: a connected datagram socket made into
// the net.PacketConn that pion wants. It hides from pion what could harm it,
// spaces the resends of a handshake, and remembers what pion swallows.
type recordConn struct {
	net.Conn

	mu          sync.Mutex // guards the rest
	established bool
	ending      bool // reads end with io.EOF
	gate        gate
	order       order
	seen        progress
}

// progress is what a handshake has shown so far.
type progress struct {
	datagrams   int   // received
	serverHello bool  // received
	sentAlert   uint8 // the last fatal alert sent in clear, 0 for none
	socket      error // *SocketError of the first failed read or write
}

// ReadFrom returns the next datagram that pion may see, whole.
func (c *recordConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, err := readWhole(c.Conn, b)
		if err != nil {
			return 0, nil, c.readError(err)
		}
		if n = c.receive(b[:n]); n > 0 {
			return n, c.RemoteAddr(), nil
		}
	}
}

// WriteTo writes a datagram to the peer, whatever the address says. A
// datagram that the gate keeps counts as sent.
func (c *recordConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	if !c.send(b) {
		return len(b), nil
	}
	if err := writeWhole(c.Conn, b); err != nil {
		c.fail(opWrite, err)
		return 0, err
	}
	return len(b), nil
}

// establish ends the handshake: from now on only protected records count.
func (c *recordConn) establish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.established = true
}

// endReads makes the present and every later read end with io.EOF, which pion
// takes for the end of the session.
func (c *recordConn) endReads() {
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	_ = c.SetReadDeadline(time.Unix(0, 1)) // fails on a closed socket, whose reads end too
}

func (c *recordConn) readError(err error) error {
	c.mu.Lock()
	ending := c.ending
	c.mu.Unlock()
	if ending {
		return io.EOF
	}
	c.fail(opRead, err)
	return err
}

// progress returns what has been seen until now.
func (c *recordConn) progress() progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// receive notes a datagram and filters its records.
func (c *recordConn) receive(datagram []byte) (length int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.established {
		return filter(datagram, wantedWhenUp)
	}
	if c.seen.datagrams++; c.seen.datagrams > maxHandshakeDatagrams {
		return 0
	}
	return filter(datagram, func(r record) bool {
		c.seen.serverHello = c.seen.serverHello || holdsServerHello(r)
		return wantedInHandshake(r) && c.order.admits(r)
	})
}

// send notes an outgoing datagram and reports whether it leaves.
func (c *recordConn) send(datagram []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.established {
		return true
	}
	if number, ok := fatalAlert(datagram); ok {
		c.seen.sentAlert = number
	}
	return c.gate.passes(datagram)
}

// fail remembers the first error of the socket. pion's own deadlines and the
// closing of the socket are no failures.
func (c *recordConn) fail(op string, err error) {
	if isTimeout(err) || errors.Is(err, net.ErrClosed) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen.socket == nil {
		c.seen.socket = newSocketError(op, c.RemoteAddr(), err)
	}
}

// readWhole reads one datagram that was certainly not cut: those that fill the
// buffer are dropped.
func readWhole(conn net.Conn, b []byte) (int, error) {
	for {
		n, err := conn.Read(b)
		if err != nil || n < len(b) {
			return n, err
		}
	}
}

// writeWhole writes one datagram. A full send buffer loses the datagram, as
// the network may at any time; it is no error.
func writeWhole(conn net.Conn, b []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	_, err := conn.Write(b)
	if isTimeout(err) || errors.Is(err, syscall.ENOBUFS) {
		return nil
	}
	return err
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
