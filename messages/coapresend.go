package messages

// Request asks coapresend for one confirmable exchange (RFC 7252 section 4).
// Owner to coapresend. It is answered by exactly one [Response] or
// [RequestFailed] with the same ID, unless the link goes first or a [Cancel] gives
// it up. With Stream the body comes in parts, each a [ResponseBlock], the next
// one only when it is asked for by [More], and the Response carries no payload.
type Request struct {
	Epoch         Epoch
	ID            uint64 // chosen by the requester, unique within the epoch and For
	For           Requester
	Code          CoAPCode
	Path          []string // Uri-Path, one segment each, verbatim
	Query         []string // Uri-Query, one "key=value" each, not escaped
	ContentFormat *Format
	Accept        *Format
	Echo          []byte // RFC 9175, when repeating a challenged request
	Payload       []byte // sent by Block1 when larger than one block
	Stream        bool
	// From is where a streamed body begins: what is before it is not asked for. It is a
	// multiple of 1024, the largest block; anything else is Unsendable. Without Stream it
	// does not count.
	From uint64
	// Gather is how many bytes of a streamed body are one part, where its blocks come fast:
	// what comes slowly is told block by block. That many are asked of the peer ahead of
	// [More]. With 0 each block is a part, and nothing is asked ahead.
	Gather int
}

// Requester is who a request is for, and gets its answer.
type Requester uint8

// The requesters.
const (
	ForOwner  Requester = iota // the owner of the link
	ForUpdate                  // the shared actor update, which fetches an image
)

// Response is the answer to a [Request]. Coapresend to requester.
type Response struct {
	Epoch         Epoch
	ID            uint64
	Code          CoAPCode
	LocationPath  []string // verbatim, option by option
	ContentFormat *Format
	MaxAge        *uint32 // seconds
	ETag          []byte
	Echo          []byte
	Payload       []byte // reassembled from Block2 when need be
}

// ResponseBlock is one part of a body that is streamed (Block2). Coapresend
// to requester, in order, without gaps, before the [Response]. With Next the
// requester asks for the next part by [More], within EXCHANGE_LIFETIME.
type ResponseBlock struct {
	Epoch  Epoch
	ID     uint64
	Offset uint64 // bytes
	Data   []byte
	Next   bool // more parts follow
	// ETag and Size, of the first part only, are what the peer says of the whole body: its
	// entity tag, and Size2 (RFC 7959 section 4), a hint; nil where it says nothing. A
	// requester that goes on with a body compares the tag with that of before.
	ETag []byte
	Size *uint64
}

// More asks for the next part of a streamed body, when this one has been dealt
// with: of a [ResponseBlock] or an [InboundBlock], by its ID. Nothing of the next
// part is asked of the peer before, but for what Request.Gather says. Requester, or
// handler, to coapresend.
type More struct {
	Epoch  Epoch
	ID     uint64
	For    Requester // of the Request
	Upload bool      // of an InboundBlock; the two have IDs of their own
}

// Cancel gives up a [Request]. Nothing more is said of it, but for what is on its
// way already. Requester to coapresend.
type Cancel struct {
	Epoch Epoch
	ID    uint64
	For   Requester // of the Request
}

// RequestFailure says why an exchange brought no response.
type RequestFailure uint8

// The ways in which an exchange fails.
const (
	Exhausted  RequestFailure = iota + 1 // all resends unanswered, or no separate response within EXCHANGE_LIFETIME
	Reset                                // the peer answered RST
	TooLarge                             // the body exceeds a declared limit
	Broken                               // block-wise transfer broken beyond repair (ETag changed three times, wrong block)
	QueueFull                            // more requests wait than limits.queued_messages
	Unsendable                           // the request cannot be encoded: a segment above 255 bytes, too many options
	Stalled                              // nobody asked for the next part of a streamed body within EXCHANGE_LIFETIME
	// BodyChanged says that what was had of a streamed body is void, to be asked for from its
	// beginning: the peer has another body by now, or it gives none from [Request.From] on.
	BodyChanged
)

// String returns the reason in a few words.
func (r RequestFailure) String() string {
	names := [...]string{"unknown", "resends exhausted", "reset by the peer", "body too large", "block-wise transfer broken", "too many queued requests (limits.queued_messages)", "request cannot be encoded", "next part not asked for", "body changed"}
	if int(r) < len(names) {
		return names[r]
	}
	return names[0]
}

// Acknowledged says that the server has acknowledged a request on a link that goes on with
// an earlier session, and not answered it yet: it knows the session. Coapresend to owner,
// once.
type Acknowledged struct{ Epoch Epoch }

