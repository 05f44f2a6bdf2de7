package download

import "net/netip"

// Local reports whether an address is one that a server must not have an image fetched from
// unless the configuration names the host: it leads back to this machine, or only to the
// links that it is on. Private networks are not local: there gateways have their servers.
func Local(a netip.Addr) bool {
	a = a.WithZone("").Unmap() // what has a zone is in no prefix
	if a.Is6() {
		if embedded, ok := embeddedIPv4(a); ok {
			return Local(embedded)
		}
	}
	return !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() ||
		a.Is4() && (a.As4()[0] == 0 || a == broadcast)
}

var (
	broadcast  = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052
	compat     = netip.MustParsePrefix("::/96")           // RFC 4291 section 2.5.5.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765 section 2.1
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
)

// embeddedIPv4 returns the IPv4 address that an IPv6 address of a transition mechanism leads
// to.
func embeddedIPv4(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case nat64.Contains(a), translated.Contains(a), compat.Contains(a) && !a.IsUnspecified() && !a.IsLoopback():
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
