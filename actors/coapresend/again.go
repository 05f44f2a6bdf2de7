package coapresend

import (
	"bytes"
	"crypto/sha256"

	"github.com/holdfast-iot/holdfast/internal/coap"
)

// taken is the block of an upload that was taken last. A peer that has not heard the
// answer may send it again under a new message ID, which deduplication does not
// know (some resend whole exchanges): it is not taken twice, and answered as it was.
type taken struct {
	block  coap.Block
	sum    [sha256.Size]byte // of its payload
	job    *job              // what the handler was asked; nil once there is an answer
	answer coap.Message
}

// refused reports whether the answer is there, and is an error.
func (p *taken) refused() bool { return p.job == nil && p.answer.Code.Class() >= 4 }

// take notes that a block was taken.
func (u *upload) take(msg coap.Message, block coap.Block) *taken {
	u.latest = &taken{block: block, sum: sha256.Sum256(msg.Payload)}
	return u.latest
}

// takenPart returns the part that a block repeats; nil when it is another one. A body
// of one block is a request like any other: it is carried out as often as it comes. So is
// the first block of a body that was refused: nothing was taken, and a peer that was told to
// come back later comes with the same block.
func (m *Machine) takenPart(msg coap.Message, block coap.Block) *taken {
	u := m.findUpload(uploadKey(msg))
	if u == nil || u.latest == nil || u.latest.block != block || block.Num == 0 && !block.More {
		return nil
	}
	if u.head != uploadHead(msg) || u.latest.sum != sha256.Sum256(msg.Payload) || block.Num == 0 && u.latest.refused() {
		return nil
	}
	return u.latest
}

// isOlder reports whether a block repeats one before the latest: it was overtaken on
// its way. The peer is past it, and what has come since stays. Block 0 begins anew
// instead, and parts of a streamed body are gone when they have been handed over.
func (m *Machine) isOlder(msg coap.Message, block coap.Block) bool {
	u := m.findUpload(uploadKey(msg))
	if u == nil || block.Num == 0 || !block.More || u.head != uploadHead(msg) {
		return false
	}
	from, to := block.Offset(), block.Offset()+len(msg.Payload)
	return to <= len(u.body) && bytes.Equal(u.body[from:to], msg.Payload)
}

// takeAgain answers a block that was taken already, or makes it wait for the same
// answer.
func (m *Machine) takeAgain(e *entry, p *taken) {
	if p.job != nil {
		m.waitFor(e, p.job)
		return
	}
	m.answer(e, p.answer)
}

// answerJob answers all requests that wait for a job.
func (m *Machine) answerJob(j *job, msg coap.Message) {
	if j.taken != nil {
		j.taken.job, j.taken.answer = nil, msg
	}
	for _, e := range m.entries {
		if e.job == j {
			m.answer(e, msg)
		}
	}
}
