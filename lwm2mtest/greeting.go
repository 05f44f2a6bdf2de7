package lwm2mtest

import "sync/atomic"

// greeting follows a server through the first part of a handshake (RFC 6347 section 4.2.1).
type greeting struct {
	verifying atomic.Bool // a HelloVerifyRequest was sent: the next ClientHello has its cookie
	verified  bool        // that one was read, once; the reader's own
}

// read reports whether a datagram that the server reads now is one that it answers for sure
// and with the rest of its handshake: the first ClientHello with the cookie. Whoever reads is
// always the same.
func (g *greeting) read(data []byte) bool {
	hello, ok := parseClientHello(data)
	if g.verified || !ok || !hello.whole || hello.message != 1 || !g.verifying.Load() {
		return false
	}
	g.verified = true
	return true
}

// wrote reports whether what the server sends ends the wait for that answer: everything does
// but another HelloVerifyRequest, which is the late answer to a first ClientHello.
func (g *greeting) wrote(data []byte) bool {
	if len(data) > recordHeaderSize && data[0] == recordHandshake && data[recordHeaderSize] == helloVerifyType {
		g.verifying.Store(true)
		return false
	}
	return true
}
