package coapresend

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// midSource hands out message IDs: a first one (Config.FirstMID, else random),
// then one after the other, none a second time within the given lifetime (RFC 7252
// section 4.4).
//
// It does not remember every ID, but how many had been handed out at a few
// instants: what was handed out before the oldest of them is free again.
type midSource struct {
	first uint16
	count uint64 // handed out so far
	marks []midMark
}

// midMark says that the IDs from a count on may be in use until an instant.
type midMark struct {
	count  uint64
	opened time.Time
}

const (
	midSpace = 1 << 16 // how many message IDs there are
	midMarks = 64      // marks per lifetime, which bounds their number
)

// Shares of the message IDs: while more than this many are in use, no further one
// is handed out for the purpose. So answers to the peer cannot use up the IDs that
// our own exchanges need, and non-confirmable answers stop first.
const (
	midsForNON       = midSpace / 2     // responses to non-confirmable requests
	midsForResponses = midSpace / 4 * 3 // separate responses
	midsForRequests  = midSpace         // our own requests
	midsForImages    = midSpace / 8 * 3 // ... for blocks of an image, on a link that is not for that
)

// midsFor is the share of a request of ours. A fast download of a large image must not use
// up what an Update or a notification needs.
func (m *Machine) midsFor(x *exchange) uint64 {
	if x.rank == rankImage && m.cfg.Peer.Kind != messages.PeerDownload {
		return midsForImages
	}
	return midsForRequests
}

// next returns a message ID that was not used within lifetime before now. It
// is not ok when as many as share are in use.
func (s *midSource) next(now time.Time, lifetime time.Duration, rnd Rand, share uint64) (mid uint16, ok bool) {
	if s.count == 0 {
		s.first = rnd.MID()
	}
	grain := lifetime / midMarks
	s.free(now, lifetime+grain)
	if len(s.marks) == 0 || !now.Before(s.marks[len(s.marks)-1].opened.Add(grain)) {
		s.marks = append(s.marks, midMark{count: s.count, opened: now})
	}
	if s.count-s.marks[0].count >= share {
		return 0, false
	}
	mid = s.first + uint16(s.count)
	s.count++
	return mid, true
}

// startAt is a Rand whose first message ID is given.
type startAt struct {
	Rand
	first uint16
}

// MID implements Rand.
func (s startAt) MID() uint16 { return s.first }

// nextMID hands out a message ID within a share of them, and tells the supervisor
// now and then how many have been.
func (m *Machine) nextMID(share uint64) (mid uint16, ok bool) {
	mid, ok = m.mids.next(m.now, m.cfg.ExchangeLifetime(), m.rnd, share)
	if ok && m.mids.count%messages.MessageIDBlock == 0 {
		m.tell(core.Supervisor, messages.MessageIDsUsed{Epoch: m.cfg.Epoch})
	}
	return mid, ok
}

// freed returns when the oldest message IDs in use are free again.
func (s *midSource) freed(lifetime time.Duration) time.Time {
	return s.marks[0].opened.Add(lifetime + lifetime/midMarks)
}

// issued reports whether a message ID was handed out within its lifetime, so that
// a message of the peer may refer to it.
func (s *midSource) issued(mid uint16) bool {
	if len(s.marks) == 0 {
		return false
	}
	age := uint16(s.count) - 1 - (mid - s.first)
	return uint64(age) < s.count-s.marks[0].count
}

// free drops the marks of which every ID is at least a lifetime old.
func (s *midSource) free(now time.Time, after time.Duration) {
	drop := 0
	for drop < len(s.marks) && !now.Before(s.marks[drop].opened.Add(after)) {
		drop++
	}
	s.marks = append(s.marks[:0], s.marks[drop:]...)
}
