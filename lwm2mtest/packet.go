package lwm2mtest

import (
	"net/netip"
	"slices"
	"time"
)

// Packet is one UDP datagram on the network.
type Packet struct {
	Seq  uint64         // counts the packets that were sent, from 1
	Time time.Time      // when it was sent
	From netip.AddrPort // as the receiver sees it, outside a NAT
	To   netip.AddrPort
	Data []byte // shared; must not be written to
}

// Verdict is what an [Network.OnPacket] hook decides about a packet. The zero
// value passes it on.
type Verdict struct {
	Drop    bool
	Delay   time.Duration // in addition to the latency; reorders
	Copies  int           // further copies to deliver
	Replace []byte        // when not nil, delivered in place of the data
	Refuse  bool          // answered as if nobody listened on the port
}

// Fate says what became of a packet.
type Fate uint8

// The fates of packets. A packet has one Sent, and for each of its copies one
// other.
const (
	Sent        Fate = iota + 1 // a socket sent it
	Delivered                   // it stands in a socket's receive queue
	Lost                        // an impairment or a hook dropped it
	BlackHoled                  // dropped by a black hole, or nobody has the address
	Refused                     // nobody listens on the port: an ICMP error went back
	Overflowed                  // the receive queue was full
	StaleNAT                    // it came to a NAT mapping that is gone
	Unreachable                 // the sender's write failed; it was never sent
)

// String returns the fate's name.
func (f Fate) String() string {
	names := [...]string{"invalid", "sent", "delivered", "lost", "black-holed", "refused", "overflowed", "stale-nat", "unreachable"}
	if int(f) < len(names) {
		return names[f]
	}
	return names[0]
}

// Event is one thing that happened to a packet, for [Network.Trace].
type Event struct {
	Time   time.Time // when it happened
	Fate   Fate
	Packet Packet
}

// Counters count packets by [Fate]. Duplicated counts the extra copies that
// were made.
type Counters struct {
	Sent, Delivered, Lost, Duplicated, BlackHoled, Refused, Overflowed, StaleNAT, Unreachable uint64
}

// tally counts fates.
type tally struct {
	fates      [Unreachable + 1]uint64
	duplicated uint64
}

func (t *tally) counters() Counters {
	return Counters{
		Sent: t.fates[Sent], Delivered: t.fates[Delivered], Lost: t.fates[Lost], Duplicated: t.duplicated,
		BlackHoled: t.fates[BlackHoled], Refused: t.fates[Refused], Overflowed: t.fates[Overflowed],
		StaleNAT: t.fates[StaleNAT], Unreachable: t.fates[Unreachable],
	}
}

// packetLog remembers the latest packets, at most limit of them.
type packetLog struct {
	limit int
	list  []Packet
	last  uint64
}

// add numbers the packet and remembers it.
func (l *packetLog) add(p Packet) Packet {
	l.last++
	p.Seq = l.last
	if len(l.list) >= 2*l.limit {
		l.list = append(make([]Packet, 0, 2*l.limit), l.list[len(l.list)-l.limit:]...)
	}
	l.list = append(l.list, p)
	return p
}

// packets returns the packets that are remembered. What was handed out is never
// written to again, hence it need not be copied: tests ask after every datagram.
func (l *packetLog) packets() []Packet {
	return slices.Clip(l.list[max(0, len(l.list)-l.limit):])
}