// RequestFailed reports that a [Request] brought no response. Coapresend to
// requester.
type RequestFailed struct {
	Epoch  Epoch
	ID     uint64
	Reason RequestFailure
}

// Inbound is a request of the peer, deduplicated and, unless streamed,
// reassembled. Coapresend to handler, which answers with exactly one [Reply]
// with the same ID.
type Inbound struct {
	Peer          Peer
	Epoch         Epoch
	ID            uint64
	Code          CoAPCode
	Token         []byte // aliases the datagram; copy it to keep it
	Path          []string
	Query         []string
	ContentFormat *Format
	Accept        *Format
	Observe       *uint32 // 0 begins an observation, 1 ends it (RFC 7641 section 2)
	Key           string  // what is asked for, for [Notify]; empty without Observe
	Payload       []byte
}

// InboundBlock is one part of a request body on a path whose handler takes
// streams (Block1). Coapresend to handler, in order, without gaps. With Next the
// handler asks for the next part by [More], or ends the transfer with a [Reply];
// the last part is answered like an [Inbound].
type InboundBlock struct {
	Inbound
	Offset uint64 // bytes; 0 begins a body
	Next   bool   // more parts follow
}

// Reply answers an [Inbound] or [InboundBlock]. Handler to coapresend, which
// caches it for duplicates and cuts it into blocks when need be.
type Reply struct {
	Epoch         Epoch
	ID            uint64
	Code          CoAPCode
	LocationPath  []string
	ContentFormat *Format
	MaxAge        *uint32
	ETag          []byte  // 1 to 8 bytes; nil for none, or for one of coapresend's where blocks need it
	Observe       *uint32 // accepts an observation, 0 to MaxSequence; nil where there is none
	Payload       []byte
}

// BodyRefused reports that a request body of the peer exceeded the link's limit
// and was answered 4.13 without being handed over. Coapresend to handler.
type BodyRefused struct {
	Peer  Peer
	Epoch Epoch
}

// Shed counts what a link has dropped: to survive a flood, or because there was
// no way to read or send it.
type Shed struct {
	// Queue counts datagrams that came faster than they could be processed.
	Queue uint64 `json:"queue"`
	// Rate counts datagrams above the rate limit of one peer.
	Rate uint64 `json:"rate"`
	// Answers counts our responses that were dropped because the share of
	// message IDs for responses was used up.
	Answers uint64 `json:"answers"`
	// Memory counts requests for which there was no deduplication entry left,
	// and blocks of transfers for which there was no room.
	Memory uint64 `json:"memory"`
	// Forged counts empty ACKs and RSTs that were ignored because somebody
	// was guessing message IDs.
	Forged uint64 `json:"forged"`
	// Truncated counts datagrams that were too long to be read whole.
	Truncated uint64 `json:"truncated"`
	// Unsent counts datagrams of ours that the socket had no room for.
	Unsent uint64 `json:"unsent"`
}

// Plus returns the sums.
func (s Shed) Plus(other Shed) Shed {
	return Shed{
		Queue: s.Queue + other.Queue, Rate: s.Rate + other.Rate, Answers: s.Answers + other.Answers,
		Memory: s.Memory + other.Memory, Forged: s.Forged + other.Forged,
		Truncated: s.Truncated + other.Truncated, Unsent: s.Unsent + other.Unsent,
	}
}

// Overloaded reports what a link has dropped since its last report. Coapresend
// to supervisor, at most once in 10 s.
type Overloaded struct {
	Epoch Epoch
	Shed  Shed
}

// Malformed reports an undecodable message of the configured server, which
// was dropped. Coapresend to supervisor, which limits the events.
type Malformed struct {
	Epoch   Epoch
	Cause   error
	Foreign bool // it is a DTLS record, on a link without DTLS
}

// QueueMode says whether the server of a link knows that it is in queue mode, from
// now on: then coapresend says when the client has been silent for so long that it is
// asleep. Supervisor to coapresend.
type QueueMode struct {
	Epoch Epoch
	On    bool
}

// LinkAsleep says that nothing was sent or received on a link in queue mode for
// MAX_TRANSMIT_WAIT, and that nothing is waited for. Coapresend to supervisor.
type LinkAsleep struct{ Epoch Epoch }

// LinkAwake says that something was sent or received on a link that was asleep.
// Coapresend to supervisor.
type LinkAwake struct{ Epoch Epoch }

// MessageIDBlock is how many message IDs a link uses before it says so.
const MessageIDBlock = 1 << 10

// MessageIDsUsed says that a link has used another [MessageIDBlock] of message
// IDs. Coapresend to supervisor.
type MessageIDsUsed struct{ Epoch Epoch }
