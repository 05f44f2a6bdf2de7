package lwm2mtest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	clientAddr = netip.MustParseAddr("10.0.0.1")
	serverAddr = netip.MustParseAddr("10.0.0.2")

	clientAddrPort = netip.AddrPortFrom(clientAddr, 5000)
)

// world is a client host with a socket connected to a server host's.
type world struct {
	*Network
	client, server *Host
	conn           net.Conn
	pc             net.PacketConn
	start          time.Time
}

// bubble runs a test in a synctest bubble over a fresh network.
func bubble(t *testing.T, opts NetworkOptions, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(opts)
		w := &world{Network: n, client: n.Host("client.test", clientAddr), server: n.Host("server.test", serverAddr), start: time.Now()}
		w.pc = must(w.server.ListenPacket(5683))(t)
		w.conn = must(w.client.Dial(t.Context(), netip.AddrPortFrom(serverAddr, 5683)))(t)
		test(t, w)
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// must turns a result and an error into the result, failing the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// write sends a datagram from the client.
func (w *world) write(t *testing.T, text string) {
	t.Helper()
	must(w.conn.Write([]byte(text)))(t)
}

// arrived is one datagram at the server with its instant since the start.
type arrived struct {
	After time.Duration
	Text  string
	From  netip.AddrPort
}

// read takes n datagrams at the server, waiting at most for a minute.
func (w *world) read(t *testing.T, n int) []arrived {
	t.Helper()
	var all []arrived
	buf := make([]byte, 2048)
	_ = w.pc.SetReadDeadline(time.Now().Add(time.Minute))
	for range n {
		size, from, err := w.pc.ReadFrom(buf)
		if err != nil {
			t.Fatalf("after %d datagrams: %v", len(all), err)
		}
		all = append(all, arrived{time.Since(w.start), string(buf[:size]), from.(*net.UDPAddr).AddrPort()})
	}
	return all
}

// empty asserts that nothing arrives at the server within a minute.
func (w *world) empty(t *testing.T) {
	t.Helper()
	_ = w.pc.SetReadDeadline(time.Now().Add(time.Minute))
	if n, _, err := w.pc.ReadFrom(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, error %v, want a timeout", n, err)
	}
}

func texts(all []arrived) string {
	var b strings.Builder
	for _, a := range all {
		b.WriteString(a.Text)
	}
	return b.String()
}

func TestNetworkDeliversBothWays(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		w.write(t, "ping")
		got := w.read(t, 1)
		from := netip.AddrPortFrom(clientAddr, firstEphemeralPort)
		if diff := cmp.Diff([]arrived{{0, "ping", from}}, got, cmpAddr); diff != "" {
			t.Error(diff)
		}
		must(w.pc.WriteTo([]byte("pong"), net.UDPAddrFromAddrPort(from)))(t)
		buf := make([]byte, 2)
		if n, err := w.conn.Read(buf); err != nil || string(buf[:n]) != "po" {
			t.Errorf("got %q, %v, want the datagram cut to the buffer", buf[:n], err)
		}
		if c := w.Counters(); c.Sent != 2 || c.Delivered != 2 {
			t.Errorf("counters %+v", c)
		}
	})
}

var cmpAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func TestNetworkLatencyIsExactAndKeepsOrder(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		slow := w.Impair(FromHost(w.client), Conditions{Latency: 30 * time.Millisecond})
		w.Impair(ToPort(netip.AddrPortFrom(serverAddr, 5683)), Conditions{Latency: 12 * time.Millisecond})
		for _, text := range []string{"a", "b", "c"} {
			w.write(t, text)
		}
		got := w.read(t, 3)
		for i, a := range got {
			if a.After != 42*time.Millisecond || a.Text != string(rune('a'+i)) {
				t.Errorf("datagram %d: %+v, want %c after 42ms", i, a, 'a'+i)
			}
		}
		slow.Lift()
		w.write(t, "d")
		if got := w.read(t, 1); got[0].After != 54*time.Millisecond {
			t.Errorf("after lifting: %v, want 54ms", got[0].After)
		}
	})
}

// TestNetworkKeepsTheOrderOfOneInstant: also among packets between which others were
// sent, and those that are sent while it lasts.
func TestNetworkKeepsTheOrderOfOneInstant(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		slow := w.Impair(FromHost(w.client), Conditions{Latency: 30 * time.Millisecond})
		for _, text := range []string{"d", "a", "e", "b", "f", "c"} {
			wait := 30 * time.Millisecond
			if text < "d" {
				wait = 10 * time.Millisecond
			}
			slow.Change(Conditions{Latency: wait})
			w.write(t, text)
		}
		slow.Change(Conditions{})
		time.Sleep(10 * time.Millisecond)
		w.write(t, "now")
		time.Sleep(20 * time.Millisecond)
		w.write(t, "then")
		if got := texts(w.read(t, 8)); got != "abcnowdefthen" {
			t.Errorf("got %s", got)
		}
	})
}

