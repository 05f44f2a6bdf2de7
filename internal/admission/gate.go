package admission

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

const (
	// Silence is how long a handshake keeps its place without hearing anything. Behind
	// it are the first resend (after 1 s, RFC 6347 section 4.2.4.1) and a slow way back.
	Silence = 2 * time.Second
	// Turn is how long it keeps its place at most, whatever it hears or waits for.
	Turn = 10 * time.Second
	// placesPerProcessor is how many places there are for each processor, unless it is
	// said otherwise (docs/performance.md, Handshakes at scale).
	placesPerProcessor = 64
)

// Gate has the places. It is safe for concurrent use.
type Gate struct {
	mu    sync.Mutex
	queue *Queue
	waits map[Ticket]*Pass
}

// NewGate returns a gate with limit places; with 64 for each processor that the process
// uses when limit is not positive.
func NewGate(limit int) *Gate {
	if limit <= 0 {
		limit = placesPerProcessor * runtime.GOMAXPROCS(0)
	}
	return &Gate{queue: NewQueue(limit), waits: map[Ticket]*Pass{}}
}

// Pass is a handshake at the gate. Its methods are for one goroutine at a time.
type Pass struct {
	gate   *Gate
	server netip.AddrPort
	ticket Ticket

	// The gate's mu guards what follows.
	admitted chan struct{} // of the present wait, closed when that is over
	holds    bool
	ends     time.Time // of the turn
	silence  *alarm.Alarm
	renewed  int // which silence is the present one
}

// Enter waits until a handshake with a server has a place, which [Pass.Leave] gives back.
// waits, when not nil, is called once when there is something to wait for. The error is
// that of ctx, when it ends before.
func (g *Gate) Enter(ctx context.Context, server netip.AddrPort, waits func()) (*Pass, error) {
	g.mu.Lock()
	p := &Pass{gate: g, server: server, ticket: g.queue.Ask(server)}
	g.line(p)
	g.mu.Unlock()
	return p, p.await(ctx, waits)
}

// Heard says that something has come for the handshake. It returns at once while the
// handshake has its place, and waits for another one when that has lapsed, as [Gate.Enter]
// does.
func (p *Pass) Heard(ctx context.Context, waits func()) error {
	p.gate.mu.Lock()
	if p.holds {
		p.renew()
	} else {
		p.gate.queue.Return(p.server, p.ticket)
		p.gate.line(p)
	}
	p.gate.mu.Unlock()
	return p.await(ctx, waits)
}

// Leave gives the place back, or ends the wait for it. It may be called any number of
// times.
func (p *Pass) Leave() {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	p.giveBack()
}

// await waits for a place that has been asked for.
func (p *Pass) await(ctx context.Context, waits func()) error {
	p.gate.mu.Lock()
	holds, admitted := p.holds, p.admitted
	p.gate.mu.Unlock()
	if holds {
		return nil
	}
	if waits != nil {
		waits()
	}
	select {
	case <-admitted:
		return nil
	case <-ctx.Done():
		p.Leave() // also when it was admitted meanwhile
		return ctx.Err()
	}
}

// line has a handshake wait, and admits whom there is room for.
func (g *Gate) line(p *Pass) {
	p.admitted = make(chan struct{})
	g.waits[p.ticket] = p
	g.admit()
}

// admit gives the free places away.
func (g *Gate) admit() {
	for t, ok := g.queue.Next(); ok; t, ok = g.queue.Next() {
		p := g.waits[t]
		delete(g.waits, t)
		p.holds, p.ends = true, time.Now().Add(Turn)
		p.renew()
		close(p.admitted)
	}
}

// renew begins the time within which something has to be heard.
func (p *Pass) renew() {
	if p.silence != nil {
		p.silence.Stop()
	}
	p.renewed++
	present := p.renewed
	p.silence = alarm.After(min(Silence, time.Until(p.ends)), func() { p.lapse(present) })
}

// lapse gives back the place of a handshake that has not been heard of, or whose turn is
// over.
func (p *Pass) lapse(silence int) {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if p.renewed == silence {
		p.giveBack()
	}
}

func (p *Pass) giveBack() {
	if p.silence != nil {
		p.silence.Stop()
		p.silence = nil
	}
	p.renewed++
	p.holds = false
	delete(p.gate.waits, p.ticket)
	p.gate.queue.Leave(p.server, p.ticket)
	p.gate.admit()
}
