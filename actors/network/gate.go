package network

import "time"

// pion resends a flight every flightTick, without any back-off. The gate lets
// the resends pass that RFC 6347 section 4.2.4.1 asks for: after 1, 2, 4 ...
// and at most 60 seconds, that is 1, 3, 7, 15, 31, 63, 123 ... seconds after
// the flight first left.
const (
	flightTick   = time.Second
	longestTicks = 60
)

// gate decides which datagrams of a client's handshake leave. It counts pion's
// resends rather than reading a clock, so that timer jitter cannot shift one
// by a whole tick.
type gate struct {
	flight  uint16 // message_seq of the flight's first message
	begun   bool
	hello   uint16 // message_seq of the last ClientHello
	ticks   int    // resends that pion has made of this flight
	next    int    // the resend that passes next
	spacing int    // ticks between the last resend that passed and next
	open    bool   // whether the rest of the present sending passes
}

// passes reports whether a datagram may leave. It is called once per
// datagram, in the order in which pion writes them.
func (g *gate) passes(datagram []byte) bool {
	first, _, ok := nextRecord(datagram)
	if !ok || first.content == contentAlert {
		return true
	}
	if id, starts := g.starts(first); starts {
		g.open = g.admit(id)
	}
	return g.open
}

// starts reports whether a record is the first of a flight: a ClientHello, or
// the message that follows the last ClientHello directly. Its message_seq
// identifies the flight.
func (g *gate) starts(r record) (id uint16, ok bool) {
	if r.content != contentHandshake || r.epoch != 0 {
		return 0, false
	}
	m, _, ok := nextMessage(r.body)
	if !ok || m.offset != 0 {
		return 0, false
	}
	if m.kind == messageClientHello {
		g.hello = m.sequence
		return m.sequence, true
	}
	return m.sequence, m.sequence == g.hello+1
}

// admit counts one sending of a flight and reports whether it passes.
func (g *gate) admit(id uint16) bool {
	if !g.begun || id != g.flight {
		*g = gate{begun: true, flight: id, hello: g.hello, next: 1, spacing: 1}
		return true
	}
	if g.ticks++; g.ticks < g.next {
		return false
	}
	g.spacing = min(2*g.spacing, longestTicks)
	g.next = g.ticks + g.spacing
	return true
}