func TestNetworkLoss(t *testing.T) {
	bubble(t, NetworkOptions{Seed: 7, ReceiveQueue: 2000}, func(t *testing.T, w *world) {
		i := w.Impair(ToHost(w.server), Conditions{Loss: 0.3})
		for range 1000 {
			w.write(t, "x")
		}
		if c := w.Counters(); c.Lost < 250 || c.Lost > 350 || c.Lost+c.Delivered != 1000 {
			t.Errorf("counters %+v, want about 300 lost", c)
		}
		i.Change(Conditions{Loss: 1})
		before := w.Counters().Lost
		w.write(t, "x")
		if got := w.Counters().Lost; got != before+1 {
			t.Error("loss 1 let a packet through")
		}
	})
}

func TestNetworkSameSeedSameFaults(t *testing.T) {
	var runs [2][]arrived
	for i := range runs {
		bubble(t, NetworkOptions{Seed: 42}, func(t *testing.T, w *world) {
			w.Impair(Everywhere(), Conditions{Loss: 0.5, Duplicate: 0.5, Jitter: time.Second})
			for c := 'a'; c <= 'z'; c++ {
				w.write(t, string(c))
			}
			time.Sleep(2 * time.Second)
			runs[i] = w.read(t, int(w.Counters().Delivered))
		})
	}
	if diff := cmp.Diff(runs[0], runs[1], cmpAddr); diff != "" || len(runs[0]) == 0 {
		t.Errorf("%d datagrams; runs differ: %s", len(runs[0]), diff)
	}
}

func TestNetworkDuplication(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		w.Impair(FromAddr(clientAddr), Conditions{Duplicate: 1, Latency: time.Millisecond})
		w.write(t, "a")
		if got := texts(w.read(t, 2)); got != "aa" {
			t.Errorf("got %q", got)
		}
		if c := w.Counters(); c.Sent != 1 || c.Duplicated != 1 || c.Delivered != 2 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestNetworkJitterReorders(t *testing.T) {
	bubble(t, NetworkOptions{Seed: 3}, func(t *testing.T, w *world) {
		w.Impair(ToAddr(serverAddr), Conditions{Jitter: 50 * time.Millisecond})
		const order = "abcdefgh"
		for _, c := range order {
			w.write(t, string(c))
		}
		got := w.read(t, len(order))
		if texts(got) == order {
			t.Error("nothing was reordered")
		}
		for i, a := range got {
			if a.After > 50*time.Millisecond || (i > 0 && a.After < got[i-1].After) {
				t.Errorf("datagram %d arrived at %v", i, a.After)
			}
		}
	})
}

func TestNetworkBlackHole(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		hole := w.Impair(Both(FromHost(w.client), ToHost(w.server)), Conditions{BlackHole: true})
		w.write(t, "lost")
		w.empty(t)
		hole.Lift()
		w.write(t, "found")
		if got := texts(w.read(t, 1)); got != "found" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNetworkUnknownAddressIsSilent(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		c := must(w.client.Dial(t.Context(), netip.MustParseAddrPort("10.9.9.9:1")))(t)
		must(c.Write([]byte("anybody?")))(t)
		assertSilent(t, c)
		if got := w.Counters().BlackHoled; got != 1 {
			t.Errorf("%d black-holed", got)
		}
	})
}

// assertSilent reads until a deadline of a minute and asserts its instant.
func assertSilent(t *testing.T, c net.Conn) {
	t.Helper()
	start := time.Now()
	_ = c.SetReadDeadline(start.Add(time.Minute))
	_, err := c.Read(make([]byte, 1))
	var netErr net.Error
	if !errors.As(err, &netErr) || !netErr.Timeout() || time.Since(start) != time.Minute {
		t.Errorf("error %v after %v, want a timeout after a minute", err, time.Since(start))
	}
}

// assertErrno asserts an error as Linux gives it.
func assertErrno(t *testing.T, err error, op string, errno syscall.Errno) {
	t.Helper()
	var opErr *net.OpError
	if !errors.As(err, &opErr) || opErr.Op != op || !errors.Is(err, errno) {
		t.Errorf("error %v, want %s: %v", err, op, errno)
	}
}

func TestNetworkRebind(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		w.write(t, "a")
		old := w.read(t, 1)[0].From
		w.client.Rebind()
		w.write(t, "b")
		fresh := w.read(t, 1)[0].From
		if fresh == old || fresh.Addr() != old.Addr() {
			t.Errorf("outside address %v, then %v", old, fresh)
		}
		must(w.pc.WriteTo([]byte("old"), net.UDPAddrFromAddrPort(old)))(t)
		must(w.pc.WriteTo([]byte("new"), net.UDPAddrFromAddrPort(fresh)))(t)
		buf := make([]byte, 10)
		if n, err := w.conn.Read(buf); err != nil || string(buf[:n]) != "new" {
			t.Errorf("got %q, %v", buf[:n], err)
		}
		if got := w.Counters().StaleNAT; got != 1 {
			t.Errorf("%d packets to the stale mapping", got)
		}
		if got := w.conn.LocalAddr().String(); got != "10.0.0.1:49152" {
			t.Errorf("inside address %v changed", got)
		}
	})
}

