package coapresend

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// A streamed body is pulled: while its requester deals with a part nothing is asked of
// the peer but what is gathered for the next, so that a slow one never has more than one
// part to keep.

// gatherFor is how long a requester waits for a part to be full. Where the peer takes longer
// for a block, each is a part.
const gatherFor = 50 * time.Millisecond

// gathering is the part of a streamed body that its requester has not been told yet.
type gathering struct {
	data  []byte
	asked bool      // the requester has asked for it
	told  time.Time // when the one before was told; zero before the first
}

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

// gather adds a block to the part that is told next. A block that is alone in its part is not
// copied.
func (c *call) gather(block []byte) {
	p := &c.in.part
	switch {
	case len(p.data) == 0:
		p.data = slices.Clip(block)
		return
	case cap(p.data) < c.request.Gather:
		p.data = append(make([]byte, 0, c.request.Gather), p.data...)
	}
	p.data = append(p.data, block...)
}

// stream goes on with a body that has come further.
func (m *Machine) stream(c *call) {
	p := &c.in.part
	if len(p.data) >= c.request.Gather || m.now.Sub(p.told) >= gatherFor {
		m.offer(c)
		if len(p.data) > 0 || c.request.Gather == 0 {
			m.stall(c)
			return
		}
	}
	m.next = c
}

// offer tells the requester what has been gathered, if it has asked for that.
func (m *Machine) offer(c *call) {
	if c.in.part.asked {
		m.tellPart(c, true)
	}
}

// offerOf does that where an exchange is about to be waited for: it may be long.
func (m *Machine) offerOf(x *exchange) {
	if x.call != nil {
		m.offer(x.call)
	}
}

// tellPart tells the requester what has been gathered, if anything has.
func (m *Machine) tellPart(c *call, next bool) {
	data := c.in.part.data
	if len(data) == 0 {
		return
	}
	at := c.in.received - len(data)
	told := messages.ResponseBlock{Epoch: m.cfg.Epoch, ID: c.request.ID, Offset: uint64(at), Data: data, Next: next}
	if at == c.from() {
		told.ETag, told.Size = c.in.response.ETag, c.in.size
	}
	c.in.part = gathering{told: m.now}
	m.tell(c.requester(), told)
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
		m.morePart(in.ID, in.For)
	}
}

// morePart is called when a requester wants the next part of a body.
func (m *Machine) morePart(id uint64, requester messages.Requester) {
	if c := m.resume(id, requester); c != nil {
		m.stopTimer(stallTimer(id, requester))
		c.in.part.asked = true
		m.offer(c)
		m.fetch(c)
	} else if c := m.underWay(id, requester); c != nil {
		c.in.part.asked = true
	}
}

// underWay returns the call that waits for an answer, or to be sent; nil where there is none.
func (m *Machine) underWay(id uint64, requester messages.Requester) *call {
	for _, all := range [...][]*exchange{m.active, m.queue} {
		for _, x := range all {
			if x.call != nil && x.call.is(id, requester) {
				return x.call
			}
		}
	}
	return nil
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
