package behaviour_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// BenchmarkReadThroughActors is one request of a server, GET /3/0/0, through
// the actors of a client and back on the in-memory network: network,
// coapresend, management, and the way back. The clients take turns, so that no
// message ID comes again within EXCHANGE_LIFETIME (RFC 7252 section 4.4).
func BenchmarkReadThroughActors(b *testing.B) {
	const clients = 64
	network := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{PacketLog: 1})
	gateway, host := network.Host("gateway", systemtest.GatewayAddr), network.Host("server", systemtest.ServerAddr)
	socket, err := host.ListenPacket(systemtest.CoAPPort)
	if err != nil {
		b.Fatal(err)
	}
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	server.ServeManagement(socket, lwm2mtest.NoSec())
	f := newFleet(b, clients, holdfast.Account{URI: "coap://192.0.2.1", Security: holdfast.SecurityNoSec},
		lwm2mtest.WithTransport(gateway))
	f.start()
	f.awaitRegistered()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		readManufacturer(b, server, systemtest.MemberName(i%clients))
		i++
	}
	f.close()
	must(b, server.Close())
	must(b, network.Close())
}

func readManufacturer(b *testing.B, server *lwm2mtest.Server, name string) {
	response, err := server.Read(b.Context(), name, "/3/0/0", messages.FormatTLV)
	if err != nil || response.Code != messages.Content {
		b.Fatalf("read of %s: %v %v", name, response.Code, err)
	}
}

// BenchmarkThousandClients is the time and the memory to have 1,000 clients
// registered in this process, over real sockets and without security. The
// server is a process of its own. One iteration is one fleet.
func BenchmarkThousandClients(b *testing.B) {
	benchmarkFleet(b, 1000, holdfast.SecurityNoSec, mostPlain)
}

// BenchmarkFiveHundredPSKClients is the same with 500 clients over DTLS with
// pre-shared keys.
func BenchmarkFiveHundredPSKClients(b *testing.B) {
	benchmarkFleet(b, 500, holdfast.SecurityPSK, mostSecured)
}

func benchmarkFleet(b *testing.B, clients int, security holdfast.SecurityMode, most weight) {
	server := startFleetServer(b, security)
	var total fleetFigures
	for b.Loop() {
		total.add(measureFleet(b, clients, holdfast.Account{URI: server.uri, Security: security}))
	}
	server.stop(b)
	total.report(b, clients, most)
}

// measureFleet makes and starts a fleet, weighs it once all its clients are
// registered, and closes it.
func measureFleet(b *testing.B, clients int, server holdfast.Account) fleetFigures {
	before := weigh()
	began := time.Now()
	f := newFleet(b, clients, server)
	f.start()
	f.awaitRegistered()
	registered := time.Since(began)
	loaded := weighAsIs()
	live := weigh()
	began = time.Now()
	f.close()
	return fleetFigures{
		fleets: 1, register: registered, close: time.Since(began),
		resident:   loaded.resident - before.resident,
		live:       live.live - before.live,
		objects:    live.objects - before.objects,
		goroutines: live.goroutines - before.goroutines,
	}
}

// fleetFigures are the sums over a number of fleets.
type fleetFigures struct {
	fleets          int
	register, close time.Duration
	resident        int // bytes of physical memory, garbage included
	live            int // bytes of heap and stacks in use after a collection, slack of the allocator included
	objects         int // bytes of reachable objects and stacks
	goroutines      int
}

func (f *fleetFigures) add(one fleetFigures) {
	f.fleets += one.fleets
	f.register += one.register
	f.close += one.close
	f.resident += one.resident
	f.live += one.live
	f.objects += one.objects
	f.goroutines += one.goroutines
}

func (f *fleetFigures) report(b *testing.B, clients int, most weight) {
	each := float64(f.fleets * clients)
	b.ReportMetric(0, "ns/op") // not shown: an iteration is neither of the two times
	b.ReportMetric(f.register.Seconds()/float64(f.fleets), "s/registered")
	b.ReportMetric(f.close.Seconds()/float64(f.fleets), "s/closed")
	b.ReportMetric(float64(f.resident)/each, "RSS-B/client")
	b.ReportMetric(float64(f.live)/each, "live-B/client")
	b.ReportMetric(float64(f.objects)/each, "object-B/client")
	b.ReportMetric(float64(f.goroutines)/each, "goroutines/client")
	f.limit(b, each, most)
}

