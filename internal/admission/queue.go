package admission

import (
	"net/netip"
	"slices"
)

// Ticket is the number of a handshake. Those that came earlier have lower ones.
type Ticket uint64

// overtaken is how often a server that waits is passed over, for each place there is,
// before it comes first whatever places it has. It is large enough that a server which
// is silent gains nothing by it, and ends every wait.
const overtaken = 8

// Queue is who has a place and who waits for one. It is pure, and not safe for
// concurrent use.
type Queue struct {
	limit   int
	last    Ticket
	grants  uint64 // places given so far
	places  map[Ticket]*server
	servers []*server // those with places, or with some that wait
}

// server is one address that handshakes go to.
type server struct {
	at      netip.AddrPort
	places  int
	waiting []Ticket // ascending
	since   uint64   // grants when it last was given a place, or began to wait
}

// NewQueue returns a queue with limit places, at least one.
func NewQueue(limit int) *Queue {
	return &Queue{limit: max(limit, 1), places: map[Ticket]*server{}}
}

// Ask has a new handshake with a server wait for a place.
func (q *Queue) Ask(at netip.AddrPort) Ticket {
	q.last++
	q.wait(at, q.last)
	return q.last
}

// Return has a handshake that has given its place back wait for another one.
func (q *Queue) Return(at netip.AddrPort, t Ticket) { q.wait(at, t) }

func (q *Queue) wait(at netip.AddrPort, t Ticket) {
	i := slices.IndexFunc(q.servers, func(s *server) bool { return s.at == at })
	if i < 0 {
		i = len(q.servers)
		q.servers = append(q.servers, &server{at: at})
	}
	s := q.servers[i]
	if len(s.waiting) == 0 {
		s.since = q.grants
	}
	if i, waits := slices.BinarySearch(s.waiting, t); !waits && q.places[t] == nil {
		s.waiting = slices.Insert(s.waiting, i, t)
	}
}

// Next gives a free place to the handshake whose turn it is. It reports false when no
// place is free, or nobody waits.
func (q *Queue) Next() (t Ticket, ok bool) {
	if len(q.places) >= q.limit {
		return 0, false
	}
	var next *server
	for _, s := range q.servers {
		if len(s.waiting) > 0 && (next == nil || q.before(s, next)) {
			next = s
		}
	}
	if next == nil {
		return 0, false
	}
	t, next.waiting = next.waiting[0], next.waiting[1:]
	q.grants++
	next.places++
	next.since = q.grants
	q.places[t] = next
	return t, true
}

// before says which of two servers with handshakes that wait comes first.
func (q *Queue) before(a, b *server) bool {
	aged := func(s *server) bool { return q.grants-s.since >= uint64(overtaken*q.limit) }
	switch {
	case aged(a) != aged(b):
		return aged(a)
	case !aged(a) && a.places != b.places:
		return a.places < b.places
	case a.since != b.since:
		return a.since < b.since
	}
	return a.waiting[0] < b.waiting[0]
}

// Leave ends the wait of a handshake, or takes its place back.
func (q *Queue) Leave(at netip.AddrPort, t Ticket) {
	i := slices.IndexFunc(q.servers, func(s *server) bool { return s.at == at })
	if i < 0 {
		return
	}
	s := q.servers[i]
	if q.places[t] != nil {
		delete(q.places, t)
		s.places--
	} else if j, waits := slices.BinarySearch(s.waiting, t); waits {
		s.waiting = slices.Delete(s.waiting, j, j+1)
	}
	if s.places == 0 && len(s.waiting) == 0 {
		q.servers = slices.Delete(q.servers, i, i+1)
	}
}
