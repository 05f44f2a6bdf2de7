//go:build unix

package network

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/admission"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	// scaleServerVariable tells the test binary, started once more, to be the server.
	scaleServerVariable = "HOLDFAST_SCALE_SERVER"
	// scaleVariable is how many connections there are, and placesVariable how many places.
	scaleVariable  = "HOLDFAST_SCALE_CONNECTIONS"
	placesVariable = "HOLDFAST_SCALE_PLACES"

	usualScale = 1000
)

// What a connection may hold, socket, reader and session: bytes of physical memory once
// the garbage of the handshakes is gone, and goroutines.
const (
	mostResident   = 12 << 10
	mostGoroutines = 1.02 // those of the process itself on top
)

// introduction is what the server says of itself, in a line of JSON.
type introduction struct {
	Address              string
	CA, Certificate, Key []byte // DER; empty with PSK
}

// TestScaleServer is no test: it is the server process of the benchmarks below, until
// its standard input ends.
func TestScaleServer(t *testing.T) {
	kind := os.Getenv(scaleServerVariable)
	if kind == "" {
		t.Skip("only as the server process of a benchmark")
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := socket.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	said := introduction{Address: socket.LocalAddr().String()}
	security := lwm2mtest.Security{PSK: map[string]lwm2m.Secret{psk().Identity: lwm2m.Secret(psk().Key)}}
	if kind == "ECDSA" {
		set, err := testpki.NewSet("device")
		if err != nil {
			t.Fatal(err)
		}
		security = lwm2mtest.X509(set.Server.TLS(), set.CA.Pool())
		said.CA, said.Certificate = set.CA.Cert.Raw, set.Client.Cert.Raw
		if said.Key, err = set.Client.KeyDER(); err != nil {
			t.Fatal(err)
		}
	}
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	server.ServeManagement(socket, security)
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = server.Close() // ten thousand sessions may be open
}

// scaleServer starts the server in a process of its own, and returns where it is and what
// it wants to see.
func scaleServer(b *testing.B, kind string) (at netip.AddrPort, credentials messages.Credentials) {
	b.Helper()
	binary, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(binary, "-test.run=^TestScaleServer$")
	command.Env = append(os.Environ(), scaleServerVariable+"="+kind)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = command.Wait() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var said introduction
	if err == nil {
		err = json.Unmarshal(line, &said)
	}
	if err != nil {
		b.Fatal(err)
	}
	credentials = psk()
	if kind == "ECDSA" {
		credentials = messages.Credentials{
			Mode: messages.SecurityX509, Usage: messages.UsageTrustAnchor,
			Certificate: [][]byte{said.Certificate}, PrivateKey: said.Key, ServerCertificates: [][]byte{said.CA},
		}
	}
	return netip.MustParseAddrPort(said.Address), credentials
}

// number returns a number of the environment.
func number(b *testing.B, variable string, usual int) int {
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s is %q", variable, text)
	}
	return n
}

// allowSockets raises the limit of descriptors for n sockets, or skips.
func allowSockets(b *testing.B, n int) {
	b.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	need := uint64(n) + 100
	if uint64(limit.Max) < need {
		b.Skipf("%d descriptors are allowed at most (ulimit -Hn), and %d are needed", limit.Max, need)
	}
	if uint64(limit.Cur) < need {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			b.Skipf("the limit of descriptors cannot be raised: %v", err)
		}
	}
}

// herd is a number of links that shake hands through one gate, as those of a Runtime.
type herd struct {
	b       *testing.B
	system  *System
	gate    *admission.Gate
	ended   sync.WaitGroup // of their readers
	runners []*runner
}

// connect makes n links at the same instant, and returns when all are up.
func (h *herd) connect(n int, at netip.AddrPort, s *security) {
	var up sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	deadline := time.Now().Add(time.Minute)
	for i := range n {
		up.Add(1)
		run := newRunner(messages.Epoch(i+1), h.system, func(in any) {
			switch in := in.(type) {
			case connected:
				up.Done()
			case broken:
				h.b.Errorf("link %d: %v", in.epoch, in.err)
				up.Done()
			}
		}, func(any) {})
		run.gate = h.gate
		h.runners = append(h.runners, run)
		go run.connect(ctx, open{remote: at, deadline: deadline, security: s})
	}
	up.Wait()
	cancel() // as the actor does: a link that is up holds no context
	for _, run := range h.runners {
		h.ended.Add(1)
		go h.listen(run)
	}
}

// listen is the actor's, and says when it has ended.
func (h *herd) listen(run *runner) {
	if run.serve() {
		go h.listen(run)
		return
	}
	h.ended.Done()
}

func (h *herd) close() {
	for _, run := range h.runners {
		run.close()
	}
	h.ended.Wait()
	h.system.Close()
}

// footprint is what the process takes at an instant.
type footprint struct{ resident, objects, goroutines int }

func measure() (f footprint) {
	debug.FreeOSMemory() // collects first
	return asItIs()
}

