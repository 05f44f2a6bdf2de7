package control

import (
	"net/http"
	"sync"
	"time"
)

// How many requests of each kind may be in progress at a time. Each kind has its
// own limit, so that none can starve another: a watchdog is answered whatever the
// readers of events do, and close whatever the other calls wait for.
const (
	maxStreams = 32
	maxCalls   = 16
	maxCloses  = 8
	maxLooks   = 16 // status and explain
	maxHealth  = 16 // livez and readyz
	maxMetrics = 8
)

// room bounds the requests of one kind.
type room struct {
	name  string        // what is under way in it, for whoever finds it full
	slots chan struct{} // has room for them
	// within bounds a request from its admission to the last byte of its
	// answer, so that a client that does not read gives its room back.
	within time.Duration
}

// roomSet are all of them.
type roomSet struct{ streams, calls, closes, looks, health, metrics *room }

func newRooms() roomSet {
	kind := func(name string, limit int, within time.Duration) *room {
		return &room{name: name, slots: make(chan struct{}, limit), within: within}
	}
	return roomSet{
		streams: kind("readers of events", maxStreams, writeTimeout), // a stream renews it
		calls:   kind("calls", maxCalls, callTimeout+writeTimeout),
		closes:  kind("calls of close", maxCloses, callTimeout+writeTimeout),
		looks:   kind("requests for status or explain", maxLooks, writeTimeout),
		health:  kind("requests for health", maxHealth, writeTimeout),
		metrics: kind("requests for metrics", maxMetrics, writeTimeout),
	}
}

// admit lets requests through as long as there is room. A connection whose
// request is in a room cannot be closed to make way for a new one.
func (room *room) admit(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case room.slots <- struct{}{}:
			defer func() { <-room.slots }()
		default:
			answer(w, http.StatusServiceUnavailable, callAnswer{Detail: "too many " + room.name + " are under way"})
			return
		}
		defer connBusy(r)()
		// A writer that knows no deadlines is a test's own.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(room.within))
		next(w, r)
	})
}

// requestCount counts what is under way, admitted or not, so that the end of
// the API can wait for it.
type requestCount struct {
	mu    sync.Mutex
	ended bool
	under sync.WaitGroup
}

// begin counts a request; it is false once the API has ended.
func (q *requestCount) begin() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false
	}
	q.under.Add(1)
	return true
}

func (q *requestCount) leave() { q.under.Done() }

// end waits until the last request has left. None can begin any more.
func (q *requestCount) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.under.Wait()
}
