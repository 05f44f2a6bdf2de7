package messages

// MaxSequence is the largest value of the Observe option of a notification, which
// has 24 bits (RFC 7641 section 3.4).
const MaxSequence = 1<<24 - 1

// Notify asks coapresend for one notification (RFC 7641 section 4.2). Handler to
// coapresend. It is answered by one [Notified] with the same ID, unless the link
// goes first; a [NotifyReset] may follow later where the observer rejects what had
// left already.
//
// Notifications wait until nothing else of ours is in flight, so that
// registration and responses come first. While one waits, a newer one of the same
// observation takes its place; while one is resent, the newer one goes out in
// place of the next resend, as often as was left (RFC 7641 section 4.5.2). After one that
// is not confirmable the next leaves a round-trip time later, or 3 s while that is not
// known (section 4.5.1); where that goes on, one in a minute measures it.
type Notify struct {
	Epoch       Epoch
	ID          uint64 // chosen by the handler, unique within the epoch
	Observation uint64 // which observation of this link; a newer value of it replaces an older one
	Token       []byte // of the request that began the observation
	// Key is that of the request that began the observation. A payload larger
	// than a block is kept under it, so that the observer can ask for the
	// later blocks (RFC 7959 section 2.6).
	Key           string
	Sequence      uint32 // the Observe option, 0 to MaxSequence; left out when Code is no success
	Confirmable   bool   // also made so where it takes the place of one that is, or measures the round trip
	Code          CoAPCode
	ContentFormat *Format
	MaxAge        *uint32 // seconds
	ETag          []byte  // 1 to 8 bytes; nil for none, or for one of coapresend's where blocks need it
	Payload       []byte
}

// Unobserve ends the notifications of an observation: what waits or is resent is
// given up, without a sign of silence. Handler to coapresend.
type Unobserve struct {
	Epoch       Epoch
	Observation uint64
}

// NotifyOutcome is what became of a notification.
type NotifyOutcome uint8

// The outcomes.
const (
	NotifyAcknowledged NotifyOutcome = iota + 1 // the observer has it
	NotifySent                                  // it has left and was not confirmable
	NotifyReset                                 // the observer rejected it, which ends the observation (RFC 7641 section 3.6)
	NotifySilent                                // all resends unanswered; the owner of the link gets a [Silence]
	NotifySuperseded                            // a newer one took its place, or the observation ended
	NotifyDropped                               // too many wait (limits.queued_messages), or no message ID is free
	NotifyUnsendable                            // it cannot be encoded: sequence, ETag or token out of range
)

// String returns the outcome in a word or two.
func (o NotifyOutcome) String() string {
	names := [...]string{"unknown", "acknowledged", "sent", "reset", "silent", "superseded", "dropped", "cannot be encoded"}
	if int(o) < len(names) {
		return names[o]
	}
	return names[0]
}

// Notified is the outcome of a [Notify]. Coapresend to handler.
type Notified struct {
	Epoch       Epoch
	ID          uint64
	Observation uint64
	Outcome     NotifyOutcome
}

// Silence says that all resends of a notification stayed unanswered: the peer
// may have restarted, or a NAT has forgotten us (docs/design.md, Silence).
// Coapresend to owner.
type Silence struct{ Epoch Epoch }