func asItIs() (f footprint) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		var size int
		_, _ = fmt.Sscan(string(text), &size, &f.resident)
	}
	f.resident *= os.Getpagesize()
	f.objects, f.goroutines = int(stats.HeapAlloc+stats.StackInuse), runtime.NumGoroutine()
	return f
}

// highest returns the greatest resident set so far, in bytes; 0 where /proc has none.
func highest() (n int) {
	text, err := os.ReadFile("/proc/self/status")
	if _, rest, found := bytes.Cut(text, []byte("VmHWM:")); err == nil && found {
		_, _ = fmt.Sscan(string(rest), &n)
	}
	return n << 10
}

// BenchmarkConnections is a herd of links to a server in a process of its own: what their
// handshakes take, what the process has at the peak, and what an idle connection holds.
func BenchmarkConnections(b *testing.B) {
	for _, kind := range []string{"PSK", "ECDSA"} {
		b.Run(kind, func(b *testing.B) { benchmarkConnections(b, kind) })
	}
}

func benchmarkConnections(b *testing.B, kind string) {
	n := number(b, scaleVariable, usualScale)
	allowSockets(b, n)
	at, credentials := scaleServer(b, kind)
	s := secure(b, "coaps://server.test", credentials)
	warm := &herd{b: b, system: NewSystem(""), gate: admission.NewGate(0)} // code and threads that every program has
	warm.connect(50, at, s)
	warm.close()
	for b.Loop() {
		before, used, began := measure(), processorTime(b), time.Now()
		h := &herd{b: b, system: NewSystem(""), gate: admission.NewGate(number(b, placesVariable, 0))}
		h.connect(n, at, s)
		took, cost := time.Since(began), processorTime(b)-used
		loaded, idle := asItIs(), measure()
		each := func(what int) float64 { return float64(what) / float64(n) }
		b.ReportMetric(0, "ns/op") // not shown
		b.ReportMetric(float64(n)/took.Seconds(), "handshakes/s")
		b.ReportMetric(each(int(cost.Microseconds())), "cpu-µs/handshake")
		b.ReportMetric(each(highest()-before.resident), "peak-B/connection")
		b.ReportMetric(each(loaded.resident-before.resident), "loaded-B/connection")
		b.ReportMetric(each(idle.resident-before.resident), "RSS-B/connection")
		b.ReportMetric(each(idle.objects-before.objects), "object-B/connection")
		b.ReportMetric(each(idle.goroutines-before.goroutines), "goroutines/connection")
		limitConnections(b, each(idle.resident-before.resident), each(idle.goroutines-before.goroutines))
		h.close()
	}
}

// BenchmarkSilentHandshakes is what a handshake holds that hears nothing: those keep no
// place, so there can be as many as there are links.
func BenchmarkSilentHandshakes(b *testing.B) {
	n := number(b, scaleVariable, usualScale)
	allowSockets(b, n)
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer silent.Close() // nobody reads there
	s, system := secure(b, "coaps://server.test", psk()), NewSystem("")
	defer system.Close()
	for b.Loop() {
		before := measure()
		var begun, ended sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		deadline := time.Now().Add(time.Hour)
		for i := range n {
			begun.Add(1)
			first := sync.OnceFunc(begun.Done)
			run := newRunner(messages.Epoch(i+1), system, func(in any) {
				if _, is := in.(messages.HandshakeStep); is {
					first()
				}
			}, func(any) {})
			ended.Go(func() {
				run.connect(ctx, open{remote: silent.LocalAddr().(*net.UDPAddr).AddrPort(), deadline: deadline, security: s})
			})
		}
		begun.Wait()
		now := measure()
		b.ReportMetric(0, "ns/op") // not shown
		b.ReportMetric(float64(now.resident-before.resident)/float64(n), "RSS-B/handshake")
		b.ReportMetric(float64(now.goroutines-before.goroutines)/float64(n), "goroutines/handshake")
		cancel()
		ended.Wait()
	}
}

func limitConnections(b *testing.B, resident, goroutines float64) {
	if raceDetector {
		return // the detector's own memory counts too
	}
	if resident > mostResident {
		b.Errorf("%.0f resident bytes for a connection, more than %d", resident, mostResident)
	}
	if goroutines > mostGoroutines {
		b.Errorf("%.2f goroutines for a connection, more than one", goroutines)
	}
}

// TestADTLSConnectionIsLight runs the benchmark, which has the limits, in a process of its
// own: memory is measured as growth. One run of four has to keep them.
func TestADTLSConnectionIsLight(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("the race detector's memory would count as the connections', and a herd takes a while")
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"PSK", "ECDSA"} {
		t.Run(kind, func(t *testing.T) {
			for range 4 {
				command := exec.CommandContext(within(t, 2*time.Minute), binary, "-test.run=^$", "-test.bench=^BenchmarkConnections$/^"+kind+"$", "-test.benchtime=1x")
				output, err := command.CombinedOutput()
				t.Logf("%s%v", output, err)
				if err == nil && (bytes.Contains(output, []byte("RSS-B/connection")) || bytes.Contains(output, []byte("SKIP"))) {
					return
				}
			}
			t.Error("the limits were exceeded in each run")
		})
	}
}
