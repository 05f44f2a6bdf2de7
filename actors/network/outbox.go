package network

import (
	"net"
	"sync"
	"time"
)

const (
	// outboxRoom is how many datagrams wait in an outbox.
	outboxRoom = 16
	// closeLimit is how long a connection whose write waits is left open after
	// Close, so that a last answer can leave.
	closeLimit = time.Second
)

// outbox writes to a connection of which nothing says that a write does not
// wait, on a goroutine that lives while there is something to write.
type outbox struct {
	conn net.Conn

	mu      sync.Mutex // guards the rest
	queue   [][]byte
	writing bool // the goroutine lives
	closed  bool
	failure error       // of a write; the connection is closed then, which ends the read
	force   *time.Timer // closes the connection while a write still waits
}

// send queues a datagram.
func (o *outbox) send(datagram []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.failure != nil:
		return o.failure
	case o.closed:
		return net.ErrClosed
	case len(o.queue) == outboxRoom:
		return errNoRoom
	}
	o.queue = append(o.queue, datagram)
	if !o.writing {
		o.writing = true
		go o.drain()
	}
	return nil
}

// drain writes what is queued, and closes the connection if it was to be closed
// meanwhile.
func (o *outbox) drain() {
	for datagram := o.next(nil); datagram != nil; {
		_, err := o.conn.Write(datagram)
		if hasNoRoom(err) {
			err = nil // lost
		}
		datagram = o.next(err)
	}
}

// next returns the datagram to be written after one that ended with err; nil
// when the goroutine is to end.
func (o *outbox) next(err error) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil && !o.closed {
		o.failure = newSocketError(opWrite, o.conn.RemoteAddr(), err)
	}
	if err == nil && len(o.queue) > 0 {
		datagram := o.queue[0]
		o.queue = o.queue[1:]
		return datagram
	}
	o.queue, o.writing = nil, false
	if err != nil || o.closed {
		_ = o.conn.Close()
	}
	if o.force != nil {
		o.force.Stop()
	}
	return nil
}

func (o *outbox) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failure
}

// close closes the connection when what is queued has been written, or after
// closeLimit.
func (o *outbox) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return net.ErrClosed
	}
	o.closed = true
	if !o.writing {
		return o.conn.Close()
	}
	o.force = time.AfterFunc(closeLimit, func() { _ = o.conn.Close() })
	return nil
}
