package coapresend

import (
	"bytes"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
)

// Work that is done for one peer. A thousand messages a second are far more
// than a management server sends to one device, and take some per cent of a
// small processor; a burst is as many blocks as the largest body has when it
// comes in the smallest blocks. What exceeds it is dropped without a word, as
// a congested network would: a confirmable message is sent again by its
// sender, each time after twice the wait, and an answer to the others would be
// work again (RFC 7252 sections 4.2, 4.3 and 11.3).
const (
	workEvery = time.Millisecond // the long run: one message
	workBurst = 4096             // at a stretch

	// workLesser is what everything but confirmable requests may use of the
	// burst: non-confirmable requests, pings, and what nobody waits for. The
	// rest of it is for requests whose sender cares for an answer.
	workLesser = workBurst / 2
)

// Reports of malformed messages, which make work for the supervisor. It limits
// the events once more.
const (
	reportEvery = time.Second
	reportBurst = 16
)

// An empty ACK or RST under a message ID that we have not used comes from
// somebody who guesses, and needs no more than 65536 guesses to hit one that we
// have. After so many at a stretch neither is believed until they have become
// rare again: the exchange goes on as if its answer had been lost, and ends
// with the response, whose token cannot be guessed.
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

// admit reports whether a datagram is worked at, by its header. What an
// exchange of ours waits for always is, and takes nothing from the others.
func (m *Machine) admit(header coap.Message) bool {
	if m.awaited.includes(header) {
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

// distrusts reports whether empty ACKs and RSTs are not believed, and counts
// the one at hand if so.
func (m *Machine) distrusts() bool {
	if !m.strays.spent(m.now, strayEvery, strayBurst) {
		return false
	}
	m.shed.Forged++
	return true
}

// awaited is what the exchanges under way wait for, so that their answers can
// be told from a flood. It is never changed, only replaced: the mailbox looks
// at it too, on the sender's goroutine. Nil awaits nothing.
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
func (all *awaited) includes(header coap.Message) bool {
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
func (a await) matches(msg coap.Message) bool {
	switch {
	case msg.IsEmpty():
		return a.sent && msg.Type != coap.CON && msg.MID == a.mid
	case msg.IsResponse():
		return a.token != nil && bytes.Equal(a.token, msg.Token) && (msg.Type != coap.ACK || msg.MID == a.mid)
	}
	return false
}

// await renews awaited after the exchanges under way have changed.
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
