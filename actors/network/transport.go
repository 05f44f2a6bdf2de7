package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/dns"
	"github.com/holdfast-iot/holdfast/internal/uplink"
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

// LateTransport is a [Transport] whose lookups do not wait for what is late.
type LateTransport interface {
	Transport
	// LookupLate is Lookup, and hands over what comes after it has returned, at most
	// once, on any goroutine, as long as ctx lasts. The next lookup knows it.
	LookupLate(ctx context.Context, host string, late func([]netip.Addr)) ([]netip.Addr, error)
}

// System is the operating system's network. Close it.
type System struct {
	names dns.Resolver
	on    *uplink.Uplink // whose interface sockets are bound to; nil for any
}

// NewSystem returns a System that asks the name server at a host:port, or, where
// that is empty, those that the system uses.
func NewSystem(nameServer string) *System {
	return &System{names: dns.Resolver{Server: nameServer}}
}

// NewSystemOn returns a System whose sockets, those that ask name servers included, are bound
// to the interface that an uplink has chosen by then. What leads to this machine itself
// is not bound, such as a name server on loopback.
func NewSystemOn(on *uplink.Uplink, nameServer string) *System {
	s := &System{names: dns.Resolver{Server: nameServer}, on: on}
	s.names.Dial = s.dialNames
	return s
}

// Close ends the lookups that still wait for what is late.
func (s *System) Close() { s.names.Close() }

// Lookup resolves host as package dns says: both families at once, of a family
// that is late only what comes within a short grace.
func (s *System) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return s.LookupLate(ctx, host, nil)
}

// dialNames opens a connection to a name server.
func (s *System) dialNames(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := netip.ParseAddrPort(address)
	if err != nil {
		var d net.Dialer // the name server has a name
		conn, err := d.DialContext(ctx, network, address)
		return conn, descriptors.Explain(err)
	}
	d, err := s.dialer(ctx, server.Addr())
	if err != nil {
		return nil, err
	}
	conn, err := d.DialContext(ctx, network, address)
	return conn, descriptors.Explain(err)
}

// DialTCP opens a TCP connection. Errors are those of Dial.
func (s *System) DialTCP(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	d, err := s.dialer(ctx, remote.Addr())
	if err != nil {
		return nil, err
	}
	conn, err := d.DialContext(ctx, "tcp", remote.String())
	return conn, descriptors.Explain(err)
}

// dialer returns what opens sockets that lead to a peer.
func (s *System) dialer(ctx context.Context, peer netip.Addr) (net.Dialer, error) {
	if s.on == nil || peer.IsLoopback() {
		return net.Dialer{}, nil
	}
	to, err := s.on.Binding(ctx)
	if err != nil || to.Name == "" {
		return net.Dialer{}, err
	}
	return net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = bind(int(fd), to, peer) }); err != nil {
			return err
		}
		return failed
	}}, nil
}

// LookupLate implements LateTransport.
func (s *System) LookupLate(ctx context.Context, host string, late func([]netip.Addr)) ([]netip.Addr, error) {
	if s.on != nil {
		if _, err := s.on.Binding(ctx); err != nil {
			return nil, err
		}
	}
	return s.names.Lookup(ctx, host, late)
}

// Dial opens a connected UDP socket on an ephemeral port. The error is a *ZoneError
// where a link-local address has no interface, a *uplink.NoneError where there is none to
// be bound to, a *descriptors.LimitError where too much is open, else package net's.
func (s *System) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	through, err := throughZone(remote)
	if err != nil {
		return nil, err
	}
	d, err := s.dialer(ctx, remote.Addr())
	if err != nil {
		return nil, err
	}
	conn, err := d.DialContext(ctx, "udp", through.String())
	switch {
	case err == nil:
		return conn, nil
	case needsZone(remote.Addr()) && !descriptors.Short(err):
		return nil, &ZoneError{Addr: remote.Addr()}
	}
	return nil, descriptors.Explain(err)
}

// throughZone returns an address whose zone is the number of its interface at present.
// Package net remembers for a minute which numbers the names have, and a modem
// that is plugged in again has another.
func throughZone(remote netip.AddrPort) (netip.AddrPort, error) {
	zone := remote.Addr().Zone()
	if zone == "" {
		return remote, nil
	}
	found, err := net.InterfaceByName(zone)
	if number, notNumber := strconv.Atoi(zone); err != nil && notNumber == nil {
		found, err = net.InterfaceByIndex(number)
	}
	switch {
	case err == nil:
		return netip.AddrPortFrom(remote.Addr().WithZone(strconv.Itoa(found.Index)), remote.Port()), nil
	case errors.As(err, new(syscall.Errno)):
		return remote, nil // whether there is one could not be found out
	}
	return remote, &ZoneError{Addr: remote.Addr()}
}

// needsZone reports whether the operating system cannot know where an address is.
func needsZone(addr netip.Addr) bool {
	return addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == ""
}
