package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Transport is the network below a link. [System] is the real one.
type Transport interface {
	// Lookup returns all IPv4 and IPv6 addresses of host, in the order in
	// which they should be tried. It is bounded by ctx. Errors should be
	// *net.DNSError.
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial opens a datagram socket connected to remote: one Read or Write
	// is one datagram, datagrams of others are not seen, and errno values
	// (an ICMP port unreachable is syscall.ECONNREFUSED) are reached by
	// errors.Is. It does not wait for the peer. See [ImmediateWriter] for
	// connections that are no socket of the operating system.
	Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
}

// System is the operating system's network.
type System struct {
	// DNSServer is the host:port of the one name server to ask; empty means
	// the system's resolver.
	DNSServer string
}

// Lookup resolves host by DNS and the hosts file (RFC 1035, RFC 3596).
func (s System) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := s.resolver().LookupNetIP(ctx, "ip", host)
	var failed *net.DNSError
	if s.DNSServer != "" && errors.As(err, &failed) {
		failed.Server = s.DNSServer // Go names the first one of resolv.conf
	}
	return addrs, err
}

// Dial opens a connected UDP socket on an ephemeral port.
func (s System) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "udp", remote.String())
}

// resolver asks DNSServer alone where one is set, and leaves the choice of the
// resolver to the system otherwise.
func (s System) resolver() *net.Resolver {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if s.DNSServer != "" {
			address = s.DNSServer
		}
		return dialCancelled(ctx, network, address)
	}
	return &net.Resolver{PreferGo: s.DNSServer != "", Dial: dial}
}

// dialCancelled dials, and closes the connection when ctx is cancelled. Go's
// resolver returns at once then, but leaves its goroutine reading until the
// read deadline, seconds later. A ctx that times out needs no help: the read
// deadline is the same instant, and must stay what ends the read.
func dialCancelled(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			_ = conn.Close()
		}
	})
	return conn, nil
}
