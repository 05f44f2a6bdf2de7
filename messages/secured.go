package messages

import (
	"fmt"
	"io"
	"time"
)

// SessionOrigin says where the DTLS session of a link comes from, and so what the link
// has cost.
type SessionOrigin uint8

// The origins.
const (
	SessionNone    SessionOrigin = iota // plain CoAP
	SessionNew                          // a full handshake
	SessionResumed                      // an abbreviated handshake (RFC 5246 section 7.3)
	SessionKept                         // none: it went on from another link
)

// String returns the origin as events name it.
func (o SessionOrigin) String() string {
	names := [...]string{"none", "new", "resumed", "kept"}
	if int(o) < len(names) {
		return names[o]
	}
	return "invalid"
}

// SecureSession is a DTLS session as a value: what network leaves behind of a link, and
// what the next link of the same account goes on with. It is never changed.
type SecureSession struct {
	// State is what it takes to go on; empty where nothing can. Only network reads it.
	State Secret
	// Movable says that the server finds the session by its Connection ID (RFC 9146),
	// wherever the datagrams come from: it goes on without a handshake. Else State is
	// what an abbreviated handshake takes.
	Movable bool
	Suite   string    // name of the IANA registry
	Since   time.Time // when its full handshake ended
	// Ends is when the certificate of the server expires, which has proven the session;
	// zero without one.
	Ends time.Time
	// Reserved, of a movable session, is the first sequence number that may not be used
	// yet; 0 when all may.
	Reserved uint64
	// Unproven says that the session has been stored, so that which records have come is
	// not known: what comes may be repeated, until the server has answered what was sent
	// since.
	Unproven bool
}

// Format implements fmt.Formatter: whatever the verb, no secret is printed.
func (s SecureSession) Format(f fmt.State, _ rune) {
	how := "by an abbreviated handshake"
	if s.Movable {
		how = "by Connection ID"
	}
	_, _ = io.WriteString(f, s.Suite+" since "+s.Since.UTC().Format(time.RFC3339)+", goes on "+how)
}

// SequenceBlock is how many sequence numbers of a session are reserved ahead of their
// use, so that no write is in the way of a datagram. Network asks for more when half of
// them are used.
const SequenceBlock = 1 << 14

// SequenceUsed says that the sequence numbers below Next are used, and that those that
// are reserved will soon be. Network to supervisor, several times in a block.
type SequenceUsed struct {
	Epoch Epoch
	Next  uint64
}

// ReserveSequence allows the sequence numbers below Until; 0 all of them. Supervisor to
// network.
type ReserveSequence struct {
	Epoch Epoch
	Until uint64
}

// LeaveSession asks network to end a link such that its session survives: nothing is
// said to the server. Supervisor to network.
type LeaveSession struct{ Epoch Epoch }

// SessionLeft brings what is left of the session of a link that has ended and whose
// server has not ended it. Network to supervisor, at most once per epoch, and before the
// [LinkLost] of a link that has failed.
type SessionLeft struct {
	Epoch   Epoch
	Session SecureSession
}
