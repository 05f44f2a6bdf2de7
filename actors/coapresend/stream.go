package coapresend

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// A streamed body is pulled: while its owner deals with a part nothing is asked of
// the peer, so that a slow one never has more than one part to keep.

// stall waits until the owner asks for the next part, for EXCHANGE_LIFETIME at
// most.
func (m *Machine) stall(c *call) {
	c.state = callStalled
	m.stalled = append(m.stalled, c)
	m.setTimer(stallTimer(c.request.ID), m.cfg.ExchangeLifetime())
}

// more is called when a part has been dealt with.
func (m *Machine) more(in messages.More) {
	switch {
	case in.Epoch != m.cfg.Epoch:
	case in.Upload:
		m.moreUpload(in.ID)
	default:
		if c := m.resume(in.ID); c != nil {
			m.stopTimer(stallTimer(in.ID))
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

// stallExpired ends a transfer whose owner asks for nothing more.
func (m *Machine) stallExpired(id uint64) {
	if c := m.resume(id); c != nil {
		m.fail(c, messages.Stalled)
	}
}

// resume takes a call out of those that stall; nil when it does not.
func (m *Machine) resume(id uint64) *call {
	at := slices.IndexFunc(m.stalled, func(c *call) bool { return c.request.ID == id })
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
	if c := m.resume(in.ID); c != nil {
		m.stopTimer(stallTimer(in.ID))
		m.calls--
		return
	}
	its := func(x *exchange) bool { return x.call != nil && x.call.request.ID == in.ID }
	if at := slices.IndexFunc(m.queue, its); at >= 0 {
		m.queue = slices.Delete(m.queue, at, at+1)
		m.calls--
	} else if at := slices.IndexFunc(m.active, its); at >= 0 {
		m.over(m.active[at])
		m.calls--
		m.pump()
	}
}

func stallTimer(id uint64) core.Timer { return core.Timer{Name: timerStall, Key: id} }
