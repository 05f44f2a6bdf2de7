package coapresend

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// A streamed body is pulled: while its requester deals with a part nothing is asked of
// the peer, so that a slow one never has more than one part to keep.

// maxBodyOffset is where the last block of the largest body begins, in bytes.
const maxBodyOffset = coap.MaxBlockNumber << (coap.MaxSZX + 4)

// askFrom makes a request that of a streamed body: from where it is to begin, and how large
// it is (RFC 7959 section 4). Where that cannot be asked, the call ends.
func (m *Machine) askFrom(c *call, msg *coap.Message) bool {
	msg.AddUint(coap.Size2, 0)
	from := c.request.From
	if from == 0 {
		return true
	}
	block, ok := coap.At(int(min(from, maxBodyOffset)), false, m.cfg.szx())
	switch {
	case from%(1<<(coap.MaxSZX+4)) != 0:
		m.fail(c, messages.Unsendable)
		return false
	case !ok || from > maxBodyOffset:
		m.fail(c, messages.TooLarge)
		return false
	}
	msg.AddBlock(coap.Block2, block)
	return true
}

// from is where the body of a call begins.
func (c *call) from() int {
	if c.request.Stream {
		return int(c.request.From) // askFrom has seen to its range
	}
	return 0
}

// stall waits until the requester asks for the next part, for EXCHANGE_LIFETIME at
// most.
func (m *Machine) stall(c *call) {
	c.state = callStalled
	m.stalled = append(m.stalled, c)
	m.setTimer(stallTimer(c.request.ID, c.request.For), m.cfg.ExchangeLifetime())
}

// more is called when a part has been dealt with.
func (m *Machine) more(in messages.More) {
	switch {
	case in.Epoch != m.cfg.Epoch:
	case in.Upload:
		m.moreUpload(in.ID)
	default:
		if c := m.resume(in.ID, in.For); c != nil {
			m.stopTimer(stallTimer(in.ID, in.For))
			m.fetch(c)
		}
	}
}

// moreUpload acknowledges a part, which asks the peer for the next.
func (m *Machine) moreUpload(id uint64) {
	if e := m.working(id); e != nil && e.job.upload != nil {
		m.answerJob(e.job, m.continued(*e.job.block1))
	}
}

// stallExpired ends a transfer whose requester asks for nothing more.
func (m *Machine) stallExpired(id uint64, requester messages.Requester) {
	if c := m.resume(id, requester); c != nil {
		m.fail(c, messages.Stalled)
	}
}

// resume takes a call out of those that stall; nil when it does not.
func (m *Machine) resume(id uint64, requester messages.Requester) *call {
	at := slices.IndexFunc(m.stalled, func(c *call) bool { return c.is(id, requester) })
	if at < 0 {
		return nil
	}
	c := m.stalled[at]
	m.stalled = slices.Delete(m.stalled, at, at+1)
	return c
}

// cancel gives up a request of ours wherever it is.
func (m *Machine) cancel(in messages.Cancel) {
	if in.Epoch != m.cfg.Epoch {
		return
	}
	if c := m.resume(in.ID, in.For); c != nil {
		m.stopTimer(stallTimer(in.ID, in.For))
		m.calls--
		return
	}
	its := func(x *exchange) bool { return x.call != nil && x.call.is(in.ID, in.For) }
	if at := slices.IndexFunc(m.queue, its); at >= 0 {
		m.queue = slices.Delete(m.queue, at, at+1)
		m.calls--
	} else if at := slices.IndexFunc(m.active, its); at >= 0 {
		m.over(m.active[at])
		m.calls--
		m.pump()
	}
}

func stallTimer(id uint64, requester messages.Requester) core.Timer {
	if requester == messages.ForUpdate {
		return core.Timer{Name: timerStallImage, Key: id}
	}
	return core.Timer{Name: timerStall, Key: id}
}
