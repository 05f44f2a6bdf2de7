package network

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// readBufferSize is the length of every read buffer, in bytes. A datagram
	// that fills it may have been cut by the kernel and is dropped.
	readBufferSize = 8192
	// writeLimit bounds one write. UDP blocks only while the kernel's send
	// buffer is full.
	writeLimit = time.Second
)

// buffer is room for one datagram.
type buffer [readBufferSize]byte

// buffers are shared by all links: one that waits for a datagram holds none.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// receive waits for one datagram that was certainly not cut (those that fill
// the buffer are dropped) and hands it to use, which must not keep it.
func receive(conn net.Conn, use func(datagram []byte)) error {
	for {
		b, n, err := await(conn)
		if err != nil {
			return err
		}
		whole := n > 0 && n < len(b)
		if whole {
			use(b[:n])
		}
		buffers.Put(b)
		if whole {
			return nil
		}
	}
}

// awaitHolding reads with a buffer that is held while it waits.
func awaitHolding(conn net.Conn) (*buffer, int, error) {
	b := buffers.Get().(*buffer)
	n, err := conn.Read(b[:])
	if err != nil {
		buffers.Put(b)
	}
	return b, n, err
}

// writeAll writes datagrams in order. Its errors are of type *SocketError.
func writeAll(conn net.Conn, datagrams [][]byte) error {
	for _, d := range datagrams {
		if err := writeWhole(conn, d); err != nil {
			return newSocketError(opWrite, conn.RemoteAddr(), err)
		}
	}
	return nil
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

func newSocketError(op string, remote net.Addr, err error) *SocketError {
	e := &SocketError{Op: op, Err: err}
	if udp, ok := remote.(*net.UDPAddr); ok {
		e.Remote = udp.AddrPort()
	}
	return e
}