func TestNetworkHook(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		w.OnPacket(func(p Packet) Verdict {
			switch string(p.Data) {
			case "drop":
				return Verdict{Drop: true}
			case "late":
				return Verdict{Delay: time.Second}
			case "many":
				return Verdict{Copies: 2}
			case "edit":
				return Verdict{Replace: []byte("edited")}
			case "refuse":
				return Verdict{Refuse: true}
			}
			return Verdict{}
		})
		for _, text := range []string{"drop", "late", "many", "edit", "pass", "refuse"} {
			w.write(t, text)
		}
		w.OnPacket(nil)
		_, err := w.conn.Read(make([]byte, 1))
		if err == nil {
			t.Error("no refusal")
		}
		if got := texts(w.read(t, 6)); got != "manymanymanyeditedpasslate" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNetworkReceiveQueueIsBounded(t *testing.T) {
	bubble(t, NetworkOptions{ReceiveQueue: 3}, func(t *testing.T, w *world) {
		for _, c := range "abcde" {
			w.write(t, string(c))
		}
		if got := texts(w.read(t, 3)); got != "abc" || w.Counters().Overflowed != 2 {
			t.Errorf("got %q, %+v", got, w.Counters())
		}
	})
}

func TestNetworkPacketsAndTrace(t *testing.T) {
	bubble(t, NetworkOptions{PacketLog: 2}, func(t *testing.T, w *world) {
		var fates []Fate
		w.Trace(func(e Event) { fates = append(fates, e.Fate) })
		for _, c := range "abcdefg" {
			w.write(t, string(c))
			time.Sleep(time.Second)
		}
		var got []string
		for _, p := range w.Packets() {
			got = append(got, string(p.Data)+p.Time.Sub(w.start).String())
		}
		if diff := cmp.Diff([]string{"f5s", "g6s"}, got); diff != "" {
			t.Error(diff)
		}
		if len(fates) != 14 || fates[0] != Sent || fates[1] != Delivered {
			t.Errorf("fates %v", fates)
		}
	})
}

// What Packets has returned stays as it was, and to ask costs nothing, however long
// the log is: tests ask after every datagram.
func TestNetworkPacketsAreNotCopied(t *testing.T) {
	bubble(t, NetworkOptions{PacketLog: 8}, func(t *testing.T, w *world) {
		var kept [][]Packet
		for range 40 {
			w.write(t, "x")
			kept = append(kept, w.Packets())
		}
		for i, packets := range kept {
			if last := packets[len(packets)-1].Seq; last != uint64(i+1) || len(packets) != min(i+1, 8) {
				t.Errorf("after %d packets there were %d, to number %d", i+1, len(packets), last)
			}
			for n, p := range packets {
				if p.Seq != packets[0].Seq+uint64(n) {
					t.Errorf("packet %d stands where %d was", p.Seq, packets[0].Seq+uint64(n))
				}
			}
		}
		if n := testing.AllocsPerRun(100, func() { _ = w.Packets() }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestNetworkDeadlines(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		assertSilent(t, w.conn)
		_ = w.conn.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, func() { _ = w.conn.SetDeadline(time.Now().Add(-time.Second)) })
		start := time.Now()
		if _, err := w.conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := w.conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write after the deadline: %v", err)
		}
	})
}

func TestNetworkCloseEndsReaders(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		w.Impair(Everywhere(), Conditions{Latency: time.Hour})
		w.write(t, "under way")
		time.AfterFunc(time.Second, func() { _ = w.Close() })
		if _, err := w.conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if _, err := w.conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		if _, err := w.client.Dial(t.Context(), netip.AddrPortFrom(serverAddr, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial: %v", err)
		}
	})
}

func TestNetworkPortInUse(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		_, err := w.server.ListenPacket(5683)
		assertErrno(t, err, "listen", syscall.EADDRINUSE)
		pc := must(w.server.ListenPacket(0))(t)
		if port := pc.LocalAddr().(*net.UDPAddr).Port; port < firstEphemeralPort {
			t.Errorf("port %d", port)
		}
	})
}

func TestNetworkStrangersAreRefused(t *testing.T) {
	bubble(t, NetworkOptions{}, func(t *testing.T, w *world) {
		other := must(w.server.ListenPacket(7))(t)
		must(other.WriteTo([]byte("x"), w.conn.LocalAddr()))(t)
		if c := w.Counters(); c.Refused != 1 || c.Delivered != 0 {
			t.Errorf("counters %+v: a connected socket took a stranger's datagram", c)
		}
	})
}
