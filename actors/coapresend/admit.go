package coapresend

import (
	"bytes"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
)

// The rate limit of one peer. A thousand messages a second are far more than a
// management server sends to one device, and cost a few per cent of a small
// processor; a burst is as many blocks as the largest body has when it comes in
// the smallest blocks. What exceeds the limit is dropped silently, as a congested
// network would do: the sender of a confirmable message resends it with
// exponential back-off, and answering the others would only be more work (RFC
// 7252 sections 4.2, 4.3 and 11.3).
const (
	workEvery = time.Millisecond // the long run: one message
	workBurst = 4096             // at a stretch

	// workLesser is what everything but confirmable requests may use of the
	// burst: non-confirmable requests, pings and unmatched messages. The rest
	// of it is for requests whose sender wants an answer.
	workLesser = workBurst / 2
)

// The rate limit of reports about malformed messages. The supervisor limits the
// events further.
const (
	reportEvery = time.Second
	reportBurst = 16
)

// An empty ACK or RST with a message ID that we have not used comes from somebody
// who guesses, and 65536 guesses suffice to hit one that we have used. After this
// many in a row, empty ACKs and RSTs are ignored until such guesses have become
// rare again: the exchange goes on as if its answer had been lost, and ends with
// the response, whose token cannot be guessed.
const (
	strayEvery = 4 * time.Second
	strayBurst = 16
)

// bucket is a token bucket; the zero value is full.
type bucket struct {
	full time.Time // when all tokens will be back
}

// take takes a token, which is back after every. It fails when fewer than
// burst tokens would not do.
func (b *bucket) take(now time.Time, every time.Duration, burst int) bool {
	if b.spent(now, every, burst) {
		return false
	}
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(every)
	return true
}

// spent reports whether burst tokens are out.
func (b *bucket) spent(now time.Time, every time.Duration, burst int) bool {
	return b.full.Sub(now) > every*time.Duration(burst-1)
}

// admit decides by its header whether a datagram is processed. An answer that one
// of our exchanges waits for always is, and does not count against the limit.
func (m *Machine) admit(header coap.Message) bool {
	if m.awaited.includes(&header) {
		return true
	}
	if header.IsEmpty() && header.Type != coap.CON && !m.mids.issued(header.MID) {
		m.strays.take(m.now, strayEvery, strayBurst)
	}
	share := workLesser
	if header.Type == coap.CON && header.IsRequest() {
		share = workBurst
	}
	return m.work.take(m.now, workEvery, share)
}

// distrusts reports whether empty ACKs and RSTs are ignored at present, and
// counts this one as forged if so.
func (m *Machine) distrusts() bool {
	if !m.strays.spent(m.now, strayEvery, strayBurst) {
		return false
	}
	m.shed.Forged++
	return true
}

// awaited lists what the exchanges in progress wait for, so that their answers
// can be told from a flood. It is immutable and replaced as a whole, because the
// mailbox reads it too, on the sender's goroutine. Nil awaits nothing.
type awaited []await

// await is what one exchange waits for.
type await struct {
	mid   uint16
	token []byte // of a request; nil for a separate response of ours
	sent  bool   // an empty ACK or a RST is awaited too
}

func (x *exchange) await() await {
	a := await{mid: x.message.MID, sent: x.state == exSent}
	if x.call != nil {
		a.token = x.message.Token
	}
	return a
}

// includes reports whether a message, known by its header, is awaited.
func (all *awaited) includes(header *coap.Message) bool {
	if all == nil {
		return false
	}
	for _, a := range *all {
		if a.matches(header) {
			return true
		}
	}
	return false
}

// matches implements RFC 7252 section 5.3.2: a response is known by its token
// and, in an ACK, by the message ID too; an empty ACK and a RST by the message
// ID alone. The endpoint is right by construction: a link has one peer.
func (a await) matches(msg *coap.Message) bool {
	switch {
	case msg.IsEmpty():
		return a.sent && msg.Type != coap.CON && msg.MID == a.mid
	case msg.IsResponse():
		return a.token != nil && bytes.Equal(a.token, msg.Token) && (msg.Type != coap.ACK || msg.MID == a.mid)
	}
	return false
}

// await recomputes awaited after a change of the exchanges in progress.
func (m *Machine) await() {
	m.awaited = nil
	if len(m.active) > 0 {
		all := make(awaited, len(m.active))
		for i, x := range m.active {
			all[i] = x.await()
		}
		m.awaited = &all
	}
}
