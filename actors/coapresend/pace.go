package coapresend

import (
	"cmp"
	"time"
)

// What is not confirmable has no acknowledgement that would slow it down. On average no
// more than one such notification leaves in a round-trip time, whatever it is about (RFC
// 7641 section 4.5.1). Only what is acknowledged measures that time. Where notifications
// go on following each other so fast that it counts, one of them in a minute is made
// confirmable, so that the pace follows the network, and a server that has gone is
// noticed. A few, and those that come slowly, are left as they are.

// unknownRTT takes the place of a round-trip time of which there is no estimate.
const unknownRTT = 3 * time.Second

// probeEvery is how long the pace relies on one estimate.
const probeEvery = time.Minute

// pace spaces notifications that are not confirmable.
type pace struct {
	sent  time.Time // when the last one left
	since time.Time // since when it relies on the estimate as that is
	held  bool      // something has waited since the last one left
	timer bool      // paceTimer is set
}

// heard measures the round trip of an exchange that has been heard, with the weight of
// RFC 6298 section 2. Of one that was sent several times it is not known which of them is
// answered. An estimate on which the pace has relied for too long counts for nothing.
func (m *Machine) heard(x *exchange) {
	if x.state != exSent || x.resends > 0 {
		return
	}
	rtt := max(m.now.Sub(x.sent), 1)
	if m.rtt > 0 && !m.outdated() {
		rtt = m.rtt + (rtt-m.rtt)/8
	}
	m.rtt = rtt
	if m.pace != nil {
		m.pace.since = m.now
	}
}

// outdated reports whether the round-trip time has to be measured before the pace may go on
// to rely on it.
func (m *Machine) outdated() bool {
	return m.pace != nil && (m.rtt == 0 || m.now.Sub(m.pace.since) >= probeEvery)
}

// fast reports whether what leaves now follows the last one faster than it may without
// an estimate.
func (m *Machine) fast() bool { return m.pace.held || m.now.Sub(m.pace.sent) < unknownRTT }

// probes reports whether a notification that leaves now is made confirmable to measure
// the round trip: unless a request of ours does.
func (m *Machine) probes() bool {
	return m.outdated() && m.fast() && m.unacknowledged() < m.cfg.NStart
}

// paced reports whether the round-trip time of the last notification that was not
// confirmable is over. Where it is not, what waits leaves when it is.
func (m *Machine) paced() bool {
	p := m.pace
	if p == nil {
		return true
	}
	rest := p.sent.Add(cmp.Or(m.rtt, unknownRTT)).Sub(m.now)
	if rest <= 0 {
		return true
	}
	if p.held = true; !p.timer {
		p.timer = true
		m.setTimer(paceTimer, rest)
	}
	return false
}

// hasLeft notes that a notification leaves that is not confirmable.
func (m *Machine) hasLeft() {
	if m.pace == nil {
		m.pace = &pace{}
	}
	if !m.fast() {
		m.pace.since = m.now
	}
	m.pace.sent, m.pace.held = m.now, false
}

// paceExpired sends what has waited.
func (m *Machine) paceExpired() {
	m.pace.timer = false
	m.pump()
}
