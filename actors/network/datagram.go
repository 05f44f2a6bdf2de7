package network

import (
	"errors"
	"net"
	"syscall"
	"time"
)

const (
	// readBufferSize is the length of every read buffer, in bytes. A datagram
	// that fills it is dropped.
	readBufferSize = 8192
	// writeLimit bounds one write. UDP blocks only while the kernel's send
	// buffer is full.
	writeLimit = time.Second
)

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
