package control

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// maxConns bounds the connections of the API, and with them the file descriptors
// that others can make the client spend. It is above the sum of all rooms, so
// that some connections can always wait for a request.
const maxConns = maxStreams + maxCalls + maxCloses + maxLooks + maxHealth + maxMetrics + 64

// door is a listener that enforces the bound. A connection waits while none of
// its requests is in a room: it is new, idle, has sent half a request, or is
// done with one. When there are too many, the one that has waited longest is
// closed for the new one. So connections that are opened and left alone keep
// nobody out, as they would if the listener stopped accepting instead.
type door struct {
	net.Listener

	mu      sync.Mutex
	open    int
	waiting list.List // of *doorConn, the one that has waited longest first
}

// doorConn is a connection that the door knows.
type doorConn struct {
	net.Conn
	door  *door
	place *list.Element // in door.waiting; nil while a request is in a room, and once closed
	gone  bool          // closed
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	accepted, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &doorConn{Conn: accepted, door: d}
	if longest := d.enter(c); longest != nil {
		_ = longest.Close() // for the newcomer
	}
	return c, nil
}

// enter counts a new connection, and returns the one to close for it, if any.
func (d *door) enter(c *doorConn) (longest *doorConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= maxConns && d.waiting.Len() > 0 {
		longest, _ = d.waiting.Front().Value.(*doorConn)
	}
	d.open++
	c.place = d.waiting.PushBack(c)
	return longest
}

// Close implements net.Conn.
func (c *doorConn) Close() error {
	c.door.mu.Lock()
	if !c.gone {
		c.gone = true
		c.door.open--
		c.leaveQueue()
	}
	c.door.mu.Unlock()
	return c.Conn.Close()
}

// leaveQueue takes a connection out of those that wait; the door is locked.
func (c *doorConn) leaveQueue() {
	if c.place != nil {
		c.door.waiting.Remove(c.place)
		c.place = nil
	}
}

// busy says that a request is in a room, wait that it has left.
func (c *doorConn) busy() {
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	c.leaveQueue()
}

func (c *doorConn) wait() {
	c.door.mu.Lock()
	defer c.door.mu.Unlock()
	if !c.gone && c.place == nil {
		c.place = c.door.waiting.PushBack(c)
	}
}

// connKey is the key of a connection in the context of its requests.
type connKey struct{}

// withConn is the server's ConnContext.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connBusy marks the connection of a request as busy, and returns what
// ends that.
func connBusy(r *http.Request) (wait func()) {
	c, ok := r.Context().Value(connKey{}).(*doorConn)
	if !ok { // a request of a test, without a connection
		return func() {}
	}
	c.busy()
	return c.wait
}
