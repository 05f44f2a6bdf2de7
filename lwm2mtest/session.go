package lwm2mtest

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v2"
)

// session is one DTLS association of a service. It is known by the peer's
// address and by the random of the ClientHello that began it.
type session struct {
	service *Service
	remote  netip.AddrPort
	random  clientRandom
	tunnel  *tunnel

	// The server's lock guards the rest, and remote, where there is a Connection ID.
	cid  string     // empty for none
	conn *dtls.Conn // nil during the handshake
	peer *peer      // nil during the handshake
}

// dispatchRecords hands a datagram to the session of its sender. A ClientHello
// with a new random begins a new session, in place of any old one (RFC 6347
// section 4.2.8); anything else from a stranger is dropped.
func (v *Service) dispatchRecords(b *batch, from netip.AddrPort, data []byte) {
	x := v.found(from, data)
	if hostile(data, x) {
		return
	}
	if hello, ok := parseClientHello(data); ok && (x == nil || x.random != hello.random) {
		if !v.admit(b, from, hello) {
			return
		}
		if x != nil {
			v.drop(x)
		}
		x = v.begin(from, hello.random)
	}
	if x != nil && x.conn == nil && v.refuseCredentials(b, from, data) {
		return
	}
	if x != nil {
		x.tunnel.inbox.push(datagram{from: from, data: data})
	}
}

// sessionQueue is the number of datagrams that wait for a session's reader, and of contents
// that wait for the server.
const sessionQueue = 64

// begin starts the handshake of a new session. The lock is held.
func (v *Service) begin(from netip.AddrPort, random clientRandom) *session {
	x := &session{
		service: v, remote: from, random: random,
		tunnel: &tunnel{service: v, remote: from, inbox: newInbox(sessionQueue), intake: newIntake()},
	}
	v.sessions[from] = x
	config := v.dtlsConfig()
	v.offerCID(x, config)
	v.server.wg.Go(func() { x.run(config) })
	return x
}

// drop ends a session without a word. The lock is held.
func (v *Service) drop(x *session) {
	if v.sessions[x.remote] == x {
		delete(v.sessions, x.remote)
	}
	if v.byCID[x.cid] == x {
		delete(v.byCID, x.cid)
	}
	if x.peer != nil {
		x.peer.end(ErrClosed)
	}
	x.tunnel.muted.Store(true)
	x.tunnel.inbox.close()
}

// close ends a session with close_notify.
func (x *session) close() {
	x.service.server.mu.Lock()
	conn := x.conn
	x.service.server.mu.Unlock()
	if conn != nil {
		x.tunnel.parting.Store(true)
		_ = conn.Close()
	}
	x.service.server.mu.Lock()
	defer x.service.server.mu.Unlock()
	x.service.drop(x)
}

// run shakes hands and then reads until the session ends.
func (x *session) run(config *dtls.Config) {
	s := x.service.server
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.HandshakeTimeout)
	defer cancel()
	conn, err := dtls.ServerWithContext(ctx, x.tunnel, net.UDPAddrFromAddrPort(x.tunnel.remote), config)
	if err == nil {
		x.up(conn)
		var taking sync.WaitGroup
		taking.Go(func() { x.take(conn) })
		x.read(conn)
		x.tunnel.intake.close()
		taking.Wait()
		_ = conn.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x.service.drop(x)
}

// up makes the session usable after its handshake.
func (x *session) up(conn *dtls.Conn) {
	state := conn.ConnectionState()
	identity := peerIdentity(state)
	x.service.server.mu.Lock()
	defer x.service.server.mu.Unlock()
	identity = x.service.identityOf(string(state.SessionID), identity)
	x.conn = conn
	x.peer = newPeer(x.service, x.remote, identity, func(data []byte) { _, _ = conn.Write(data) })
}

// read reads what arrives until the session ends.
func (x *session) read(conn *dtls.Conn) {
	buf := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		x.tunnel.intake.push(bytes.Clone(buf[:n]))
	}
}

// take hands to the server what has arrived, and answers to where it came from.
func (x *session) take(conn *dtls.Conn) {
	for {
		data, more := x.tunnel.intake.pop()
		if !more {
			return
		}
		from, err := addrPort(conn.RemoteAddr())
		if err != nil {
			return // the tunnel knows no other
		}
		x.service.server.locked(func(b *batch) {
			x.moved(from)
			x.peer.receive(b, data)
		})
	}
}

// tunnel is the packet connection of one session over the service's.
type tunnel struct {
	service *Service
	remote  netip.AddrPort
	inbox   *inbox
	muted   atomic.Bool // swallow what pion still sends
	// parting is set before a graceful Close, in which pion cancels its read
	// loop, by a deadline in the past, before it sends close_notify; when the
	// loop ends first, it closes the connection and the alert is lost. So the
	// deadline has no effect then: closing the tunnel ends the loop.
	parting atomic.Bool
	// greeting keeps what follows the ClientHello with the cookie until it is answered:
	// pion sets its Connection ID for the answer, and reads it, without a lock, for each
	// datagram that comes.
	greeting greeting
	intake   *intake
}

// ReadFrom implements net.PacketConn.
func (t *tunnel) ReadFrom(buf []byte) (int, net.Addr, error) {
	t.intake.end()
	d, err := t.inbox.pop()
	if err != nil {
		return 0, nil, err
	}
	t.intake.begin()
	if t.greeting.read(d.data) {
		t.inbox.hold()
	}
	return copy(buf, d.data), net.UDPAddrFromAddrPort(d.from), nil
}

// WriteTo implements net.PacketConn.
func (t *tunnel) WriteTo(data []byte, to net.Addr) (int, error) {
	if t.greeting.wrote(data) {
		t.inbox.release()
	}
	if addr, err := addrPort(to); err == nil && !t.muted.Load() {
		t.service.writeTo(data, addr)
	}
	return len(data), nil
}

// Close implements net.PacketConn.
func (t *tunnel) Close() error {
	t.inbox.close()
	return nil
}

// LocalAddr implements net.PacketConn.
func (t *tunnel) LocalAddr() net.Addr { return t.service.pc.LocalAddr() }

// SetDeadline implements net.PacketConn.
func (t *tunnel) SetDeadline(at time.Time) error { return t.SetReadDeadline(at) }

// SetReadDeadline implements net.PacketConn.
func (t *tunnel) SetReadDeadline(at time.Time) error {
	if t.parting.Load() {
		return nil
	}
	t.inbox.setDeadline(at)
	return nil
}

// SetWriteDeadline implements net.PacketConn. Writes never wait.
func (t *tunnel) SetWriteDeadline(time.Time) error { return nil }
