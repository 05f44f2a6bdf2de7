package lwm2mtest

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Service is one packet connection that a [Server] serves.
type Service struct {
	server *Server
	pc     net.PacketConn
	role   role

	// The server's lock guards the rest.
	security Security
	policy   handshakePolicy
	ended    bool
	peers    map[netip.AddrPort]*peer    // without DTLS
	sweepAt  int                         // number of peers at which to look for idle ones
	sessions map[netip.AddrPort]*session // with DTLS
	byCID    map[string]*session         // those with a Connection ID
	secrets  map[string]dtls.Session     // of sessions that can be resumed, by their IDs
	// identities are who proved what in those.
	identities map[string]string
}

// role is what a service is for.
type role uint8

const (
	servesManagement role = iota
	servesBootstrap
	servesFiles
	servesEnrolment
)

func newService(s *Server, pc net.PacketConn, security Security, role role) *Service {
	return &Service{
		server: s, pc: pc, role: role, security: security,
		peers:      make(map[netip.AddrPort]*peer),
		sessions:   make(map[netip.AddrPort]*session),
		byCID:      make(map[string]*session),
		secrets:    make(map[string]dtls.Session),
		identities: make(map[string]string),
	}
}

// Addr returns the address that the service listens on.
func (v *Service) Addr() netip.AddrPort {
	addr, _ := addrPort(v.pc.LocalAddr())
	return addr
}

// Close ends the service gracefully: DTLS sessions with close_notify, then
// the socket. The server's registrations stay.
func (v *Service) Close() {
	for _, x := range v.detach() {
		x.close()
	}
	_ = v.pc.Close()
}

// Abort ends the service as the death of its process does: no close_notify,
// and the port refuses from now on. The server's registrations stay; call
// [Server.Forget] if they should not.
func (v *Service) Abort() {
	sessions := v.detach()
	v.server.mu.Lock()
	for _, x := range sessions {
		v.drop(x)
	}
	v.server.mu.Unlock()
	_ = v.pc.Close()
}

// ForgetSessions drops all DTLS sessions without a word, as a server that
// restarts at once does: records of sessions that it does not know stay
// unanswered.
func (v *Service) ForgetSessions() {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	for _, x := range v.sessions {
		v.drop(x)
	}
	clear(v.secrets)
}

// SetPSK adds or replaces a pre-shared key. Handshakes from now on use it;
// sessions go on.
func (v *Service) SetPSK(identity string, key []byte) {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	if v.security.PSK == nil {
		v.security.PSK = make(map[string]lwm2m.Secret)
	}
	v.security.PSK[identity] = bytes.Clone(key)
}

// RemovePSK makes an identity unknown. Handshakes from now on fail with alert
// 80, which is what pion sends.
func (v *Service) RemovePSK(identity string) {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	delete(v.security.PSK, identity)
}

// SetCertificate replaces the server's certificate. Handshakes from now on
// use it; sessions go on.
func (v *Service) SetCertificate(certificate tls.Certificate) {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	v.security.Certificate = &certificate
}

// detach takes the service off the server, fails its requests and returns its
// sessions.
func (v *Service) detach() []*session {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	v.ended = true
	delete(v.server.services, v)
	for _, p := range v.peers {
		p.end(ErrClosed)
	}
	sessions := make([]*session, 0, len(v.sessions))
	for _, x := range v.sessions {
		sessions = append(sessions, x)
	}
	return sessions
}

// receiveQueue is how many datagrams wait for the server. A socket's own queue has
// room for some ninety, less than a fleet sends when it starts.
const receiveQueue = 1 << 13

// incoming is a datagram with its sender.
type incoming struct {
	from netip.AddrPort
	data []byte
}

// run handles datagrams until the socket is closed.
func (v *Service) run() {
	queue := make(chan incoming, receiveQueue)
	v.server.wg.Go(func() { v.read(queue) })
	for in := range queue {
		v.server.locked(func(b *batch) { v.dispatch(b, in.from, in.data) })
	}
}

// read empties the socket. What finds the queue full is lost, as on any UDP socket.
func (v *Service) read(queue chan<- incoming) {
	defer close(queue)
	buf := make([]byte, maxDatagram)
	for {
		n, addr, err := v.pc.ReadFrom(buf)
		if err != nil {
			return
		}
		from, err := addrPort(addr)
		if err != nil {
			return
		}
		select {
		case queue <- incoming{from, bytes.Clone(buf[:n])}:
		default:
		}
	}
}

// dispatch hands a datagram to its peer or its DTLS session.
func (v *Service) dispatch(b *batch, from netip.AddrPort, data []byte) {
	switch {
	case v.ended:
	case v.security.secured():
		v.dispatchRecords(b, from, data)
	default:
		v.peer(from).receive(b, data)
	}
}

// peer returns the peer at an address of a service without DTLS.
func (v *Service) peer(from netip.AddrPort) *peer {
	if p, ok := v.peers[from]; ok {
		return p
	}
	v.sweep()
	p := newPeer(v, from, "", func(data []byte) { v.writeTo(data, from) })
	v.peers[from] = p
	return p
}

// sweepAbove is the number of peers above which idle ones are looked for.
const sweepAbove = 1024

// sweep forgets peers that have been idle for longer than any exchange and
// that no registration needs. It looks at all of them, and so only when their
// number has doubled.
func (v *Service) sweep() {
	if len(v.peers) < max(v.sweepAt, sweepAbove) {
		return
	}
	needed := make(map[*peer]bool)
	for _, r := range v.server.endpoints {
		needed[r.peer] = true
	}
	for addr, p := range v.peers {
		if time.Since(p.lastSeen) > exchangeLifetime && len(p.byMID) == 0 && !needed[p] {
			delete(v.peers, addr)
		}
	}
	v.sweepAt = 2 * len(v.peers)
}

// writeTo sends a datagram. What the network does not take is lost, like
// anything on UDP.
func (v *Service) writeTo(data []byte, to netip.AddrPort) {
	_, _ = v.pc.WriteTo(data, net.UDPAddrFromAddrPort(to))
}
