package coapresend

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// What is not confirmable has no acknowledgement that would slow it down. On average no
// more than one such notification leaves in a round-trip time, whatever it is about (RFC
// 7641 section 4.5.1).

// unknownRTT takes the place of a round-trip time of which there is no estimate.
const unknownRTT = 3 * time.Second

// pace spaces notifications that are not confirmable.
type pace struct {
	next    time.Time // nothing leaves before
	waiting []messages.Notify
}

// find returns the place of what waits of an observation; below 0 for none.
func (p *pace) find(observation uint64) int {
	return slices.IndexFunc(p.waiting, func(in messages.Notify) bool { return in.Observation == observation })
}

// heard measures the round trip of an exchange that has been heard, with the weight of
// RFC 6298 section 2. Of one that was sent several times it is not known which of them is
// answered.
func (m *Machine) heard(x *exchange) {
	if x.state != exSent || x.resends > 0 {
		return
	}
	rtt := max(m.now.Sub(x.sent), 1)
	if m.rtt > 0 {
		rtt = m.rtt + (rtt-m.rtt)/8
	}
	m.rtt = rtt
}

// notifyNON sends a notification that is not resent when its time has come. Until then
// a newer one of its observation takes its place.
func (m *Machine) notifyNON(in messages.Notify) {
	if m.pace == nil {
		m.pace = &pace{}
	}
	p := m.pace
	at := p.find(in.Observation)
	switch {
	case !m.up, at < 0 && len(p.waiting) >= m.cfg.MaxQueue:
		m.notified(in, messages.NotifyDropped)
	case at >= 0:
		m.notified(p.waiting[at], messages.NotifySuperseded)
		p.waiting[at] = in
	case len(p.waiting) > 0:
		p.waiting = append(p.waiting, in)
	case m.now.Before(p.next):
		p.waiting = append(p.waiting, in)
		m.setTimer(paceTimer, p.next.Sub(m.now))
	default:
		m.sendNON(in)
	}
}

// paceExpired sends what has waited longest.
func (m *Machine) paceExpired() {
	p := m.pace
	if len(p.waiting) == 0 {
		return
	}
	in := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	m.sendNON(in)
	if len(p.waiting) > 0 {
		m.setTimer(paceTimer, max(0, p.next.Sub(m.now)))
	}
}

// unpace gives up what waits of an observation.
func (m *Machine) unpace(observation uint64, outcome messages.NotifyOutcome) {
	p := m.pace
	if p == nil {
		return
	}
	if at := p.find(observation); at >= 0 {
		in := p.waiting[at]
		p.waiting = slices.Delete(p.waiting, at, at+1)
		m.notified(in, outcome)
	}
}
