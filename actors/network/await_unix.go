//go:build unix

package network

import (
	"net"
	"os"
	"syscall"
)

// await reads one datagram. On a socket of the operating system it waits for the
// socket to become readable and only then takes a buffer, so that ten thousand
// idle links hold none.
func await(conn net.Conn) (b *buffer, n int, err error) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return awaitHolding(conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, 0, err
	}
	var failure error
	err = raw.Read(func(fd uintptr) (done bool) {
		b = buffers.Get().(*buffer)
		n, failure = readAgain(int(fd), b[:])
		if failure != nil {
			buffers.Put(b)
		}
		return failure != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return nil, 0, err
	case failure != nil:
		return nil, 0, os.NewSyscallError("read", failure)
	}
	return b, n, nil
}

// readAgain reads, and does so again when a signal interrupts it.
func readAgain(fd int, b []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(fd, b); err != syscall.EINTR {
			return n, err
		}
	}
}
