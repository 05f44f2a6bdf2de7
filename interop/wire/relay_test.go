package wire

import (
	"bytes"
	"net"
	"sync"
	"testing"

	"github.com/holdfast-iot/holdfast/interop/peer"
)

// road decides what becomes of a datagram on its way: what it returns is
// delivered in its place, in this order.
type road func(fromServer bool, data []byte) [][]byte

func open(_ bool, data []byte) [][]byte { return [][]byte{data} }

// relay passes datagrams between one client and one server by a road.
type relay struct {
	front net.PacketConn // towards the client
	back  net.Conn       // towards the server
	via   road
	wg    sync.WaitGroup

	mu     sync.Mutex // guards what follows, and the road
	client net.Addr
	closed bool
}

// newRelay starts a relay to a real server, which ends with the test.
func newRelay(t testing.TB, server string, via road) *relay {
	t.Helper()
	front, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := peer.Dial(server)
	if err != nil {
		t.Fatal(err)
	}
	return runRelay(t, front, back, via)
}

func runRelay(t testing.TB, front net.PacketConn, back net.Conn, via road) *relay {
	r := &relay{front: front, back: back, via: via}
	r.wg.Go(r.fromClient)
	r.wg.Go(r.fromServer)
	t.Cleanup(r.close)
	return r
}

// addr is where the client finds the server.
func (r *relay) addr() string { return r.front.LocalAddr().String() }

func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	_ = r.front.Close()
	_ = r.back.Close()
	r.wg.Wait()
}

func (r *relay) fromClient() {
	buffer := make([]byte, maxDatagram)
	for {
		n, client, err := r.front.ReadFrom(buffer)
		if err != nil && r.ended() {
			return
		}
		if err != nil {
			continue
		}
		for _, d := range r.pass(false, buffer[:n], client) {
			_, _ = r.back.Write(d) // a lost datagram is a network's good right
		}
	}
}

// fromServer goes on after an error until the socket is closed: a server that
// is gone shows as a refused port.
func (r *relay) fromServer() {
	buffer := make([]byte, maxDatagram)
	for {
		n, err := r.back.Read(buffer)
		if err != nil && r.ended() {
			return
		}
		if err != nil {
			continue
		}
		for _, d := range r.pass(true, buffer[:n], nil) {
			_, _ = r.front.WriteTo(d, r.to())
		}
	}
}

func (r *relay) pass(fromServer bool, data []byte, client net.Addr) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if client != nil {
		r.client = client
	}
	return r.via(fromServer, bytes.Clone(data))
}

func (r *relay) to() net.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client
}

func (r *relay) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
