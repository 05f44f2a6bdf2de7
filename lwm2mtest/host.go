package lwm2mtest

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
)

// The range of ports for sockets that do not ask for one (RFC 6335).
const (
	firstEphemeralPort = 49152
	lastEphemeralPort  = 65535
)

// Host is one machine on a [Network]. It implements the transport of a
// client: Lookup and Dial.
type Host struct {
	network  *Network
	name     string
	addrs    []netip.Addr // guarded by the network's lock
	nextPort uint16
	down     bool   // no packet leaves it or comes to it; the same
	ears     []*ear // who is told what becomes of it; the same
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// Addr returns the host's first address.
func (h *Host) Addr() netip.Addr {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	return h.addrs[0]
}

// owns reports whether the address is one of the host's. The network's lock is held.
func (h *Host) owns(addr netip.Addr) bool { return slices.Contains(h.addrs, addr) }

// ListenPacket opens an unconnected UDP socket on the host's first address; port
// 0 chooses an ephemeral one. Like a Linux socket that is not connected, it
// never learns of refused ports. Errors are *net.OpError with
// syscall.EADDRINUSE, or net.ErrClosed when the network is closed.
func (h *Host) ListenPacket(port uint16) (net.PacketConn, error) {
	s, err := h.bind(h.Addr(), port, netip.AddrPort{})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Err: err}
	}
	return (*packetConn)(s), nil
}

// Dial opens a UDP socket on an ephemeral port, connected to remote. It never
// waits. As on Linux, a port that nobody listens on shows as
// syscall.ECONNREFUSED at the next Read or Write, wrapped in *net.OpError;
// an address that nobody has is silent; an address of a family that the host
// lacks is syscall.ENETUNREACH at once.
func (h *Host) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	s, err := h.dial(ctx, remote)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "udp", Addr: net.UDPAddrFromAddrPort(remote), Err: err}
	}
	return (*conn)(s), nil
}

func (h *Host) dial(ctx context.Context, remote netip.AddrPort) (*socket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.network.mu.Lock()
	addrs := h.addrs // replaced, and never written to
	h.network.mu.Unlock()
	i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Is4() == remote.Addr().Is4() })
	if i < 0 || !remote.IsValid() {
		return nil, os.NewSyscallError("connect", syscall.ENETUNREACH)
	}
	return h.bind(addrs[i], 0, remote)
}

// Rebind does what a NAT in front of the host does when it loses its mappings
// (after a reboot, or after a flow was idle): every socket on an ephemeral port
// gets a new outside port, and what still arrives at the old one vanishes.
// Sockets notice nothing. Sockets on fixed ports keep theirs.
func (h *Host) Rebind() {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	for old, s := range n.bindings {
		if s.host != h || !s.ephemeral {
			continue
		}
		delete(n.bindings, old)
		n.stale[old] = struct{}{}
		s.outside = netip.AddrPortFrom(old.Addr(), h.freePort(old.Addr()))
		n.bindings[s.outside] = s
	}
}

// bind makes a socket. A zero port takes an ephemeral one, a zero remote
// leaves the socket unconnected.
func (h *Host) bind(addr netip.Addr, port uint16, remote netip.AddrPort) (*socket, error) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	ephemeral := port == 0
	if ephemeral {
		port = h.freePort(addr)
	}
	local := netip.AddrPortFrom(addr, port)
	if port == 0 || n.bindings[local] != nil {
		return nil, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	s := &socket{
		host: h, local: local, outside: local, remote: remote,
		ephemeral: ephemeral, inbox: newInbox(n.opts.ReceiveQueue),
	}
	n.bindings[local] = s
	return s, nil
}

// freePort returns an ephemeral port that is not in use and whose mapping is
// not stale, or 0 when there is none. The network's lock is held.
func (h *Host) freePort(addr netip.Addr) uint16 {
	for range lastEphemeralPort - firstEphemeralPort + 1 {
		candidate := netip.AddrPortFrom(addr, h.nextPort)
		if h.nextPort++; h.nextPort < firstEphemeralPort {
			h.nextPort = firstEphemeralPort
		}
		_, stale := h.network.stale[candidate]
		if !stale && h.network.bindings[candidate] == nil {
			return candidate.Port()
		}
	}
	return 0
}
