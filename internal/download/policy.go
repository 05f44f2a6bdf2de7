package download

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// Policy says where an image may be fetched from. Any server that is not local ([Local]) may
// be named by who orders an update. One that is has to be named by the configuration, and so
// have the system ports of TCP on which no web server listens by custom: a GET is
// harmless to most services, but need not be to all.
type Policy struct {
	// Hosts are the hosts that the configuration allows, each as [ParseHost] reads it;
	// one that does not parse allows nothing. An address allows URIs with that address,
	// and no names that lead there.
	Hosts []string
	// Own are the servers that the client talks to anyway. They are allowed with their
	// own port.
	Own []Host
	// MaxSize is the size of the largest image, in bytes; 0 is no bound.
	MaxSize int64
}

// Host is a host, with a port or with any.
type Host struct {
	Name string // a DNS name in lower case, or an address without brackets
	Port uint16 // 0 is any
}

// ParseHost reads a host, or host:port, as a configuration has it: a DNS name, an IPv4
// address, or an IPv6 address, which has brackets when a port follows. The error is a
// *[URIError].
func ParseHost(s string) (Host, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return Host{Name: canonical(addr.String())}, nil
	}
	if strings.ContainsAny(s, "/?") {
		return Host{}, malformed(uri.FieldHost, reasonEntry)
	}
	host, port, err := parseAuthority(s, 0)
	return Host{Name: host, Port: port}, err
}

// Parse reads the URI of an image, and says whether it may be fetched from there, as far as
// that can be told before its host is resolved; [Policy.Address] says the rest. The error is a
// *[URIError].
func (p Policy) Parse(raw string) (Location, error) {
	return p.parse(raw, uri.MaxLength)
}

func (p Policy) parse(raw string, limit int) (Location, error) {
	l, err := parseLocation(raw, limit)
	if err != nil {
		return Location{}, err
	}
	if p.Named(l.Host, l.Port) {
		return l, nil
	}
	if addr, err := netip.ParseAddr(l.Host); err == nil && Local(addr) || isLocalName(l.Host) || l.reserved() {
		return Location{}, &URIError{Fault: NotAllowed, Host: l.HostPort()}
	}
	return l, nil
}

// Address says whether an address may be connected to that the host of a location was resolved
// to. The error is a *[URIError].
func (p Policy) Address(l Location, addr netip.Addr) error {
	if Local(addr) && !p.Named(l.Host, l.Port) {
		return &URIError{Fault: NotAllowed, Host: l.HostPort(), Addr: addr}
	}
	return nil
}

// Named reports whether a host is allowed with a port whatever it resolves to: the
// configuration names it, or it is a server that the client talks to anyway.
func (p Policy) Named(host string, port uint16) bool {
	host = canonical(host)
	matches := func(h Host) bool { return canonical(h.Name) == host && (h.Port == 0 || h.Port == port) }
	return slices.ContainsFunc(p.Own, matches) || slices.ContainsFunc(p.Hosts, func(s string) bool {
		h, err := ParseHost(s)
		return err == nil && matches(h)
	})
}

// canonical is the form in which hosts are compared.
func canonical(host string) string {
	return strings.ToLower(uri.URI{Host: host}.Canonical().Host)
}

// isLocalName reports whether a name stands for this machine (RFC 6761 section 6.3).
func isLocalName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
