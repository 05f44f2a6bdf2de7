package admission

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func at(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5684)
}

// model is what a queue should know, kept in the plainest way.
type model struct {
	queue   *Queue
	limit   int
	server  map[Ticket]netip.AddrPort
	places  map[Ticket]bool
	waiting map[Ticket]bool
	passed  map[netip.AddrPort]int // grants to others while it waits
}

func newModel(limit int) *model {
	return &model{
		queue: NewQueue(limit), limit: limit, server: map[Ticket]netip.AddrPort{},
		places: map[Ticket]bool{}, waiting: map[Ticket]bool{}, passed: map[netip.AddrPort]int{},
	}
}

func (m *model) ask(server netip.AddrPort) Ticket {
	t := m.queue.Ask(server)
	m.server[t], m.waiting[t] = server, true
	return t
}

func (m *model) back(t Ticket) {
	m.queue.Return(m.server[t], t)
	m.waiting[t] = true
}

func (m *model) leave(t Ticket) {
	m.queue.Leave(m.server[t], t)
	delete(m.places, t)
	delete(m.waiting, t)
}

func (m *model) holds(server netip.AddrPort) (n int) {
	for t := range m.places {
		if m.server[t] == server {
			n++
		}
	}
	return n
}

// first returns who has waited longest for a server, and who waits.
func (m *model) first(server netip.AddrPort) (first Ticket, ok bool) {
	for t := range m.waiting {
		if m.server[t] == server && (!ok || t < first) {
			first, ok = t, true
		}
	}
	return first, ok
}

func (m *model) waiters() (servers []netip.AddrPort) {
	for t := range m.waiting {
		if !slices.Contains(servers, m.server[t]) {
			servers = append(servers, m.server[t])
		}
	}
	return servers
}

// admit takes what the queue gives, and judges it.
func (m *model) admit(t *rapid.T) {
	for {
		before := m.waiters()
		got, ok := m.queue.Next()
		if !ok {
			break
		}
		server := m.server[got]
		if first, waits := m.first(server); !waits || first != got {
			t.Fatalf("admitted %d of %s, whose first is %d", got, server, first)
		}
		for _, other := range before {
			aged := m.passed[server] >= overtaken*m.limit
			if other != server && m.holds(other) < m.holds(server) && !aged {
				t.Fatalf("%s has %d places and got another one, before %s with %d", server, m.holds(server), other, m.holds(other))
			}
			m.passed[other]++
		}
		m.passed[server] = 0
		delete(m.waiting, got)
		m.places[got] = true
		for _, other := range m.waiters() {
			// Those that have waited as long may come before, each once.
			if most := overtaken*m.limit + len(before); m.passed[other] > most {
				t.Fatalf("%s was passed over %d times", other, m.passed[other])
			}
		}
	}
	for server := range m.passed {
		if _, waits := m.first(server); !waits {
			delete(m.passed, server)
		}
	}
	if len(m.places) > m.limit {
		t.Fatalf("%d places of %d are taken", len(m.places), m.limit)
	}
	if len(m.places) < m.limit && len(m.waiting) > 0 {
		t.Fatalf("%d wait while %d of %d places are taken", len(m.waiting), len(m.places), m.limit)
	}
}

// Whatever links do, there are never more places taken than there are, none is free
// while somebody waits, links of a server come in the order of their tickets, and the
// server with the fewest places comes first, unless another was passed over for long.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(rapid.IntRange(1, 4).Draw(t, "limit"))
		var lapsed []Ticket
		pick := func(set map[Ticket]bool, what string) (Ticket, bool) {
			if len(set) == 0 {
				return 0, false
			}
			all := make([]Ticket, 0, len(set))
			for k := range set {
				all = append(all, k)
			}
			slices.Sort(all)
			return rapid.SampledFrom(all).Draw(t, what), true
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				m.ask(at(rapid.IntRange(1, 3).Draw(t, "server")))
			case 2:
				if x, ok := pick(m.places, "done"); ok {
					m.leave(x)
				}
			case 3:
				if x, ok := pick(m.places, "lapses"); ok {
					m.leave(x)
					lapsed = append(lapsed, x)
				}
			case 4:
				if len(lapsed) > 0 {
					m.back(lapsed[0])
					lapsed = lapsed[1:]
				}
			case 5:
				if x, ok := pick(m.waiting, "gives up"); ok {
					m.leave(x)
				}
			}
			m.admit(t)
		}
		for len(m.places)+len(m.waiting) > 0 { // everybody comes to an end
			x, _ := pick(m.places, "ends")
			m.leave(x)
			m.admit(t)
		}
		if len(m.queue.servers) > 0 || len(m.queue.places) > 0 {
			t.Fatalf("%d servers and %d places are left behind", len(m.queue.servers), len(m.queue.places))
		}
	})
}

// A server whose places are never given back by themselves, and one that needs each for a
// moment: the second has half of the places from the first one on that is free, however
// many wait for the first, and the first does not starve either.
func TestSilentServerDoesNotKeepOthersOut(t *testing.T) {
	const limit, clients = 8, 1000
	q := NewQueue(limit)
	var silent []Ticket
	drain := func() (n int) {
		for _, ok := q.Next(); ok; _, ok = q.Next() {
			n++
		}
		return n
	}
	for range clients {
		silent = append(silent, q.Ask(at(1)))
	}
	drain()
	good := map[Ticket]bool{}
	for range clients {
		good[q.Ask(at(2))] = true
	}
	for i := range limit / 2 { // the first half of them lapses
		q.Leave(at(1), silent[i])
		if x, ok := q.Next(); !ok || !good[x] {
			t.Fatalf("the place of a silent handshake went to %d", x)
		}
	}
	var holding []Ticket // of the good server
	for x := range q.places {
		if good[x] {
			holding = append(holding, x)
		}
	}
	lapsing := silent[limit/2:]
	served, passed := 0, 0
	for ; served < clients/2; served++ {
		q.Leave(at(2), holding[0])
		holding = holding[1:]
		next, ok := q.Next()
		if !good[next] { // one of the silent ones has to lapse before the others
			passed++
			q.Leave(at(1), lapsing[0])
			lapsing = lapsing[1:]
			next, ok = q.Next()
		}
		if !ok || !good[next] {
			t.Fatalf("after %d the place went to %d", served, next)
		}
		holding = append(holding, next)
	}
	if most := served/(overtaken*limit) + 1; passed > most || passed == 0 {
		t.Errorf("of %d places of the good server %d went to the silent one, want 1 to %d", served, passed, most)
	}
}
