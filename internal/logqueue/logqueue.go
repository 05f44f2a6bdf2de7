// Package logqueue keeps a client going whatever becomes of its log. What logs is
// mostly an actor, and where records go is the application's: a pipe that nobody
// reads, a disk that hangs. So a record only takes its place in a queue here, and a
// goroutine that lives as long as there are records hands them on.
package logqueue

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// room is how many records may wait.
const room = 1 << 10

// Handler is a slog.Handler that never waits. Enabled asks the handler behind it, and
// so do WithAttrs and WithGroup: these must not wait.
type Handler struct {
	next  slog.Handler
	queue *queue
}

// New returns a handler that hands records on to another one, in their order. Those
// derived from it share the queue.
func New(next slog.Handler) *Handler { return &Handler{next: next, queue: &queue{}} }

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler. A record for which there is no room is lost, and
// counted.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	h.queue.add(entry{h.next, r.Clone()})
	return nil
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{next: h.next.WithAttrs(attrs), queue: h.queue}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{next: h.next.WithGroup(name), queue: h.queue}
}

// flushBound is how long Flush waits.
const flushBound = 250 * time.Millisecond

// Flush waits until the records of a logger so far have been handed on, for a moment
// at most.
func Flush(logger *slog.Logger) {
	h, ok := logger.Handler().(*Handler)
	if !ok {
		return
	}
	idle := h.queue.idle()
	if idle == nil {
		return
	}
	timeout := time.NewTimer(flushBound)
	defer timeout.Stop()
	select {
	case <-idle:
	case <-timeout.C:
	}
}

// entry is one record, and where it goes.
type entry struct {
	to     slog.Handler
	record slog.Record
}

// queue holds the records that wait.
type queue struct {
	mu      sync.Mutex
	waiting []entry
	lost    int
	ended   chan struct{} // closed when nothing waits any more; nil while no goroutine runs
}

func (q *queue) add(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == room {
		q.lost++
		return
	}
	q.waiting = append(q.waiting, e)
	if q.ended == nil {
		q.ended = make(chan struct{})
		go q.run(q.ended)
	}
}

// idle returns what is closed when nothing waits any more; nil when nothing does.
func (q *queue) idle() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}

func (q *queue) run(ended chan<- struct{}) {
	defer close(ended)
	for {
		batch, lost := q.take()
		if batch == nil {
			return
		}
		for _, e := range batch {
			e.handle()
		}
		if lost > 0 {
			batch[len(batch)-1].lost(lost)
		}
	}
}

// take returns all that waits, and how many records were lost; nil when nothing
// does, and then the goroutine ends.
func (q *queue) take() (batch []entry, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, lost = q.waiting, q.lost
	q.waiting, q.lost = nil, 0
	if batch == nil {
		q.ended = nil
	}
	return batch, lost
}

// handle hands a record on. A handler that panics costs the record, not the process.
func (e entry) handle() {
	defer func() { _ = recover() }()
	_ = e.to.Handle(context.Background(), e.record) // who could be told that a log fails
}

// lost tells how many records are missing behind this one.
func (e entry) lost(n int) {
	r := slog.NewRecord(e.record.Time, slog.LevelWarn, "the log was too slow: records are lost", 0)
	r.AddAttrs(slog.Int("lost", n))
	entry{e.to, r}.handle()
}
