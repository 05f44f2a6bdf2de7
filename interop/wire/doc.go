// Package wire holds the tests of internal/dtls, the DTLS client without I/O,
// against servers that others wrote: OpenSSL, GnuTLS, libcoap, Californium (in
// Leshan) and pion. They drive it by a loop of a few lines, so that every
// datagram can be lost, doubled, swapped, cut anew or forged on its way, and
// every suite, curve and extension can be asked for that a peer has. Where the
// attempt is what counts, the whole client takes its place: its first attempt
// survives the loss of any datagram, at every MTU that a server can be told.
//
// It has no code but tests. A test whose peer is not installed is skipped; with
// HOLDFAST_REQUIRE_PEERS=1 it fails. The tests against pion need no peer, and
// run in bubbles of testing/synctest.
//
// testdata has one captured handshake for each peer and kind of credentials.
// They are replayed byte by byte; -update captures them anew.
package wire
