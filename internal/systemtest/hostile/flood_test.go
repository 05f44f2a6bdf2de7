package hostile_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// A flood is what somebody sends who forges the address of a server without
// security, or the server itself, and who needs to guess nothing but a port.
// The kinds make the n-th datagram; mid is the message ID of the client's
// latest request, which a sweep through all of them hits now and then.
var floods = map[string]func(n int, mid uint16) []byte{
	"NON reads": func(n int, _ uint16) []byte { return floodRequest(coap.NON, messages.GET, n, "3/0/0") },
	"CON reads": func(n int, _ uint16) []byte { return floodRequest(coap.CON, messages.GET, n, "3/0/0") },
	"one NON read": func(int, uint16) []byte {
		return floodRequest(coap.NON, messages.GET, 1, "3/0/0")
	},
	"one CON read": func(int, uint16) []byte {
		return floodRequest(coap.CON, messages.GET, 1, "3/0/0")
	},
	"observations": func(n int, _ uint16) []byte {
		return floodRequest(coap.CON, messages.GET, n, "3/0/13", func(m *coap.Message) { m.AddUint(coap.Observe, 0) })
	},
	"update triggers":        func(n int, _ uint16) []byte { return floodRequest(coap.CON, messages.POST, n, "1/0/8") },
	"update triggers by NON": func(n int, _ uint16) []byte { return floodRequest(coap.NON, messages.POST, n, "1/0/8") },
	"first blocks": func(n int, _ uint16) []byte {
		return floodRequest(coap.CON, messages.PUT, n, "5/0/0", floodBlock(n))
	},
	"first blocks by NON": func(n int, _ uint16) []byte {
		return floodRequest(coap.NON, messages.PUT, n, "5/0/0", floodBlock(n))
	},
	"pings": func(n int, _ uint16) []byte { return floodBytes(coap.Message{MID: uint16(n)}) },
	"RSTs":  func(n int, mid uint16) []byte { return floodBytes(coap.Reset(floodGuess(n, mid))) },
	"ACKs":  func(n int, mid uint16) []byte { return floodBytes(coap.EmptyACK(floodGuess(n, mid))) },
	"piggybacked responses": func(n int, mid uint16) []byte {
		return floodBytes(coap.Message{Type: coap.ACK, Code: messages.Changed, MID: floodGuess(n, mid), Token: floodToken(n)})
	},
	"CON responses": func(n int, _ uint16) []byte { return floodRequest(coap.CON, messages.Changed, n, "") },
	"NON responses": func(n int, _ uint16) []byte { return floodRequest(coap.NON, messages.Changed, n, "") },
	"malformed":     func(n int, _ uint16) []byte { return []byte{0x4f, 1, byte(n >> 8), byte(n)} },
	"garbage":       func(int, uint16) []byte { return []byte("\x16\xfe\xfd no CoAP at all") },
}

// floodOfAll takes turns.
func floodOfAll(n int, mid uint16) []byte {
	names := [...]string{"NON reads", "CON reads", "update triggers", "first blocks", "pings", "RSTs", "ACKs", "CON responses", "malformed", "garbage"}
	return floods[names[n%len(names)]](n, mid)
}

func floodRequest(kind coap.Type, code messages.CoAPCode, n int, path string, edits ...func(*coap.Message)) []byte {
	m := coap.Message{Type: kind, Code: code, MID: uint16(n), Token: floodToken(n)}
	if path != "" {
		m.AddStrings(coap.URIPath, strings.Split(path, "/"))
	}
	for _, edit := range edits {
		edit(&m)
	}
	return floodBytes(m)
}

