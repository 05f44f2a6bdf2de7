// Package interop holds the tests of the client against servers that others
// wrote: Leshan, OpenSSL, GnuTLS and libcoap, over real sockets on loopback. It
// has no code but tests; package interop/peer starts the servers.
//
// DTLS sessions are proven here as well: with Leshan, and with processes that are killed a
// hundred times against a server of lwm2mtest, whose relays keep every record.
//
// A test whose peer is not installed is skipped; with HOLDFAST_REQUIRE_PEERS=1
// it fails. The times that outages took are logged: go test -v.
package interop
