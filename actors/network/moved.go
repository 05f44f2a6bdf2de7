package network

import (
	"net/netip"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// A socket keeps the address that it was connected from. When this machine loses the
// address, or reaches the peer through another interface, a new socket is needed; while it
// cannot reach the peer at all, a new one would be no better.

// compared is what compare has found out.
type compared struct {
	epoch     messages.Epoch
	local     netip.Addr // of the link's socket; invalid while it has none
	fresh     netip.Addr // that a new socket would have; invalid where there can be none
	addresses []messages.LocalAddress
}

// MovedError says that a link is not where a new one would be.
type MovedError struct {
	From netip.Addr // that the link has
	To   netip.Addr // that a new one has; invalid with Anew
	Gone bool       // this machine does not have From any more
	// Anew says that the network is back and the link has not been heard of since.
	Anew bool
}

// Error returns a sentence for a person.
func (e *MovedError) Error() string {
	switch {
	case e.Anew:
		return "the network is back, and what was sent before is not answered"
	case e.Gone:
		return "the address " + e.From.String() + " of this machine is gone; the server is reached from " + e.To.String()
	}
	return "the server is reached from " + e.To.String() + " by now, and not from " + e.From.String()
}

// check looks whether the link is where a new one would be.
func (m *Machine) check(in messages.CheckLink) []core.Effect {
	switch {
	case m.state != Connecting && m.state != Up:
		return nil
	case in.Anew:
		return m.move(&MovedError{Anew: true})
	}
	return []core.Effect{compare{remote: m.chosen, addresses: in.Addresses}}
}

func (m *Machine) compared(in compared) []core.Effect {
	if !moved(in) {
		return nil
	}
	return m.move(&MovedError{From: in.local, To: in.fresh, Gone: interfaceOf(in.local, in.addresses) == 0})
}

func (m *Machine) move(why *MovedError) []core.Effect {
	return m.lose(messages.Failure{Class: messages.ClassMoved, Cause: why})
}

// moved judges what compare has found out. Of two addresses of one interface the link's is
// as good as the other, which the system may prefer by the day (RFC 8981).
func moved(c compared) bool {
	if !c.local.IsValid() || !c.fresh.IsValid() || c.local == c.fresh {
		return false
	}
	has, other := interfaceOf(c.local, c.addresses), interfaceOf(c.fresh, c.addresses)
	return has == 0 || other != 0 && has != other // of one that came since, the next look tells
}

// interfaceOf returns the number of the interface that has an address, 0 where none has.
func interfaceOf(addr netip.Addr, all []messages.LocalAddress) int {
	i := slices.IndexFunc(all, func(a messages.LocalAddress) bool { return a.Addr == addr })
	if i < 0 {
		return 0
	}
	return all[i].Interface
}
