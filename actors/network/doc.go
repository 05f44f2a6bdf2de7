// Package network makes and keeps one link to one peer: it resolves the host,
// opens a connected datagram socket, performs the DTLS handshake where the URI
// asks for one, and carries datagrams until the link is lost.
//
// An actor of this package lives for one incarnation: one
// [messages.Connect], then up, then lost or disconnected. It never retries;
// every delay above CoAP belongs to the supervisor (DESIGN.md section 3).
//
// The package owns the socket, the DTLS session and the goroutine that reads
// from them, and it is the only one of the client that imports pion/dtls.
// Nothing outside may touch a session; others see messages only. It is not
// part of the public API.
//
// # Layers
//
//	machine.go    the pure core: states, address choice, what is told to whom
//	actor.go      the shell: runs the core's effects
//	runner.go     the goroutine of one link: dial, handshake, read
//	session.go    the session interface, and plain UDP
//	dtls.go       DTLS 1.2 by pion, configured and explained
//	recordconn.go the socket below pion: filter, resend gate, progress
//	security.go   credentials made ready for a handshake, checked locally
//	verify.go     the server's certificate (certificate usages 2 and 3)
//	classify.go   every failure becomes a messages.Failure
//
// # DTLS
//
// The record layer is pion's own; it draws explicit nonces at random
// (CVE-2026-26014), which SECURITY.md states. Connection IDs (RFC 9146) and
// session resumption are not offered: pion parses hostile tls12_cid records
// badly, and without them every such record can be dropped unseen.
//
// # Datagram sizes and memory
//
// One read buffer is [readBufferSize] long, the size of pion's own. A datagram
// that fills it may have been cut by the kernel and is dropped whole, so the
// largest that is accepted has 8191 bytes; CoAP datagrams rarely exceed 1.3 KiB
// (RFC 7252 section 4.6). A blocked reader must hold its buffer, therefore a
// pool would save nothing: a plain link costs 8 KiB, a DTLS link twice that
// beside pion's state.
package network
