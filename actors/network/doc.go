// Package network makes and keeps one link to one peer: it resolves the host,
// opens a connected datagram socket, performs the DTLS handshake where the URI
// asks for one, and carries datagrams until the link is lost.
//
// An actor of this package lives for one incarnation: one
// [messages.Connect], then up, then lost or disconnected. It never retries;
// every delay above CoAP belongs to the supervisor (docs/design.md, Actors and
// messages).
//
// The package owns the socket, the DTLS session and the goroutine that reads
// from them. Nothing outside may touch a session; others see messages only. It
// is not part of the public API.
//
// # Layers
//
//	machine.go    the pure core: states, address choice, what is told to whom
//	actor.go      the shell: runs the core's effects
//	runner.go     the I/O of one link: dial and handshake, then read;
//	              the outlet, where coapresend sends
//	session.go    the session interface, and plain UDP
//	dtls.go       DTLS 1.2: the I/O of the core in internal/dtls
//	datagram.go   one datagram in, one out: reads wait, writes never do
//	ready_*.go    ... on a socket of the operating system
//	outbox.go     ... on a connection that may wait
//	security.go   credentials made ready for a handshake, checked locally
//	verify.go     the server's certificate (certificate usages 2 and 3) or
//	              raw public key
//	classify.go   every failure becomes a messages.Failure
//
// # Datagram sizes and memory
//
// One read buffer is [readBufferSize] long. A datagram that fills it may have
// been cut by the kernel and is dropped whole, so the largest that is accepted
// has 8191 bytes; CoAP datagrams rarely exceed 1.3 KiB (RFC 7252 section 4.6). On
// a socket of the operating system a link takes a buffer from a pool when there
// is something to read, and holds none while it waits.
package network