// What a client may hold: bytes of physical memory after the start of a whole fleet,
// garbage and the code of the program included; bytes of its objects and stacks, and
// of those with the slack that the allocator has then, which differs between runs and
// is used up later; and goroutines. A run that exceeds it has failed.
var (
	mostPlain   = weight{resident: 40 << 10, objects: 26 << 10, live: 36 << 10, goroutines: 1}
	mostSecured = weight{resident: 56 << 10, objects: 30 << 10, live: 44 << 10, goroutines: 1}
)

// TestAThousandClientsAreLight runs the benchmarks, which have the limits, each in a
// process of its own: memory is measured as growth. One run of four has to keep them,
// since a collector that other tests leave no processor to is late, and what it leaves
// is no property of a client.
func TestAThousandClientsAreLight(t *testing.T) {
	if systemtest.RaceDetector || testing.Short() {
		t.Skip("the race detector's memory would count as the clients', and a fleet takes a while")
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, benchmark := range []string{"ThousandClients", "FiveHundredPSKClients"} {
		t.Run(benchmark, func(t *testing.T) { keepsItsLimits(t, binary, benchmark) })
	}
}

func keepsItsLimits(t *testing.T, binary, benchmark string) {
	for range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		command := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench=^Benchmark"+benchmark+"$", "-test.benchtime=1x")
		output, err := command.CombinedOutput()
		cancel()
		t.Logf("%s%v", output, err)
		if err == nil && bytes.Contains(output, []byte("RSS-B/client")) {
			return
		}
	}
	t.Error("the limits were exceeded in each run")
}

// ownGoroutines is how many goroutines may come on top, for each client: those of
// the process itself, and of the records that are still on their way to the disk.
const ownGoroutines = 0.2

func (f *fleetFigures) limit(b *testing.B, each float64, most weight) {
	if systemtest.RaceDetector {
		return // the detector's own memory counts too
	}
	for _, held := range []struct {
		what      string
		got, most float64
	}{
		{"resident bytes", float64(f.resident), float64(most.resident)},
		{"bytes of objects and stacks", float64(f.objects), float64(most.objects)},
		{"bytes in use", float64(f.live), float64(most.live)},
		{"goroutines", float64(f.goroutines), float64(most.goroutines) + ownGoroutines},
	} {
		if got := held.got / each; got > held.most {
			b.Errorf("%.2f %s for a client, more than %.2f", got, held.what, held.most)
		}
	}
}

// weight is what the process takes at an instant.
type weight struct{ resident, live, objects, goroutines int }

// weigh weighs the process without its garbage.
func weigh() weight {
	debug.FreeOSMemory() // collects first
	return weighAsIs()
}

func weighAsIs() weight {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return weight{
		resident:   residentBytes(),
		live:       int(stats.HeapInuse + stats.StackInuse),
		objects:    int(stats.HeapAlloc + stats.StackInuse),
		goroutines: runtime.NumGoroutine(),
	}
}

// residentBytes returns the process's resident set size; 0 where there is no
// /proc to ask.
func residentBytes() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident * os.Getpagesize()
}

// fleet is a number of clients on one runtime, each with a state directory of
// its own.
type fleet struct {
	b       *testing.B
	runtime *holdfast.Runtime
	clients []*holdfast.Client
}

// newFleet makes the clients and touches neither disk nor network yet.
func newFleet(b *testing.B, clients int, server holdfast.Account, options ...holdfast.Option) *fleet {
	b.Helper()
	return fleetOf(b, clients, func(i int, dir string) holdfast.Config { return memberConfig(i, dir, server) }, options...)
}

