package messages

import "time"

// What an attempt waits for is told as data, for the people who ask what the client is
// doing at present: by network while there is no link, by coapresend afterwards. It
// decides nothing. Each message replaces the one before.

// Sent is what the client has sent last and waits for an answer to.
type Sent uint8

// What can have been sent, in the order of an attempt.
const (
	SentNothing          Sent = iota
	SentQuery                 // to name servers
	SentClientHello           // RFC 6347 section 4.2.1, without a cookie
	SentClientHelloAgain      // with the cookie of the server
	SentProof                 // ClientKeyExchange to Finished: the proof of the own credentials
	SentBootstrapRequest
	SentRegister
	SentUpdate
	SentDeregister
)

// String returns the name that the specification has for it.
func (s Sent) String() string {
	names := [...]string{
		"", "DNS query", "ClientHello", "ClientHello with cookie", "ClientKeyExchange and Finished",
		"Bootstrap-Request", "Register", "Update", "De-register",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// Heard is what has come of the answer so far.
type Heard uint8

// What can have been heard.
const (
	HeardNothing     Heard = iota
	HeardOther             // datagrams, but none that a DTLS server answers with
	HeardVerify            // HelloVerifyRequest
	HeardServerHello       // a part of the server's flight
	HeardFlight            // all of it, which was answered with the proof
	HeardAck               // an empty acknowledgement: the answer is to follow
	HeardAccepted          // the bootstrap server's answer: its operations are to follow
)

// String returns it in a few words.
func (h Heard) String() string {
	names := [...]string{
		"nothing", "datagrams that are no answer", "HelloVerifyRequest", "ServerHello, and not all that follows",
		"whole flight", "acknowledgement", "acceptance",
	}
	if int(h) < len(names) {
		return names[h]
	}
	return "invalid"
}

// HandshakeStep tells how far a handshake has come, when that changes: a flight was
// sent for the first time or again, or something new was heard. Network to
// supervisor. Resends are paced, and there are few things to hear: a peer cannot
// cause many of them.
type HandshakeStep struct {
	Epoch  Epoch
	Sent   Sent
	Since  time.Time // when that was sent first
	Last   time.Time // when it was sent last
	Resent int
	Heard  Heard
}

// RequestStep tells of a request of ours that was sent, or sent again, or
// acknowledged. Coapresend to supervisor.
type RequestStep struct {
	Epoch  Epoch
	Code   CoAPCode
	Path   []string // as in the [Request]
	Resent int
	Heard  Heard // HeardNothing or HeardAck
}

// Step is what an attempt waits for, as the supervisor publishes it.
type Step struct {
	Sent   Sent
	Since  time.Time // when that was sent first
	Last   time.Time // when it was sent last
	Resent int
	Heard  Heard
	Turn   time.Time // since when it waits for its turn to shake hands; zero when it does not
}
