package demo

import (
	"net"
	"net/netip"
	"sync"
)

// relay stands between a gateway and a server as a NAT does: to the server, what comes from
// the gateway has the address and port of the relay's own socket.
type relay struct {
	inside net.PacketConn // to the gateway
	server netip.AddrPort

	mu      sync.Mutex
	outside *net.UDPConn // to the server
	gateway net.Addr     // where the gateway was last heard from
	running sync.WaitGroup
}

// newRelay returns a relay to a server. The caller closes it.
func newRelay(server netip.AddrPort) (*relay, error) {
	inside, err := listen(netip.AddrPortFrom(loopback, 0))
	if err != nil {
		return nil, err
	}
	r := &relay{inside: inside, server: server}
	if err := r.rebind(); err != nil {
		_ = inside.Close()
		return nil, err
	}
	r.running.Go(r.forward)
	return r, nil
}

// port is where the gateway reaches the relay.
func (r *relay) port() int { return r.inside.LocalAddr().(*net.UDPAddr).Port }

// rebind forgets the mapping: from now on the gateway comes from another port, and what the
// server sends to the old one is lost.
func (r *relay) rebind() error {
	outside, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.server))
	if err != nil {
		return err
	}
	r.mu.Lock()
	before := r.outside
	r.outside = outside
	r.mu.Unlock()
	if before != nil {
		_ = before.Close()
	}
	r.running.Go(func() { r.backward(outside) })
	return nil
}

func (r *relay) forward() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := r.inside.ReadFrom(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.gateway = from
		outside := r.outside
		r.mu.Unlock()
		_, _ = outside.Write(buf[:n]) // what cannot leave is lost, as on any network
	}
}

func (r *relay) backward(outside *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, err := outside.Read(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		gateway := r.gateway
		r.mu.Unlock()
		_, _ = r.inside.WriteTo(buf[:n], gateway)
	}
}

func (r *relay) close() {
	_ = r.inside.Close()
	r.mu.Lock()
	_ = r.outside.Close()
	r.mu.Unlock()
	r.running.Wait()
}
