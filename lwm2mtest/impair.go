package lwm2mtest

import (
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Scope selects packets by their outside source and destination.
type Scope func(from, to netip.AddrPort) bool

// Everywhere selects all packets.
func Everywhere() Scope { return func(_, _ netip.AddrPort) bool { return true } }

// FromHost selects what the host sends.
func FromHost(h *Host) Scope {
	return func(from, _ netip.AddrPort) bool { return h.owns(from.Addr()) }
}

// ToHost selects what is sent to any address of the host.
func ToHost(h *Host) Scope {
	return func(_, to netip.AddrPort) bool { return h.owns(to.Addr()) }
}

// FromAddr selects what comes from the address.
func FromAddr(addr netip.Addr) Scope {
	return func(from, _ netip.AddrPort) bool { return from.Addr() == addr }
}

// ToAddr selects what is sent to the address.
func ToAddr(addr netip.Addr) Scope {
	return func(_, to netip.AddrPort) bool { return to.Addr() == addr }
}

// FromPort selects what comes from the address and port.
func FromPort(addr netip.AddrPort) Scope {
	return func(from, _ netip.AddrPort) bool { return from == addr }
}

// ToPort selects what is sent to the address and port.
func ToPort(addr netip.AddrPort) Scope {
	return func(_, to netip.AddrPort) bool { return to == addr }
}

// Either selects what at least one of the scopes selects.
func Either(scopes ...Scope) Scope {
	return func(from, to netip.AddrPort) bool {
		return slices.ContainsFunc(scopes, func(s Scope) bool { return s(from, to) })
	}
}

// Both selects what both scopes select, such as FromHost(a) and ToHost(b).
func Both(a, b Scope) Scope {
	return func(from, to netip.AddrPort) bool { return a(from, to) && b(from, to) }
}

// Conditions are what packets of one direction suffer. The zero value is a
// perfect link.
type Conditions struct {
	Latency   time.Duration // one way
	Jitter    time.Duration // further delay, uniform in [0, Jitter], drawn per packet; reorders
	Loss      float64       // probability, 0 to 1
	Duplicate float64       // probability of a second copy, 0 to 1
	BlackHole bool          // everything vanishes
	Refuse    bool          // as if nobody listened on the port
	// Unreachable, when not 0, is the errno with which the sender's Write
	// fails, such as syscall.ENETUNREACH or syscall.EHOSTUNREACH.
	Unreachable syscall.Errno
}

// and combines two conditions: delays add up, probabilities combine as those
// of independent events, the rest holds when either says so.
func (c Conditions) and(d Conditions) Conditions {
	c.Latency += d.Latency
	c.Jitter += d.Jitter
	c.Loss = 1 - (1-c.Loss)*(1-d.Loss)
	c.Duplicate = 1 - (1-c.Duplicate)*(1-d.Duplicate)
	c.BlackHole = c.BlackHole || d.BlackHole
	c.Refuse = c.Refuse || d.Refuse
	if c.Unreachable == 0 {
		c.Unreachable = d.Unreachable
	}
	return c
}

// Impairment is one fault of the network, in force until lifted.
type Impairment struct {
	network    *Network
	scope      Scope
	conditions Conditions
}

// Impair puts conditions on the packets of a scope. Several impairments that
// select a packet combine: delays add up, probabilities combine as those of
// independent events. They also hold for the ICMP errors that go back from a
// refused port, as packets from that port.
func (n *Network) Impair(scope Scope, c Conditions) *Impairment {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := &Impairment{network: n, scope: scope, conditions: c}
	n.impairments = append(n.impairments, i)
	return i
}

// Change replaces the conditions, for packets that are sent from now on.
func (i *Impairment) Change(c Conditions) {
	i.network.mu.Lock()
	defer i.network.mu.Unlock()
	i.conditions = c
}

// Lift ends the impairment, for packets that are sent from now on.
func (i *Impairment) Lift() {
	i.network.mu.Lock()
	defer i.network.mu.Unlock()
	i.network.impairments = slices.DeleteFunc(i.network.impairments, func(j *Impairment) bool { return i == j })
}

// conditions returns what a packet of this direction suffers. The lock is
// held.
func (n *Network) conditions(from, to netip.AddrPort) Conditions {
	var c Conditions
	for _, i := range n.impairments {
		if i.scope(from, to) {
			c = c.and(i.conditions)
		}
	}
	return c
}