// fleetOf makes clients that have configurations of their own.
func fleetOf(b *testing.B, clients int, config func(i int, dir string) holdfast.Config, options ...holdfast.Option) *fleet {
	b.Helper()
	leaveNothing(b)
	rt := holdfast.NewRuntime(options...)
	f := &fleet{b: b, runtime: rt, clients: make([]*holdfast.Client, clients)}
	dir := b.TempDir()
	for i := range f.clients {
		client, err := rt.New(config(i, dir))
		must(b, err)
		f.clients[i] = client
	}
	return f
}

func memberConfig(i int, dir string, server holdfast.Account) holdfast.Config {
	if server.Security == holdfast.SecurityPSK {
		server.PSKIdentity, server.PSKKey = systemtest.MemberName(i), systemtest.Key
	}
	return holdfast.Config{
		Endpoint: systemtest.MemberName(i), StateDir: filepath.Join(dir, systemtest.MemberName(i)), Server: &server,
	}
}

// start starts the clients one after the other, as an application would.
func (f *fleet) start() {
	f.b.Helper()
	for _, c := range f.clients {
		must(f.b, c.Start(context.Background()))
	}
}

func (f *fleet) awaitRegistered() {
	f.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, c := range f.clients {
		must(f.b, c.Await(ctx, holdfast.Registered))
	}
}

func (f *fleet) close() {
	f.b.Helper()
	must(f.b, f.runtime.Close(context.Background()))
}

// leaveNothing demands that the benchmark ends with the goroutines that it
// has now.
func leaveNothing(b *testing.B) {
	b.Helper()
	present := goleak.IgnoreCurrent()
	b.Cleanup(func() {
		if err := goleak.Find(present); err != nil {
			b.Error(err)
		}
	})
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// fleetServerVariable tells the test binary, started once more, to be the
// server of a fleet; its value is the security.
const fleetServerVariable = "HOLDFAST_FLEET_SERVER"

// fleetServer is a management server in a process of its own, so that its
// memory does not count.
type fleetServer struct {
	command *exec.Cmd
	stdin   io.WriteCloser // takes commands; the server ends when it is closed
	stdout  *bufio.Reader
	uri     string
}

func startFleetServer(b *testing.B, security holdfast.SecurityMode) *fleetServer {
	b.Helper()
	binary, err := os.Executable()
	must(b, err)
	command := exec.Command(binary, "-test.run=^TestFleetServer$")
	command.Env = append(os.Environ(), fleetServerVariable+"="+string(security))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	must(b, err)
	stdout, err := command.StdoutPipe()
	must(b, err)
	must(b, command.Start())
	s := &fleetServer{command: command, stdin: stdin, stdout: bufio.NewReader(stdout)}
	s.uri = s.line(b)
	return s
}

func (s *fleetServer) line(b *testing.B) string {
	b.Helper()
	line, err := s.stdout.ReadString('\n')
	must(b, err)
	return strings.TrimSpace(line)
}

// ask has the server carry out a command and returns the line that it answers.
func (s *fleetServer) ask(b *testing.B, format string, args ...any) string {
	b.Helper()
	_, err := fmt.Fprintf(s.stdin, format+"\n", args...)
	must(b, err)
	return s.line(b)
}

func (s *fleetServer) stop(b *testing.B) {
	b.Helper()
	must(b, s.stdin.Close())
	must(b, s.command.Wait())
}

// TestFleetServer is no test: it is the server process of the benchmarks
// above. It writes its URI, obeys, and serves until its standard input ends.
func TestFleetServer(t *testing.T) {
	security := os.Getenv(fleetServerVariable)
	if security == "" {
		t.Skip("only as the server process of a benchmark")
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	// A thousand good-byes at once must not overflow the kernel's queue: a lost
	// one costs 2 s, and the figure would be that of the queue.
	if err := socket.SetReadBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	scheme, keys := "coap", lwm2mtest.NoSec()
	if security == string(holdfast.SecurityPSK) {
		scheme, keys = "coaps", lwm2mtest.Security{PSK: systemtest.MemberKeys(500)}
	}
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	server.ServeManagement(socket, keys)
	fmt.Printf("%s://%s\n", scheme, socket.LocalAddr())
	obey(server, os.Stdin, os.Stdout)
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}
