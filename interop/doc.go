// Package interop holds the tests of the client against servers that others
// wrote: Leshan, OpenSSL, GnuTLS and libcoap, over real sockets on loopback. It
// has no code but tests; package interop/peer starts the servers.
//
// A test whose peer is not installed is skipped; with HOLDFAST_REQUIRE_PEERS=1
// it fails. The times that outages took are logged: go test -v.
package interop
