package interop

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/interop/peer"
)

// relay passes UDP datagrams between clients and one server, and keeps a copy
// of all of them. Every socket of a client has a socket of its own towards the
// server.
type relay struct {
	t      *testing.T
	front  *net.UDPConn
	server *net.UDPAddr
	twice  bool // see newDuplicator
	// sift, when not nil, says what is left of a datagram; nil for nothing.
	sift func(datagram) []byte
	wg   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	backs   map[netip.AddrPort]*net.UDPConn
	trace   []datagram
	changed chan struct{}    // closed and replaced by every datagram
	late    map[[2]byte]bool // message IDs that repeatLate is done with; of one goroutine
}

// datagram is one datagram that came to the relay.
type datagram struct {
	fromServer bool
	data       []byte
}

// newRelay starts a relay that passes everything on.
func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	return runRelay(t, server, &relay{})
}

// newSieve starts a relay that passes on what is left of a datagram.
func newSieve(t *testing.T, server string, sift func(datagram) []byte) *relay {
	t.Helper()
	return runRelay(t, server, &relay{sift: sift})
}

// newDuplicator starts a relay that passes everything on twice, and a request
// of the server's once more when the client has acknowledged it, as if the
// acknowledgement had been lost. It is for plain CoAP.
func newDuplicator(t *testing.T, server string) *relay {
	t.Helper()
	return runRelay(t, server, &relay{twice: true})
}

func runRelay(t *testing.T, server string, r *relay) *relay {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		t.Fatal(err)
	}
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r.t, r.front, r.server, r.backs = t, front, to, map[netip.AddrPort]*net.UDPConn{}
	r.changed, r.late = make(chan struct{}), map[[2]byte]bool{}
	r.wg.Go(r.fromClients)
	t.Cleanup(r.close)
	return r
}

// addr is where clients find the server.
func (r *relay) addr() string { return r.front.LocalAddr().String() }

func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	_ = r.front.Close()
	for _, back := range r.backs {
		_ = back.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *relay) fromClients() {
	buffer := make([]byte, 64<<10)
	for {
		n, client, err := r.front.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		back := r.back(client)
		if back == nil {
			return
		}
		d := r.note(false, buffer[:n])
		for range r.copies() {
			r.pass(d, func(data []byte) { _, _ = back.Write(data) }) // a lost datagram is a network's good right
		}
		if r.twice {
			r.repeatLate(d, client)
		}
	}
}

// pass sends on what is left of a datagram.
func (r *relay) pass(d datagram, send func([]byte)) {
	data := d.data
	if r.sift != nil {
		data = r.sift(d)
	}
	if data != nil {
		send(data)
	}
}

func (r *relay) copies() int {
	if r.twice {
		return 2
	}
	return 1
}

// repeatLate sends the request that the client has acknowledged once more.
func (r *relay) repeatLate(ack datagram, client netip.AddrPort) {
	if ack.kind() != typeACK || r.late[ack.mid()] {
		return
	}
	r.late[ack.mid()] = true
	for _, d := range r.datagrams() {
		if d.request() && d.mid() == ack.mid() {
			_, _ = r.front.WriteToUDPAddrPort(d.data, client)
			return
		}
	}
}

// back returns the socket towards the server of one client's.
func (r *relay) back(client netip.AddrPort) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if back := r.backs[client]; back != nil || r.closed {
		return back
	}
	back, err := peer.Dial(r.server.String())
	if err != nil {
		r.t.Errorf("relay: %v", err)
		return nil
	}
	r.backs[client] = back
	r.wg.Go(func() { r.fromServer(back, client) })
	return back
}

// fromServer goes on after an error until the socket is closed, at the end or by a
// rebind: a server that is gone shows as a refused port.
func (r *relay) fromServer(back *net.UDPConn, client netip.AddrPort) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := back.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		d := r.note(true, buffer[:n])
		for range r.copies() {
			r.pass(d, func(data []byte) { _, _ = r.front.WriteToUDPAddrPort(data, client) })
		}
	}
}

// rebind forgets the sockets towards the server, as a NAT does its mappings: what clients
// send from now on comes from other ports.
func (r *relay) rebind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for client, back := range r.backs {
		_ = back.Close()
		delete(r.backs, client)
	}
}

// seen returns how many datagrams have passed.
func (r *relay) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.trace)
}

func (r *relay) note(fromServer bool, data []byte) datagram {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := datagram{fromServer, bytes.Clone(data)}
	r.trace = append(r.trace, d)
	close(r.changed)
	r.changed = make(chan struct{})
	return d
}

// await waits until what has passed fulfils a condition.
func (r *relay) await(what string, fulfilled func() bool) {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if fulfilled() {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			r.t.Fatalf("relay: %s did not come", what)
		}
	}
}

// datagrams returns what has passed so far, in order.
func (r *relay) datagrams() []datagram {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.trace)
}

// CoAP codes and message types (RFC 7252 section 12.1, 3).
const (
	codePUT     = 0x03
	codeContent = 0x45
	typeCON     = 0
	typeACK     = 2
)

// The fixed parts of a CoAP header (RFC 7252 section 3). The peers send no
// datagram that is too short for them.
func (d datagram) kind() byte    { return d.data[0] >> 4 & 3 }
func (d datagram) code() byte    { return d.data[1] }
func (d datagram) mid() [2]byte  { return [2]byte(d.data[2:4]) }
func (d datagram) token() string { return string(d.data[4 : 4+d.data[0]&0x0f]) }

// request reports a confirmable request of the server.
func (d datagram) request() bool {
	return d.fromServer && d.kind() == typeCON && d.code()>>5 == 0 && d.code() != 0
}
