package lwm2mtest

import (
	"bytes"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// send takes a packet from a socket. The error is what the sender's own
// kernel would say; what happens later is silent, but for ICMP.
func (n *Network) send(s *socket, to netip.AddrPort, data []byte) error {
	p, hook, actions, err := n.depart(s, to, data)
	perform(actions)
	if err != nil {
		return err
	}
	var v Verdict
	if hook != nil {
		v = hook(p)
	}
	n.mu.Lock()
	actions = append(n.transit(p, v), n.advance(time.Now())...)
	n.mu.Unlock()
	perform(actions)
	return nil
}

// depart stamps and logs a packet, unless the network is unreachable for it.
func (n *Network) depart(s *socket, to netip.AddrPort, data []byte) (Packet, func(Packet) Verdict, []func(), error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := Packet{Time: time.Now(), From: s.outside, To: to, Data: bytes.Clone(data)}
	if n.closed {
		return p, nil, nil, net.ErrClosed
	}
	errno := n.conditions(p.From, to).Unreachable
	if !s.host.owns(s.local.Addr()) {
		errno = syscall.EINVAL // it has moved since
	}
	if errno != 0 {
		return p, nil, n.note(Unreachable, p), errno
	}
	p = n.log.add(p)
	return p, n.onPacket, n.note(Sent, p), nil
}

// note counts a fate and returns what tells the tracer of it. The lock is
// held.
func (n *Network) note(fate Fate, p Packet) []func() {
	n.tally.fates[fate]++
	trace := n.trace
	if trace == nil {
		return nil
	}
	event := Event{Time: time.Now(), Fate: fate, Packet: p}
	return []func(){func() { trace(event) }}
}

// transit decides about a packet's copies and plans their arrival. The lock
// is held.
func (n *Network) transit(p Packet, v Verdict) []func() {
	c := n.conditions(p.From, p.To)
	switch {
	case v.Drop || n.chance(c.Loss):
		return n.note(Lost, p)
	case c.BlackHole, n.unplugged(p.From), n.unplugged(p.To):
		return n.note(BlackHoled, p)
	}
	if v.Replace != nil {
		p.Data = v.Replace
	}
	copies := 1 + max(0, v.Copies)
	if n.chance(c.Duplicate) {
		copies++
	}
	n.tally.duplicated += uint64(copies - 1)
	refuse := v.Refuse || c.Refuse
	for range copies {
		n.schedule.add(p.Time.Add(n.delay(c)+v.Delay), func() []func() { return n.arrive(p, refuse) })
	}
	return nil
}

// chance draws, but only when there is something to draw, so that a fault in
// one place does not change the draws of another.
func (n *Network) chance(probability float64) bool {
	return probability > 0 && n.rng.Float64() < probability
}

// delay draws the time under way.
func (n *Network) delay(c Conditions) time.Duration {
	if c.Jitter <= 0 {
		return c.Latency
	}
	return c.Latency + time.Duration(n.rng.Int64N(int64(c.Jitter)+1))
}

// arrive ends a packet's way. The lock is held.
func (n *Network) arrive(p Packet, refuse bool) []func() {
	if _, stale := n.stale[p.To]; stale {
		return n.note(StaleNAT, p)
	}
	if n.hosts[p.To.Addr()] == nil {
		return n.note(BlackHoled, p)
	}
	s := n.bindings[p.To]
	if refuse || s == nil || (s.remote.IsValid() && s.remote != p.From) {
		n.reject(p)
		return n.note(Refused, p)
	}
	if !s.inbox.push(datagram{from: p.From, data: p.Data}) {
		return n.note(Overflowed, p)
	}
	return n.note(Delivered, p)
}

// reject sends the ICMP error "port unreachable" back, which suffers what
// packets of that direction suffer.
func (n *Network) reject(p Packet) {
	c := n.conditions(p.To, p.From)
	if c.BlackHole || n.chance(c.Loss) {
		return
	}
	n.schedule.add(time.Now().Add(n.delay(c)), func() []func() {
		s := n.bindings[p.From]
		if s != nil && s.remote == p.To {
			s.inbox.fail(syscall.ECONNREFUSED)
		}
		return nil
	})
}
