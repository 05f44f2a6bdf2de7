package lwm2mtest

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// maxDatagram is the largest UDP payload over IPv4, in bytes.
const maxDatagram = 65507

// socket is a UDP socket. The two faces of it, connected and not, are conn
// and packetConn.
type socket struct {
	host      *Host
	local     netip.AddrPort // what the host sees
	outside   netip.AddrPort // what the network sees; the network's lock guards it
	remote    netip.AddrPort // the zero value when not connected
	ephemeral bool
	inbox     *inbox

	writeDeadline atomic.Pointer[time.Time]
}

// read takes one datagram; what does not fit into the buffer is lost.
func (s *socket) read(buf []byte) (int, netip.AddrPort, error) {
	d, err := s.inbox.pop()
	if err != nil {
		return 0, netip.AddrPort{}, s.opError("read", err)
	}
	return copy(buf, d.data), d.from, nil
}

func (s *socket) write(data []byte, to netip.AddrPort) (int, error) {
	if err := s.writable(data); err != nil {
		return 0, s.opError("write", err)
	}
	if err := s.host.network.send(s, to, data); err != nil {
		return 0, s.opError("write", err)
	}
	return len(data), nil
}

// writable returns what stands in the way of a write, if anything.
func (s *socket) writable(data []byte) error {
	if err := s.inbox.takeError(); err != nil {
		return err
	}
	if d := s.writeDeadline.Load(); d != nil && !d.IsZero() && !time.Now().Before(*d) {
		return os.ErrDeadlineExceeded
	}
	if len(data) > maxDatagram {
		return os.NewSyscallError("write", syscall.EMSGSIZE)
	}
	return nil
}

// opError wraps err as package net does.
func (s *socket) opError(op string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	e := &net.OpError{Op: op, Net: "udp", Source: net.UDPAddrFromAddrPort(s.local), Err: err}
	if s.remote.IsValid() {
		e.Addr = net.UDPAddrFromAddrPort(s.remote)
	}
	return e
}

// Close closes the socket; datagrams to its port are refused from now on. A
// second Close fails with net.ErrClosed, as package net's does.
func (s *socket) close() error {
	n := s.host.network
	n.mu.Lock()
	open := n.bindings[s.outside] == s
	if open {
		delete(n.bindings, s.outside)
	}
	n.mu.Unlock()
	s.inbox.close()
	if !open {
		return s.opError("close", net.ErrClosed)
	}
	return nil
}

func (s *socket) setWriteDeadline(t time.Time) { s.writeDeadline.Store(&t) }

// conn is a connected socket.
type conn socket

func (c *conn) socket() *socket { return (*socket)(c) }

// Read implements net.Conn: one datagram a call.
func (c *conn) Read(buf []byte) (int, error) {
	n, _, err := c.socket().read(buf)
	return n, err
}

// Write implements net.Conn: one datagram a call.
func (c *conn) Write(data []byte) (int, error) { return c.socket().write(data, c.remote) }

// WriteNow is Write: a write never waits. A client that sees it does not write on
// a goroutine of its own.
func (c *conn) WriteNow(data []byte) (int, error) { return c.Write(data) }

// Close implements net.Conn.
func (c *conn) Close() error { return c.socket().close() }

// LocalAddr implements net.Conn. It is the address inside a NAT.
func (c *conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.remote) }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.socket().setWriteDeadline(t)
	return c.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.inbox.setDeadline(t)
	return nil
}

// SetWriteDeadline implements net.Conn. Writes never wait; one after the
// deadline fails.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.socket().setWriteDeadline(t)
	return nil
}

// packetConn is an unconnected socket.
type packetConn socket

func (c *packetConn) socket() *socket { return (*socket)(c) }

// ReadFrom implements net.PacketConn; addresses are *net.UDPAddr.
func (c *packetConn) ReadFrom(buf []byte) (int, net.Addr, error) {
	n, from, err := c.socket().read(buf)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn; addr must be a *net.UDPAddr.
func (c *packetConn) WriteTo(data []byte, addr net.Addr) (int, error) {
	to, err := addrPort(addr)
	if err != nil {
		return 0, c.socket().opError("write", err)
	}
	return c.socket().write(data, to)
}

// Close implements net.PacketConn.
func (c *packetConn) Close() error { return c.socket().close() }

// LocalAddr implements net.PacketConn. It is the address inside a NAT.
func (c *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// SetDeadline implements net.PacketConn.
func (c *packetConn) SetDeadline(t time.Time) error { return (*conn)(c).SetDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (c *packetConn) SetReadDeadline(t time.Time) error { return (*conn)(c).SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn.
func (c *packetConn) SetWriteDeadline(t time.Time) error { return (*conn)(c).SetWriteDeadline(t) }

// addrPort converts a UDP address, unmapping IPv4 in IPv6.
func addrPort(addr net.Addr) (netip.AddrPort, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}, &net.AddrError{Err: "not a UDP address", Addr: addr.String()}
	}
	ap := udp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
