// Package dtls is the client's side of DTLS 1.2 (RFC 6347) as a pure core: it
// is told a datagram and the time, and answers with datagrams to send, the
// instant at which it wants to be called again, and in the end a [Session] or
// an error. It has no socket, clock, goroutine or lock of its own, and draws
// randomness from where it is told to.
//
//	hs, out, err := dtls.Start(config, now)   // out.Send: the ClientHello
//	out = hs.Receive(now, datagram)           // for every datagram that comes
//	out = hs.Expire(now)                      // when out.Wake has come
//	... until out.Session or out.Err is set
//
// # What is accepted
//
// What was offered, and nothing else: version, suite, curve, signature scheme,
// extensions. A server's flight is looked at when all of it is there, and has
// to consist of exactly the messages that its suite asks for, each once, in
// order, with consecutive numbers. The signature over both randoms is verified
// before anything that it covers is used, and the certificate before the
// signature. Nothing is sent or accepted as application data before the
// server's Finished has been verified.
//
// Unauthenticated records (all of epoch 0) cannot be kept out, since anybody can
// send them. So they are never final where waiting costs little: fragments that
// contradict each other are replaced by newer ones ([handshake.Inbox]), a flight
// that fails while there were such fragments is dropped once and awaited again, and
// neither an unprotected alert nor a refusal of this side ends the handshake before
// a second has passed in which nothing better came. [AlertError] and [Progress] say
// what is known, so that a forgery is not taken for a verdict on the client's
// credentials.
//
// # Files
//
//	handshake.go  the state machine: what comes in
//	collect.go    the server's flight as a whole
//	doubt.go      alerts and refusals that are held back for a second
//	step.go       how far it has come, for those who ask
//	flight.go     what goes out: datagrams, fragments, resends, the timer
//	hello.go      the offer, and what a ServerHello may answer
//	exchange.go   what a flight says: ECDHE_ECDSA and PSK
//	answer.go     the client's last flight: key exchange, certificate, Finished
//	resume.go     the abbreviated handshake
//	keys.go       key schedule (RFC 5246 sections 5, 6.3 and 8.1, RFC 7627)
//	peer.go       bounds on the certificates of a server
//	session.go    what is left of a handshake: an established session
//	exported.go   a session as a value, to be moved, stored and restored
//	record/       the record layer
//	handshake/    the messages on the wire
//
// Sizes are bounded before anything is computed from them, and all work ends
// with the call that caused it. It is not part of the public API.
package dtls
