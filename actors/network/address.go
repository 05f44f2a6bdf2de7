package network

import (
	"net/netip"
	"slices"
)

// maxAddresses bounds how many addresses of one host are tried in one attempt.
const maxAddresses = 8

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// usable reports whether a datagram for one peer can be sent to addr.
func usable(addr netip.Addr) bool {
	return addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() && addr != broadcast
}

// tidy drops addresses that cannot be used and duplicates, and keeps the order. Of
// more than maxAddresses it keeps those that come after the last one tried, so that
// each has its turn in some attempt. An IPv4-mapped address counts as IPv4.
func tidy(all []netip.AddrPort, last netip.AddrPort) []netip.AddrPort {
	var kept []netip.AddrPort
	for _, a := range all {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if usable(a.Addr()) && !slices.Contains(kept, a) {
			kept = append(kept, a)
		}
	}
	if len(kept) <= maxAddresses {
		return kept
	}
	from := slices.Index(kept, last) + 1
	return append(kept[from:len(kept):len(kept)], kept[:from]...)[:maxAddresses:maxAddresses]
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
