package behaviour_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// wire is the network of clients whose server is the test itself: it hands them
// datagrams and gets theirs, and allocates nothing on the way, so that what is
// counted are the clients' own allocations.
type wire struct {
	mu    sync.Mutex
	conns []*wireConn
}

// Lookup implements holdfast.Transport.
func (*wire) Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	addr, err := netip.ParseAddr(host)
	return []netip.Addr{addr}, err
}

// Dial implements holdfast.Transport.
func (w *wire) Dial(_ context.Context, remote netip.AddrPort) (net.Conn, error) {
	c := &wireConn{
		remote: net.UDPAddrFromAddrPort(remote),
		down:   make(chan []byte), up: make(chan int, 1), closed: make(chan struct{}),
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	return c, nil
}

// wireConn is a connected socket of a client.
type wireConn struct {
	remote *net.UDPAddr
	down   chan []byte
	up     chan int // the length of the datagram in last
	last   [1500]byte
	once   sync.Once
	closed chan struct{}
}

func (c *wireConn) Read(b []byte) (int, error) {
	select {
	case datagram := <-c.down:
		return copy(b, datagram), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// Write answers a Register and keeps everything else for the test.
func (c *wireConn) Write(b []byte) (int, error) {
	if header := coap.Header(b); header.IsRequest() {
		go c.answer(header)
		return len(b), nil
	}
	c.up <- copy(c.last[:], b)
	return len(b), nil
}

// WriteNow tells the client that a write never waits.
func (c *wireConn) WriteNow(b []byte) (int, error) { return c.Write(b) }

// answer accepts a Register or a De-register.
func (c *wireConn) answer(request coap.Message) {
	code := messages.Created
	if request.Code == messages.DELETE {
		code = messages.Deleted
	}
	response := coap.Message{Type: coap.ACK, Code: code, MID: request.MID, Token: request.Token}
	response.AddStrings(coap.LocationPath, []string{"rd", "1"})
	datagram, err := coap.Encode(response)
	if err != nil {
		panic(err)
	}
	c.down <- datagram
}

func (c *wireConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *wireConn) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (c *wireConn) RemoteAddr() net.Addr             { return c.remote }
func (c *wireConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *wireConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *wireConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// reader reads /3/0/0 of a client, each time under a new message ID.
type reader struct {
	conn     *wireConn
	request  []byte
	sequence uint16
}

func newReader(t testing.TB, conn *wireConn) *reader {
	msg := coap.Message{Type: coap.CON, Code: messages.GET, Token: []byte("token")}
	msg.AddStrings(coap.URIPath, []string{"3", "0", "0"})
	msg.AddUint(coap.Accept, uint32(messages.FormatTLV))
	request, err := coap.Encode(msg)
	if err != nil {
		t.Fatal(err)
	}
	return &reader{conn: conn, request: request}
}

// read sends the request and waits for the answer, which it does not judge
// beyond its header.
func (r *reader) read(t testing.TB) {
	r.sequence++
	r.request[2], r.request[3] = byte(r.sequence>>8), byte(r.sequence)
	r.conn.down <- r.request
	n := <-r.conn.up
	header := coap.Header(r.conn.last[:n])
	if header.Type != coap.ACK || header.MID != r.sequence || header.Code != messages.Content {
		t.Fatalf("the answer is %v", header)
	}
}

// readers returns one for each of a number of registered clients.
func readers(t testing.TB, clients int) []*reader {
	t.Helper()
	network := &wire{}
	rt := holdfast.NewRuntime(lwm2mtest.WithTransport(network))
	dir := t.TempDir()
	for i := range clients {
		client, err := rt.New(memberConfig(i, dir, holdfast.Account{URI: "coap://192.0.2.1", Security: holdfast.SecurityNoSec}))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := client.Await(t.Context(), holdfast.Registered); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	all := make([]*reader, clients)
	for i, conn := range network.conns {
		all[i] = newReader(t, conn)
	}
	return all
}

// BenchmarkRead is what one request of a server costs the client alone: GET
// /3/0/0 without security, from the socket through the actors and back to it. The
// clients take turns, so that none exceeds the rate limit of one peer.
func BenchmarkRead(b *testing.B) {
	all := readers(b, 64)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		all[i%len(all)].read(b)
		i++
	}
}

// mostAllocations is how many allocations one Read may cost a client.
const mostAllocations = 35

// TestReadAllocations holds the number of BenchmarkRead.
func TestReadAllocations(t *testing.T) {
	if systemtest.RaceDetector {
		t.Skip("the race detector allocates too")
	}
	r := readers(t, 1)[0]
	r.read(t) // the first one starts timers that the next ones find running
	if got := testing.AllocsPerRun(1000, func() { r.read(t) }); got > mostAllocations {
		t.Errorf("%v allocations for a Read, more than %d", got, mostAllocations)
	} else {
		t.Logf("%v allocations for a Read", got)
	}
}
