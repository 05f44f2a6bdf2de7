// Package dns finds the addresses of a host. It is a stub resolver (RFC 1034
// section 5.3.1) for the networks in which gateways live, where a name server, or
// what stands in front of it, answers for one family and drops the other, does not
// know EDNS, is one of several that are silent, or cuts its answers short:
//
//   - both families are asked at once, and what came is used after a short grace
//     for the other (RFC 8305 section 3); what comes later is handed on;
//   - a server that does not answer within a second is asked again beside the next
//     one, and the first good answer counts, however late it comes;
//   - a name of the search list of which nothing is heard is waited for no longer than
//     3 s before the next is tried beside it;
//   - queries have no EDNS record (RFC 6891): the answers that are wanted fit into
//     512 bytes. One that does not is asked for over TCP, then with EDNS, and
//     where neither gets through, what has come of it is used.
//
// It reads the hosts file and resolv.conf (name servers, search list, ndots)
// anew for each lookup. Where nsswitch.conf names other sources, such as mDNS, the
// system's resolver is asked too: for names below .local first, for others where
// the name servers know none or are silent. A program without cgo has none of
// those sources.
//
// The package owns its sockets and goroutines, all of which end at the deadline of
// the lookup, or with Close. Addresses are resolved again for each attempt; of
// earlier ones it remembers only those of a family that was late.
package dns
