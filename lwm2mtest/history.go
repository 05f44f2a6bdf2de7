package lwm2mtest

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Record is one entry of the server's history.
type Record struct {
	Time     time.Time
	Kind     Kind
	Endpoint string // empty when it could not be told
	Location string // of the registration concerned, segments joined by "/"
	Query    []string
	Format   *lwm2m.Format // of the payload; nil when the request names none
	Payload  []byte
	Remote   netip.AddrPort
	Identity string     // proved by DTLS
	Answer   lwm2m.Code // Empty when there was none
}

// record appends to the history. The lock is held.
func (s *Server) record(r Record) {
	r.Time = time.Now()
	s.history.add(r, s.opts.MaxHistory)
	s.counts.add(r)
	s.notify()
}

// historyCounts counts records by endpoint, where the empty endpoint stands for
// all, and kind: all of them, and those with a certain answer.
type historyCounts struct {
	all      map[countKey]int
	answered map[countKey]int
}

// countKey leaves answer Empty in historyCounts.all.
type countKey struct {
	endpoint string
	kind     Kind
	answer   lwm2m.Code
}

func newHistoryCounts() historyCounts {
	return historyCounts{all: make(map[countKey]int), answered: make(map[countKey]int)}
}

func (h historyCounts) add(r Record) {
	h.addFor("", r)
	if r.Endpoint != "" {
		h.addFor(r.Endpoint, r)
	}
}

func (h historyCounts) addFor(endpoint string, r Record) {
	h.all[countKey{endpoint: endpoint, kind: r.Kind}]++
	h.answered[countKey{endpoint: endpoint, kind: r.Kind, answer: r.Answer}]++
}

// History returns what the server has seen of an endpoint, oldest first; of
// all, and what belongs to none, when the endpoint is empty.
func (s *Server) History(endpoint string) []Record {
	return s.filter(func(r Record) bool { return endpoint == "" || r.Endpoint == endpoint })
}

// HistoryAfter returns what the server has seen after the first n records, oldest
// first, and what to pass for n the next time. It costs what is new, and is for
// whoever follows a server that serves many.
func (s *Server) HistoryAfter(n int) (records []Record, next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.after(n)
}

// sequence is the newest of what has happened.
type sequence[T any] struct {
	kept []T
	gone int // older ones
}

// add appends, and keeps at most limit, unless that is 0.
func (s *sequence[T]) add(v T, limit int) {
	if limit > 0 && len(s.kept) >= 2*limit { // seldom, so that adding costs little
		s.gone += len(s.kept) - limit
		s.kept = slices.Clone(s.kept[len(s.kept)-limit:])
	}
	s.kept = append(s.kept, v)
}

// after returns what came after the first n, as far as it is kept.
func (s *sequence[T]) after(n int) (newer []T, next int) {
	from := min(max(n-s.gone, 0), len(s.kept))
	return slices.Clone(s.kept[from:]), s.gone + len(s.kept)
}

// Requests returns the requests of one kind of an endpoint, whatever their
// answer was; of all endpoints when the endpoint is empty.
func (s *Server) Requests(endpoint string, kind Kind) []Record {
	return s.filter(func(r Record) bool {
		return r.Kind == kind && (endpoint == "" || r.Endpoint == endpoint)
	})
}

// Registers returns how many Registers of an endpoint were answered 2.01; of
// all endpoints when the endpoint is empty.
func (s *Server) Registers(endpoint string) int {
	return s.answered(endpoint, Register, lwm2m.CodeCreated)
}

// Updates returns how many Updates of an endpoint were answered 2.04; of all
// endpoints when the endpoint is empty.
func (s *Server) Updates(endpoint string) int { return s.answered(endpoint, Update, lwm2m.CodeChanged) }

// Deregisters returns how many de-registrations of an endpoint were answered
// 2.02; of all endpoints when the endpoint is empty.
func (s *Server) Deregisters(endpoint string) int {
	return s.answered(endpoint, Deregister, lwm2m.CodeDeleted)
}

// Seen returns how many requests of a kind came from an endpoint, whatever
// their answer; from all when the endpoint is empty.
func (s *Server) Seen(endpoint string, kind Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.all[countKey{endpoint: endpoint, kind: kind}]
}

func (s *Server) answered(endpoint string, kind Kind, code lwm2m.Code) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.answered[countKey{endpoint: endpoint, kind: kind, answer: code}]
}

func (s *Server) filter(keep func(Record) bool) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(func(yield func(Record) bool) {
		for _, r := range s.history.kept {
			if keep(r) && !yield(r) {
				return
			}
		}
	})
}

// Await waits until cond holds. It asks cond now and whenever the server's
// history, registrations or bootstraps change, without any lock held, and
// returns the error of ctx when that ends first.
func (s *Server) Await(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitRegistered waits until the endpoint is registered.
func (s *Server) WaitRegistered(ctx context.Context, endpoint string) error {
	return s.Await(ctx, func() bool { return s.Registered(endpoint) })
}

// WaitRegisters waits until n Registers of the endpoint were answered 2.01.
func (s *Server) WaitRegisters(ctx context.Context, endpoint string, n int) error {
	return s.Await(ctx, func() bool { return s.Registers(endpoint) >= n })
}

// WaitUpdates waits until n Updates of the endpoint were answered 2.04.
func (s *Server) WaitUpdates(ctx context.Context, endpoint string, n int) error {
	return s.Await(ctx, func() bool { return s.Updates(endpoint) >= n })
}

// WaitRequests waits until n requests of a kind came from the endpoint,
// whatever their answer.
func (s *Server) WaitRequests(ctx context.Context, endpoint string, kind Kind, n int) error {
	return s.Await(ctx, func() bool { return s.Seen(endpoint, kind) >= n })
}
