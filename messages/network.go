package messages

import (
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// Connect asks network for a link: resolve, open a socket, shake hands.
// Supervisor to network, once per incarnation.
type Connect struct {
	Peer        Peer
	Epoch       Epoch
	URI         uri.URI
	Credentials Credentials
	// Deadline ends the attempt. A try that resolves to k > 1 addresses takes
	// at most (Deadline - now) / k, at least 10 s, and leaves the rest to the
	// other addresses; LinkUp.Deadline and the handshake obey that share.
	// When Addresses is set, Deadline is the share already.
	Deadline time.Time
	// Addresses, when not empty, are those that this attempt has resolved
	// already; network does not resolve again within one attempt.
	Addresses []netip.AddrPort
	// Known is an instant that has passed, whatever the clock shows; zero when
	// none is known. A clock that stands before it is wrong.
	Known time.Time
	// Public says that the server was named by another one: addresses that lead back to this
	// machine or to its links are not used, as if they had not been resolved.
	Public bool
	// Resume, when not nil, is the session to go on with, of an earlier link with the same
	// URI and credentials. Where it cannot, network makes a new one.
	Resume *SecureSession
	// CID offers a Connection ID (RFC 9146) in a full handshake. Reserve says that the
	// session may be stored: only as many sequence numbers are used as are reserved,
	// [SequenceBlock] to begin with.
	CID, Reserve bool
	// After is the address that the last try went to; network takes the one
	// that follows it, so that a black hole cannot hide a good address.
	After netip.AddrPort
}

// MinAddressShare is the least time that one of several addresses of a server gets
// (docs/design.md, The reconnection policy).
const MinAddressShare = 10 * time.Second

// AddressShare returns the end of one address's part of what is left of an
// attempt at the instant now: an equal one of as many as there are addresses left,
// this one included, at least MinAddressShare, and never more than is left.
func AddressShare(now, deadline time.Time, addresses int) time.Time {
	if addresses < 2 {
		return deadline
	}
	each := max(deadline.Sub(now)/time.Duration(addresses), MinAddressShare)
	if end := now.Add(each); end.Before(deadline) {
		return end
	}
	return deadline
}

// Stage is how far a link has come.
type Stage uint8

// The stages of a link.
const (
	StageResolving Stage = iota + 1
	StageConnecting
	StageUp
)

// Progress tells the supervisor how far a link has come. Network to
// supervisor. Addresses and Chosen are set from StageConnecting on.
type Progress struct {
	Epoch     Epoch
	Stage     Stage
	Addresses []netip.AddrPort
	Chosen    netip.AddrPort
	// Origin and Session are set at StageUp, and Session only with DTLS.
	Origin  SessionOrigin
	Session *SecureSession
}

// Joined brings addresses of the server that were resolved late, when others were
// being tried already: they come after those. Network to supervisor.
type Joined struct {
	Epoch     Epoch
	Addresses []netip.AddrPort
}

// Postponed moves the end of an attempt, and of what is left of its shares, by By: a link
// waits for its turn to shake hands, or has waited, and that does not count. While it
// waits, the attempt ends later by the longest such wait; afterwards by as much as it took.
// Network to supervisor and owner.
type Postponed struct {
	Epoch Epoch
	By    time.Duration // may be negative
	Waits bool          // its turn has not come yet
}

// LinkUp says that datagrams can be exchanged. Network to coapresend and
// owner.
type LinkUp struct {
	Epoch Epoch
	// Deadline is the end of this address's share of the attempt's budget.
	Deadline time.Time
	Origin   SessionOrigin
	// Unproven is that of the session which the link goes on with.
	Unproven bool
}

// LinkLost says that the link could not be made, or is gone. Network to
// owner, at most once per epoch; the owner adds its phase and reports to the
// supervisor, so that one failed attempt makes one error.
type LinkLost struct{ Failure Failure }

// Datagram is one datagram from the peer, decrypted. Network to coapresend.
// A full mailbox may drop it: UDP may lose it too.
type Datagram struct {
	Epoch Epoch
	Data  []byte
	// Record is the sequence number of the record that it came in; 0 without DTLS.
	Record uint64
}

// Truncated says that a datagram was dropped because it was too long to be read
// whole. Network to coapresend, which counts it; a full mailbox may drop it.
type Truncated struct{ Epoch Epoch }
