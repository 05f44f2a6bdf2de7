package holdfast

import (
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/disorder"
	"github.com/holdfast-iot/holdfast/internal/eventlog"
	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/messages"
)

// hub numbers the events of one client and passes them to its subscribers. It
// never blocks the emitter: an event that a subscriber has no room for is dropped
// and counted.
type hub struct {
	endpoint string
	logger   *slog.Logger // never waits

	mu          sync.Mutex
	seq         uint64
	dropped     uint64
	latePanics  uint64
	snapshot    messages.Snapshot
	journal     journal.Journal
	subscribers map[*subscriber]struct{}
	changed     chan struct{} // closed at the next snapshot; nil while nobody waits for it
	closed      bool
}

type subscriber struct{ events chan Event }

func newHub(endpoint string, logger *slog.Logger) *hub {
	return &hub{
		endpoint: endpoint, logger: logger, subscribers: map[*subscriber]struct{}{},
		snapshot: messages.Snapshot{},
	}
}

// emit numbers an event and hands it out.
func (h *hub) emit(e messages.Event) {
	defer disorder.Delay()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	e.Seq, e.Endpoint, e.Time = h.seq, h.endpoint, time.Now()
	if e.State != "" {
		h.snapshot.State = e.State
	}
	eventlog.Event(h.logger, &e)
	h.journal.Note(e)
	seen := eventOf(e)
	for s := range h.subscribers {
		select {
		case s.events <- seen:
		default:
			h.dropped++
		}
	}
}

// newest returns the number of the newest event.
func (h *hub) newest() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// report emits an error that is none of the supervisor's: of a call that comes
// while there is none.
func (h *hub) report(code ErrorCode, phase Phase, detail string) {
	h.emit(messageOf(Event{
		Type: EventError, Code: code, Name: code.String(), Phase: phase, Attempt: 1, Action: ActionNone, Detail: detail,
	}))
}

// publish replaces the snapshot and wakes those who wait for a state.
func (h *hub) publish(s messages.Snapshot) {
	defer disorder.Delay()
	h.mu.Lock()
	defer h.mu.Unlock()
	eventlog.Steps(h.logger, h.snapshot, s)
	h.snapshot = s
	h.wake()
}

// wake wakes those who wait for a change; callers hold mu.
func (h *hub) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// subscribe returns a channel with room for size events, at least one, and a
// function that ends the subscription and closes the channel.
func (h *hub) subscribe(size int) (<-chan Event, func()) {
	s := &subscriber{events: make(chan Event, max(size, 1))}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.events)
		return s.events, func() {}
	}
	h.subscribers[s] = struct{}{}
	return s.events, func() { h.unsubscribe(s) }
}

func (h *hub) unsubscribe(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, subscribed := h.subscribers[s]; subscribed {
		delete(h.subscribers, s)
		close(s.events)
	}
}

// close ends all subscriptions: loops over their channels end.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.snapshot.State = messages.StateStopped // also when the supervisor could not say so, or never was
	for s := range h.subscribers {
		delete(h.subscribers, s)
		close(s.events)
	}
	h.wake()
}

// observe returns the present state and a channel that is closed at the next
// change; ended says that there will be none.
func (h *hub) observe() (s State, changed <-chan struct{}, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return State(h.snapshot.State), h.changed, h.closed
}

// state returns what the client is doing.
func (h *hub) state() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return State(h.snapshot.State)
}

// status returns what is known of the client and of its servers.
func (h *hub) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.present(h.journal.Servers())
}

// latePanic counts a panic of an actor that was stopping already.
func (h *hub) latePanic() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latePanics++
}

// record returns the status together with all that the journal has noted.
func (h *hub) record() (Status, journal.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	record := h.journal.Read()
	return h.present(record.Servers), record
}

// present returns the status; callers hold mu.
func (h *hub) present(servers []journal.Server) Status {
	now := time.Now()
	return Status{
		Time: now, State: State(h.snapshot.State), Connections: connectionsOf(h.snapshot, servers, now),
		Events: h.seq, Dropped: h.dropped, LatePanics: h.latePanics,
	}
}
