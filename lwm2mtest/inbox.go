package lwm2mtest

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// datagram is what a reader gets: data and where it came from.
type datagram struct {
	from netip.AddrPort
	data []byte
}

// inbox is the bounded receive queue of a socket, with a read deadline and
// the socket's pending error (SO_ERROR).
type inbox struct {
	mu       sync.Mutex
	changed  *sync.Cond
	limit    int
	queue    []datagram
	pending  error
	deadline time.Time
	timer    *alarm.Alarm
	closed   bool
	held     bool // what is in the queue waits, whoever reads
}

func newInbox(limit int) *inbox {
	q := &inbox{limit: limit}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// push appends a datagram and reports whether there was room.
func (q *inbox) push(d datagram) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.queue) >= q.limit {
		return false
	}
	q.queue = append(q.queue, d)
	q.changed.Signal()
	return true
}

// fail leaves an error for the next read or write.
func (q *inbox) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = err
	q.changed.Broadcast()
}

// takeError returns and clears the pending error; net.ErrClosed once closed.
func (q *inbox) takeError() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return net.ErrClosed
	}
	err := q.pending
	q.pending = nil
	return err
}

// pop waits for a datagram, an error, the deadline or the end.
func (q *inbox) pop() (datagram, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if d, err, done := q.next(); done {
			return d, err
		}
		q.changed.Wait()
	}
}

// next returns what a reader gets at once, if anything.
func (q *inbox) next() (d datagram, err error, done bool) {
	switch {
	case q.closed:
		return datagram{}, net.ErrClosed, true
	case !q.deadline.IsZero() && !time.Now().Before(q.deadline):
		return datagram{}, os.ErrDeadlineExceeded, true
	case q.pending != nil:
		err, q.pending = q.pending, nil
		return datagram{}, err, true
	case len(q.queue) > 0 && !q.held:
		d, q.queue = q.queue[0], q.queue[1:]
		return d, nil, true
	}
	return datagram{}, nil, false
}

// hold keeps what is in the queue, and what comes, until release.
func (q *inbox) hold() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = true
}

// release ends hold.
func (q *inbox) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held {
		q.held = false
		q.changed.Broadcast()
	}
}

// setDeadline sets the instant after which reads fail; zero means never.
func (q *inbox) setDeadline(t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deadline = t
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	if left := time.Until(t); !t.IsZero() && !q.closed && left > 0 { // one that has passed wakes by what follows
		q.timer = alarm.After(left, q.wake)
	}
	q.changed.Broadcast()
}

func (q *inbox) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
}

// close ends all reads and drops what is queued.
func (q *inbox) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.queue = nil
	if q.timer != nil {
		q.timer.Stop()
	}
	q.changed.Broadcast()
}
