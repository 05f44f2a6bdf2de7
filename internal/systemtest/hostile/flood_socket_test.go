package hostile_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// floodVariable says how long TestFloodOnSockets floods, as "60s"; 2.5 s
// without it.
const floodVariable = "HOLDFAST_FLOOD"

// spring is a real client on loopback, flooded from its server's own socket as
// fast as that can be written to, by two goroutines.
type spring struct {
	*systemtest.Live
	c      *systemtest.Client
	socket net.PacketConn
	client atomic.Pointer[netip.AddrPort]
	sent   atomic.Uint64 // datagrams of the flood
	waits  []time.Duration
}

// TestFloodOnSockets: on real sockets and at line rate, every kind in turn: the
// registration holds, and Updates are answered. What it saw is logged.
func TestFloodOnSockets(t *testing.T) {
	long := 2500 * time.Millisecond
	if text := os.Getenv(floodVariable); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", floodVariable, err)
		}
	}
	s := newSpring(t, long)
	before := liveHeap()
	var flooding sync.WaitGroup
	end := time.Now().Add(long)
	for n := range 2 {
		flooding.Go(func() { s.flood(n, end, long) })
	}
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for time.Now().Before(end) {
		s.update()
		<-pace.C
	}
	flooding.Wait()
	s.update()
	s.held(long)
	if grown := liveHeap() - before; grown > 64<<20 {
		t.Errorf("%d bytes more in use", grown)
	}
	s.report(long)
}

func newSpring(t *testing.T, long time.Duration) *spring {
	s := &spring{Live: systemtest.NewLive(t)}
	s.socket = s.Listen(0)
	service := s.Server.ServeManagement(&lookout{PacketConn: s.socket, seen: &s.client}, lwm2mtest.NoSec())
	cfg := systemtest.LiveConfig(t, systemtest.LiveNoSec(service.Addr().String()))
	cfg.Lifetime = 5 * time.Minute
	s.c = s.StartFor(cfg, long+2*systemtest.LivePatience)
	s.c.Next(holdfast.EventRegistered)
	return s
}

// lookout notes where the first datagram that it reads comes from.
type lookout struct {
	net.PacketConn
	once sync.Once
	seen *atomic.Pointer[netip.AddrPort]
}

// ReadFrom implements net.PacketConn.
func (l *lookout) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := l.PacketConn.ReadFrom(p)
	if err == nil {
		l.once.Do(func() { l.seen.Store(new(from.(*net.UDPAddr).AddrPort())) })
	}
	return n, from, err
}

// flood sends the kinds one after the other until the end, each for its share
// of the time.
func (s *spring) flood(offset int, end time.Time, long time.Duration) {
	to := net.UDPAddrFromAddrPort(*s.client.Load())
	names := slices.Sorted(maps.Keys(floods))
	began := end.Add(-long)
	for i, name := range names {
		until := began.Add(long * time.Duration(i+1) / time.Duration(len(names)))
		datagrams := prepared(floods[name], offset)
		for n := 0; time.Now().Before(until); n++ {
			if _, err := s.socket.WriteTo(datagrams[n%len(datagrams)], to); err == nil {
				s.sent.Add(1) // a full send buffer is no failure of the client
			}
		}
	}
}

// prepared returns datagrams of a kind, which are sent again and again: more
// than can be remembered, so that none is a duplicate. To make them takes longer
// than to send them.
func prepared(kind func(int, uint16) []byte, offset int) [][]byte {
	datagrams := make([][]byte, 1<<13)
	for n := range datagrams {
		datagrams[n] = kind(2*n+offset, uint16(n*7))
	}
	return datagrams
}

// update has an Update sent and notes how long its answer takes.
func (s *spring) update() {
	s.T.Helper()
	began := time.Now()
	if err := s.c.RegisterUpdate(context.Background()); err != nil {
		s.T.Fatalf("%v; events: %s", err, s.c.Story())
	}
	e := s.c.Next(holdfast.EventRegistrationUpdated)
	s.waits = append(s.waits, e.Time.Sub(began))
}

func (s *spring) held(long time.Duration) {
	s.T.Helper()
	s.c.Story()
	for _, e := range s.c.Seen {
		if e.Type == holdfast.EventError && e.Code != holdfast.CodeResponseParse {
			s.T.Errorf("reported %+v", e)
		}
		if e.Type == holdfast.EventState && e.State != holdfast.Registered && e.Previous == holdfast.Registered {
			s.T.Errorf("the state became %s", e.State)
		}
	}
	if n := s.Server.Registers(systemtest.Endpoint); n != 1 {
		s.T.Errorf("registered %d times", n)
	}
	if n := s.Server.Updates(systemtest.Endpoint); n > 10+6*int(long/time.Second+1) {
		s.T.Errorf("%d Updates", n)
	}
}

func (s *spring) report(long time.Duration) {
	s.T.Helper()
	shed := holdfast.Shed{}
	if counted := s.c.Explain().Connections[0].Shed; counted != nil {
		shed = *counted
	}
	slices.Sort(s.waits)
	s.T.Logf("%v: %d datagrams sent, %.0f a second; the kernel dropped %s", long, s.sent.Load(),
		float64(s.sent.Load())/long.Seconds(), kernelDrops(s.client.Load().Port()))
	s.T.Logf("%d Updates asked for, all answered: median %v, longest %v; %d seen by the server, %d Register",
		len(s.waits), s.waits[len(s.waits)/2].Round(10*time.Microsecond), s.waits[len(s.waits)-1].Round(time.Millisecond),
		s.Server.Updates(systemtest.Endpoint), s.Server.Registers(systemtest.Endpoint))
	s.T.Logf("dropped by the client until its last report: %+v; %d CPUs", shed, runtime.GOMAXPROCS(0))
}

// kernelDrops returns how many datagrams found the client's socket full.
func kernelDrops(port uint16) string {
	file, err := os.Open("/proc/net/udp")
	if err != nil {
		return "an unknown number"
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 12 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			return fields[12]
		}
	}
	return "an unknown number"
}
