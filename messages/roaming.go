package messages

import "net/netip"

// NetworkChanged says what this machine can reach others by, whenever that changes. Link
// watch to supervisor.
type NetworkChanged struct {
	// Addresses are those that sockets of this machine may have by now. They are shared,
	// and nobody writes to them.
	Addresses []LocalAddress
	// Back says that something has come by which a server may be reached again: a hint as
	// [NetworkUp], which is heeded later where it comes too early.
	Back   bool
	Uplink Uplink
}

// LocalAddress is an address of this machine.
type LocalAddress struct {
	Addr      netip.Addr
	Interface int // number of the interface that has it
}

// equal reports whether two say the same; nil says nothing.
func (u *Uplink) equal(other *Uplink) bool {
	return u == other || u != nil && other != nil && *u == *other
}

// Uplink is which interface the client uses, where the configuration names some.
type Uplink struct {
	Interfaces string // that are named, in order: "eth0, wwan0"; empty where none is
	Interface  string // that is used; empty where none can be
	Reason     string // why it is this one, or none
}

// CheckLink has a link say whether it is where a new one would be. Supervisor to network.
type CheckLink struct {
	Epoch     Epoch
	Addresses []LocalAddress // as NetworkChanged has them
	// Anew ends the link in any case: what was sent over it while there was no network is
	// not answered, and the resends of a new one begin with the shortest pause.
	Anew bool
}
