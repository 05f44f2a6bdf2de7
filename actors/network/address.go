package network

import (
	"net/netip"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/download"
)

// maxAddresses bounds how many addresses of one host are tried. A host with more
// is misconfigured or hostile.
const maxAddresses = 8

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// usable reports whether a datagram for one peer can be sent to addr.
func usable(addr netip.Addr) bool {
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() && addr != broadcast
}

// public leaves out the addresses that a server must not have this client talk to.
func public(all []netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(all), func(a netip.AddrPort) bool { return download.Local(a.Addr()) })
}

// tidy drops addresses that cannot be used and duplicates, keeps the order,
// and keeps at most maxAddresses. An IPv4-mapped address counts as IPv4.
func tidy(all []netip.AddrPort) []netip.AddrPort {
	var kept []netip.AddrPort
	for _, a := range all {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if !usable(a.Addr()) || slices.Contains(kept, a) {
			continue
		}
		if kept = append(kept, a); len(kept) == maxAddresses {
			break
		}
	}
	return kept
}

// withPort gives every address the same port.
func withPort(addrs []netip.Addr, port uint16) []netip.AddrPort {
	all := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		all[i] = netip.AddrPortFrom(a, port)
	}
	return all
}

// follow returns the address that comes after the last one tried, wrapping
// around; the first when that one is not in the list.
func follow(list []netip.AddrPort, last netip.AddrPort) netip.AddrPort {
	for i, a := range list {
		if a == last {
			return list[(i+1)%len(list)]
		}
	}
	return list[0]
}
