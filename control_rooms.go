package holdfast

import (
	"net/http"
	"sync"
	"time"
)

// How many requests of each kind may be in progress at a time. Each kind has its
// own limit, so that none can starve another: a watchdog is answered whatever the
// readers of events do, and close whatever the other calls wait for.
const (
	controlMaxStreams = 32
	controlMaxCalls   = 16
	controlMaxCloses  = 8
	controlMaxLooks   = 16 // status and explain
	controlMaxHealth  = 16 // livez and readyz
	controlMaxMetrics = 8
)

// controlRoom bounds the requests of one kind.
type controlRoom struct {
	name  string        // what is under way in it, for whoever finds it full
	slots chan struct{} // has room for them
	// within bounds a request from its admission to the last byte of its
	// answer, so that a client that does not read gives its room back.
	within time.Duration
}

// controlRooms are all of them.
type controlRooms struct{ streams, calls, closes, looks, health, metrics *controlRoom }

func newControlRooms() controlRooms {
	room := func(name string, limit int, within time.Duration) *controlRoom {
		return &controlRoom{name: name, slots: make(chan struct{}, limit), within: within}
	}
	return controlRooms{
		streams: room("readers of events", controlMaxStreams, controlWriteTimeout), // a stream renews it
		calls:   room("calls", controlMaxCalls, controlCallTimeout+controlWriteTimeout),
		closes:  room("calls of close", controlMaxCloses, controlCallTimeout+controlWriteTimeout),
		looks:   room("requests for status or explain", controlMaxLooks, controlWriteTimeout),
		health:  room("requests for health", controlMaxHealth, controlWriteTimeout),
		metrics: room("requests for metrics", controlMaxMetrics, controlWriteTimeout),
	}
}

// admit lets requests through as long as there is room. A connection whose
// request is in a room cannot be closed to make way for a new one.
func (room *controlRoom) admit(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case room.slots <- struct{}{}:
			defer func() { <-room.slots }()
		default:
			answer(w, http.StatusServiceUnavailable, controlAnswer{Detail: "too many " + room.name + " are under way"})
			return
		}
		defer controlConnBusy(r)()
		// A writer that knows no deadlines is a test's own.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(room.within))
		next(w, r)
	})
}

// controlRequests counts what is under way, admitted or not, so that the end of
// the API can wait for it.
type controlRequests struct {
	mu    sync.Mutex
	ended bool
	under sync.WaitGroup
}

// begin counts a request; it is false once the API has ended.
func (q *controlRequests) begin() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false
	}
	q.under.Add(1)
	return true
}

func (q *controlRequests) leave() { q.under.Done() }

// end waits until the last request has left. None can begin any more.
func (q *controlRequests) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.under.Wait()
}
