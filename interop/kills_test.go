package interop

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	// mortals are clients that are killed side by side, each so many times.
	mortals, deaths = 2, 50
	// busyRecords is how many datagrams pass at most, both ways, before a client that is
	// registered is killed.
	busyRecords = 4000
	// infancy is how old a client that is killed at any moment becomes at most, in
	// milliseconds.
	infancy = 120
	// allRecords is how many datagrams each of them sees at least, both ways.
	allRecords = 51_000
	// readers of a client ask at the same time.
	readers = 16
	// cidOfServer is the length of the Connection IDs of lwm2mtest, in bytes.
	cidOfServer = 8
)

// mortal is a client whose process is killed again and again, and all that it has ever sent.
type mortal struct {
	*relay
	name           string
	server         *lwm2mtest.Server
	binary, config string
	costs          map[string]int // registrations, by what they have cost
	slowest        time.Duration
}

func newMortal(t *testing.T, server *lwm2mtest.Server, name, addr string) *mortal {
	t.Helper()
	m := &mortal{relay: newRelay(t, addr), name: name, server: server, binary: buildCommand(t), costs: map[string]int{}}
	dir := t.TempDir()
	text := fmt.Sprintf(`endpoint: %s
state_dir: %s
server: {uri: coaps://%s, security: psk, psk_identity: %s, psk_key: %s}
reconnect: {initial_min: 200ms, initial_max: 200ms}
log: {level: warn}
`, name, filepath.Join(dir, "state"), m.addr(), name, hex.EncodeToString(testKey))
	m.config = filepath.Join(dir, "gw.yaml")
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// lives runs the client once, and kills it: at any moment, or after it was registered and has
// had its share of traffic.
func (m *mortal) lives(infant bool) {
	m.t.Helper()
	began := time.Now()
	c := launch(m.t, m.binary, m.config)
	if infant {
		ages := time.NewTicker(time.Millisecond)
		defer ages.Stop()
		for range rand.N(infancy) {
			<-ages.C
		}
		c.kill()
		m.heard(c, began)
		return
	}
	c.next(holdfast.EventRegistered)
	awaitRecord(m.t, m.config) // from the first life on
	m.busy(m.seen()+rand.N(busyRecords), c.kill)
	m.heard(c, began)
}

// busy has the client read until so many datagrams have passed, and ends it then.
func (m *mortal) busy(until int, end func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	var asking sync.WaitGroup
	for range readers {
		asking.Go(func() { m.asks(ctx) })
	}
	m.await("traffic", func() bool { return m.seen() >= until })
	end()
	cancel()
	asking.Wait()
}

// asks reads until there is nobody to be read.
func (m *mortal) asks(ctx context.Context) {
	for ctx.Err() == nil {
		_, _ = m.server.Read(ctx, m.name, "/3/0", lwm2m.FormatTLV) // the client is killed meanwhile
	}
}

// heard counts the registrations of a process, and demands that nothing was reported.
func (m *mortal) heard(c *child, began time.Time) {
	m.t.Helper()
	for _, e := range c.seen {
		switch e.Type {
		case holdfast.EventRegistered:
			m.costs[e.Session]++
			m.slowest = max(m.slowest, e.Time.Sub(began))
		case holdfast.EventError:
			m.t.Errorf("%s: %s", m.name, line(e))
		}
	}
}

// nonces are what clients have used of a session.
type nonces struct {
	records  int
	sessions map[string]map[uint64]bool // epoch and sequence number, by Connection ID
}

// add takes a datagram of a client, and demands that each protected record has a Connection
// ID, an explicit nonce that is its epoch and sequence number (RFC 6655 section 3, RFC 5288
// section 3), and that it is new in its session.
func (n *nonces) add(t *testing.T, datagram []byte) {
	t.Helper()
	for r, rest, ok := record.Next(datagram, cidOfServer); ok; r, rest, ok = record.Next(rest, cidOfServer) {
		if r.Epoch == 0 {
			continue
		}
		if r.Content != record.ConnectionID {
			t.Fatalf("a protected record without a Connection ID: type %d, sequence number %d", r.Content, r.Sequence)
		}
		number := uint64(r.Epoch)<<48 | r.Sequence
		if explicit := binary.BigEndian.Uint64(r.Body); explicit != number {
			t.Fatalf("session %x: explicit nonce %x in the record %x", r.CID, explicit, number)
		}
		used := n.sessions[string(r.CID)]
		if used == nil {
			used = map[uint64]bool{}
			n.sessions[string(r.CID)] = used
		}
		if used[number] {
			t.Fatalf("session %x: %x is used twice", r.CID, number)
		}
		used[number] = true
		n.records++
	}
}

// used returns what has passed a relay.
func (r *relay) used() (n nonces, down int) {
	r.t.Helper()
	n.sessions = map[string]map[uint64]bool{}
	for _, d := range r.datagrams() {
		if d.fromServer {
			down++
			continue
		}
		n.add(r.t, d.data)
	}
	return n, down
}

// movableServer is a management server that gives Connection IDs to clients of these names.
func movableServer(t *testing.T, names ...string) (server *lwm2mtest.Server, addr string) {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server = lwm2mtest.NewServer(lwm2mtest.ServerOptions{AckTimeout: 500 * time.Millisecond})
	t.Cleanup(func() { _ = server.Close() })
	security := lwm2mtest.Security{PSK: map[string]lwm2m.Secret{}, ConnectionID: true}
	for _, name := range names {
		security.PSK[name] = testKey
	}
	server.ServeManagement(pc, security)
	return server, pc.LocalAddr().String()
}

// Killed a hundred times, at any moment, idle or busy, clients never use a nonce twice, and
// are registered again each time.
func TestNoNonceTwiceInAHundredKills(t *testing.T) {
	t.Parallel()
	for i := range mortals {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprintf("gw-%04d", i)
			server, addr := movableServer(t, name)
			m := newMortal(t, server, name, addr)
			for n := range deaths {
				m.lives(n%2 == 1)
			}
			began := time.Now()
			c := launch(t, m.binary, m.config)
			c.next(holdfast.EventRegistered)
			m.busy(allRecords, c.terminate)
			m.heard(c, began)
			used, down := m.used()
			if m.costs["new"] != 1 || len(m.costs) != 2 || len(used.sessions) != 1 || used.records+down < allRecords {
				t.Errorf("%d sessions, %d and %d records, registered at the cost of %v", len(used.sessions), used.records, down, m.costs)
			}
			t.Logf("%d kills: registered at the cost of %v, the slowest %v after the start of its process; %d records of the client in %d sessions, no nonce twice; %d datagrams of the server",
				deaths, m.costs, m.slowest.Round(time.Millisecond), used.records, len(used.sessions), down)
		})
	}
}