func floodToken(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func floodBlock(n int) func(*coap.Message) {
	return func(m *coap.Message) {
		m.AddBlock(coap.Block1, coap.Block{More: true, SZX: coap.MaxSZX})
		m.AddOption(coap.RequestTag, floodToken(n))
		m.Payload = make([]byte, 1024)
	}
}

func floodGuess(n int, mid uint16) uint16 {
	if n%500 == 499 {
		return mid
	}
	return mid + 1000 + uint16(n)%50000
}

func floodBytes(m coap.Message) []byte {
	data, err := coap.Encode(m)
	if err != nil {
		panic(err)
	}
	return data
}

// torrent is a client in a bubble that is about to be flooded.
type torrent struct {
	*systemtest.World
	c      *systemtest.Client
	socket net.PacketConn // the server's
	n      int            // datagrams so far

	client atomic.Pointer[netip.AddrPort] // where the client's latest request came from
	mid    atomic.Uint32                  // and its message ID
}

// floodStep is how long the datagrams of one step of a flood take.
const floodStep = 4 * time.Millisecond

// inTorrent runs a test with a client of 120 s lifetime, whose server is 50 ms
// away and has an open port.
func inTorrent(t *testing.T, test func(w *torrent)) {
	t.Helper()
	inBubble(t, func(w *torrent) {
		w.socket = w.Listen(systemtest.CoAPPort)
		w.Server.ServeManagement(w.socket, lwm2mtest.NoSec())
		cfg := w.NoSec()
		cfg.Lifetime = 2 * time.Minute
		w.begin(cfg)
		test(w)
	})
}

func inBubble(t *testing.T, test func(w *torrent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &torrent{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{})}
		defer w.Close()
		w.Network.OnPacket(w.look)
		w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 50 * time.Millisecond})
		test(w)
	})
}

// begin starts the client, without the probe, which would keep all messages.
func (w *torrent) begin(cfg holdfast.Config) { w.c = w.Start(cfg, lwm2mtest.WithTap(nil)) }

func (w *torrent) look(p lwm2mtest.Packet) lwm2mtest.Verdict {
	if h := coap.Header(p.Data); p.From.Addr() == systemtest.GatewayAddr && h.Type == coap.CON && h.IsRequest() {
		w.client.Store(&p.From)
		w.mid.Store(uint32(h.MID))
	}
	return lwm2mtest.Verdict{}
}

// pour floods the client for some time with so many datagrams a second.
func (w *torrent) pour(long time.Duration, perSecond int, flood func(int, uint16) []byte) {
	w.T.Helper()
	to := *w.client.Load()
	for range int(long / floodStep) {
		for range int(time.Duration(perSecond) * floodStep / time.Second) {
			w.InjectTo(to, w.socket, flood(w.n, uint16(w.mid.Load())))
			w.n++
		}
		time.Sleep(floodStep)
	}
}

// held demands that the client has kept its registration all the while, and
// that nothing worse than a malformed message was reported.
func (w *torrent) held(updates int, exactly bool) {
	w.T.Helper()
	w.ExpectHealthy(w.c)
	w.c.Story() // takes all events
	for _, e := range w.c.Seen {
		if e.Type == holdfast.EventError && e.Code != holdfast.CodeResponseParse {
			w.T.Errorf("reported %+v", e)
		}
	}
	if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
		w.T.Errorf("registered %d times", n)
	}
	if n := w.Server.Updates(systemtest.Endpoint); n < updates || exactly && n != updates {
		w.T.Errorf("%d Updates, want %d", n, updates)
	}
}

// shed returns what the client says that it has dropped.
func (w *torrent) shed() holdfast.Shed {
	w.T.Helper()
	if s := w.c.Explain().Connections[0].Shed; s != nil {
		return *s
	}
	return holdfast.Shed{}
}

// TestFloodsOfEveryKind: for ten minutes every exchange of an Update falls into
// a flood of 50,000 datagrams a second. Each Update is answered, nothing is
// reported but what cannot be decoded, what is dropped is counted, memory does
// not grow.
func TestFloodsOfEveryKind(t *testing.T) {
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			inTorrent(t, func(w *torrent) { w.tenMinutes(name, flood) })
		})
	}
	t.Run("all together", func(t *testing.T) {
		inTorrent(t, func(w *torrent) { w.tenMinutes("all", floodOfAll) })
	})
}

