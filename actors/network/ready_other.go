//go:build !unix

package network

import (
	"net"
	"syscall"
)

// readiness is for systems whose sockets can be asked whether they are ready.
type readiness struct{ raw syscall.RawConn }

func (*readiness) adopt(net.Conn) {}

func (*readiness) receive() (*buffer, int, error) { return nil, 0, net.ErrClosed }

func (*readiness) send([]byte) error { return net.ErrClosed }

func (*readiness) failed() error { return nil }

func (*readiness) close() error { return net.ErrClosed }