func (w *torrent) tenMinutes(name string, flood func(int, uint16) []byte) {
	minutes := 10
	if systemtest.RaceDetector {
		minutes = 5
	}
	const before, all = 10 * time.Millisecond, 120 * time.Millisecond // of the flood, about the 100 ms of the exchange
	w.c.WaitFor(holdfast.Registered)
	heap := liveHeap()
	time.Sleep(all - 100*time.Millisecond - before)
	for range minutes {
		time.Sleep(time.Minute + 100*time.Millisecond - all) // an Update comes 60 s after the last was answered
		last := w.mid.Load()
		w.pour(all, 50_000, flood)
		if w.mid.Load() == last {
			w.T.Fatalf("no Update in the flood; %s", w.c.Story())
		}
	}
	time.Sleep(10 * time.Second) // what is on its way, and the next report
	triggered := strings.HasPrefix(name, "update") || name == "all"
	w.held(minutes, !triggered)
	if n := w.Server.Updates(systemtest.Endpoint); n > 4*minutes {
		w.T.Errorf("%d Updates", n)
	}
	if w.shed() == (holdfast.Shed{}) {
		w.T.Error("nothing is said to be dropped")
	}
	if grown := liveHeap() - heap; grown > 24<<20 { // the test's own log of packets takes most of it
		w.T.Errorf("%d bytes more in use", grown)
	}
	w.c.ExpectClose(nil)
}

func liveHeap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// TestFloodOfNONReadsLeavesMessageIDs: 80,000 NON reads in 8 s, more than there
// are message IDs, and then an Update.
func TestFloodOfNONReadsLeavesMessageIDs(t *testing.T) {
	inTorrent(t, func(w *torrent) {
		w.c.WaitFor(holdfast.Registered)
		w.pour(8*time.Second, 10_000, floods["NON reads"])
		if w.n != 80_000 {
			t.Fatalf("sent %d", w.n)
		}
		asked := time.Now()
		if err := w.c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e := w.c.Next(holdfast.EventRegistrationUpdated); e.Time.Sub(asked) != 100*time.Millisecond {
			t.Errorf("updated after %v", e.Time.Sub(asked))
		}
		time.Sleep(10 * time.Second) // the next report
		w.held(1, true)
		if s := w.shed(); s.Rate+s.Queue < 60_000 {
			t.Errorf("dropped %+v", s)
		}
		w.c.ExpectClose(nil)
	})
}

// TestFloodWhileRegistering: the flood begins with the socket, and does not
// keep the client from registering.
func TestFloodWhileRegistering(t *testing.T) {
	inTorrent(t, func(w *torrent) {
		synctest.Wait()
		w.pour(200*time.Millisecond, 50_000, floodOfAll)
		w.c.WaitFor(holdfast.Registered)
		w.held(0, false)
		w.c.ExpectClose(nil)
	})
}

// TestFloodWhileBootstrapping: nor from bootstrapping.
func TestFloodWhileBootstrapping(t *testing.T) {
	inBubble(t, func(w *torrent) {
		w.socket = w.ListenBootstrap(systemtest.CoAPPort)
		w.Server.ServeBootstrap(w.socket, lwm2mtest.NoSec())
		w.ServePSK()
		w.Deliver(systemtest.Key)
		cfg := w.Factory()
		cfg.Bootstrap = &holdfast.Account{URI: "coap://192.0.2.2", Security: holdfast.SecurityNoSec}
		w.begin(cfg)
		synctest.Wait()
		w.pour(200*time.Millisecond, 50_000, func(n int, mid uint16) []byte {
			return floods[[...]string{"NON reads", "CON reads", "pings", "RSTs", "ACKs", "CON responses", "garbage"}[n%7]](n, mid)
		})
		w.c.WaitFor(holdfast.Registered)
		w.held(0, false)
		w.c.ExpectClose(nil)
	})
}

// TestFloodIsToldInTheMetrics: by reason.
func TestFloodIsToldInTheMetrics(t *testing.T) {
	inTorrent(t, func(w *torrent) {
		w.c.WaitFor(holdfast.Registered)
		w.pour(100*time.Millisecond, 50_000, floods["NON reads"])
		time.Sleep(20 * time.Second)
		want := w.shed()
		if want.Rate == 0 {
			t.Fatalf("dropped %+v", want)
		}
		const labels = `{endpoint="gw-0001",reason="rate",server="coap://192.0.2.1"}`
		w.c.ExpectMetrics(`holdfast_shed_total` + labels + ` ` + strconv.FormatUint(want.Rate, 10))
		w.c.ExpectClose(nil)
	})
}
