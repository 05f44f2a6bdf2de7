package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/interop/peer"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// States of object 5 (LwM2M Core Appendix E.6).
const (
	stateIdle       = 0
	stateDownloaded = 2
)

// puller is the client in a process of its own, which fetches images from libcoap's server.
type puller struct {
	t      testing.TB
	server *lwm2mtest.Server
	files  *peer.DTLSPeer
	child  *child
}

func newPuller(t testing.TB) *puller {
	t.Helper()
	peer.Require(t, peer.KindLibcoap)
	p := &puller{t: t, server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{})}
	t.Cleanup(func() { _ = p.server.Close() }) // it always returns nil
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.server.ServeManagement(socket, lwm2mtest.NoSec())
	p.files = peer.LibcoapFiles(t, peer.BackendOpenSSL, peer.Security{PSKKey: testKey})
	p.child = launch(t, buildCommand(t), p.config(socket.LocalAddr()))
	p.child.next(holdfast.EventRegistered)
	return p
}

func (p *puller) config(server net.Addr) string {
	p.t.Helper()
	dir := p.t.TempDir()
	text := fmt.Sprintf(`endpoint: %s
state_dir: %s
server: {uri: coap://%s, security: nosec}
firmware: {dir: %s, install: [/bin/true], allow_hosts: [127.0.0.1]}
log: {level: warn}
`, endpoint, filepath.Join(dir, "state"), server, filepath.Join(dir, "images"))
	path := filepath.Join(dir, "gw.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// put gives the server of files an image, and returns its URI.
func (p *puller) put(size int64) string {
	p.t.Helper()
	uri := "coap://" + p.files.PlainAddr + "/" + strconv.FormatInt(size, 10)
	peer.CoAPClient{T: p.t}.Put(uri, imageFile(p.t, 1, size))
	return uri
}

// pull has the client fetch an image until it is on the disk, and drop it. It returns how
// long the fetching took.
func (p *puller) pull(uri string, size int64) time.Duration {
	p.t.Helper()
	began := time.Now()
	p.write(uri)
	if there := p.reaches(stateDownloaded); there != size {
		p.t.Fatalf("%d bytes of %s, want %d", there, uri, size)
	}
	took := time.Since(began)
	p.write("")
	p.reaches(stateIdle)
	return took
}

// write writes the Package URI; an empty one drops the image.
func (p *puller) write(uri string) {
	p.t.Helper()
	content := lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte(uri)}
	answer, err := p.server.Write(p.t.Context(), endpoint, "/5/0/1", lwm2mtest.Replace, content)
	if err != nil || answer.Code != lwm2m.CodeChanged {
		p.t.Fatalf("write of %q: %s, %v", uri, answer.Code, err)
	}
}

// reaches waits for a state, and returns how much of the image is there.
func (p *puller) reaches(state int64) int64 {
	p.t.Helper()
	for {
		if f := p.child.next(holdfast.EventFirmware).Firmware; f.State == state {
			return f.Progress
		}
	}
}

// memory returns what the process has resident, and the most that it has had since the last
// call, in bytes.
func (p *puller) memory() (now, most int64) {
	p.t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(p.child.command.Process.Pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		p.t.Skipf("no figures of the process: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "clear_refs"), []byte("5"), 0); err != nil { // proc(5): the peak begins anew
		p.t.Skipf("no peak of the process: %v", err)
	}
	return kilobytes(string(status), "VmRSS:"), kilobytes(string(status), "VmHWM:")
}

// tick is what the kernel counts processor time in (times(2)): USER_HZ is 100 everywhere.
const tick = 10 * time.Millisecond

// cpu returns the processor time that the process has used.
func (p *puller) cpu() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.child.command.Process.Pid), "stat"))
	if err != nil {
		return 0 // no figures here: the metric says so
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the third on (proc(5))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

func kilobytes(status, name string) int64 {
	_, rest, _ := strings.Cut(status, name)
	n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return n << 10
}

// Limits of the resident memory that a download takes, in bytes: beyond what the client has
// when it is idle, and beyond what a tenth of the image takes.
const (
	pullMemory = 8 << 20
	pullGrowth = 2 << 20
)

// A download takes so much memory, and no more for an image that is ten times as large.
func TestPullTakesLittleMemory(t *testing.T) {
	t.Parallel()
	p := newPuller(t)
	small, large := p.put(largeImage/10), p.put(largeImage)
	idle, _ := p.memory()
	p.pull(small, largeImage/10)
	_, first := p.memory()
	p.pull(large, largeImage)
	_, second := p.memory()
	t.Logf("resident: %d KiB idle, at most %d with an image of 1 MB, %d with 10 MB", idle>>10, first>>10, second>>10)
	if second-idle > pullMemory {
		t.Errorf("a download takes %d bytes, want at most %d", second-idle, pullMemory)
	}
	if second-first > pullGrowth {
		t.Errorf("10 MB take %d bytes more than 1 MB", second-first)
	}
}

// BenchmarkPull is a download of 10 MB in blocks of 1024 bytes beside that of libcoap's
// coap-client from the same server, in turn: an iteration is one of each.
func BenchmarkPull(b *testing.B) {
	p := newPuller(b)
	uri := p.put(largeImage)
	file := filepath.Join(b.TempDir(), "got")
	other := peer.CoAPClient{T: b}
	var ours, theirs, ratios []float64
	var cpu time.Duration
	for b.Loop() {
		before := p.cpu()
		took := p.pull(uri, largeImage).Seconds()
		cpu += p.cpu() - before
		beside, err := other.Get(uri, file)
		if info, missing := os.Stat(file); err != nil || missing != nil || info.Size() != largeImage {
			b.Fatal(err, missing)
		}
		ours, theirs = append(ours, took), append(theirs, beside.Seconds())
		ratios = append(ratios, took/beside.Seconds())
		b.Logf("%.2f s, coap-client %.2f s", took, beside.Seconds())
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N*largeImage/1024), "us-CPU/block")
	b.ReportMetric(median(ours), "s/pull")
	b.ReportMetric(median(theirs), "s/coap-client")
	b.ReportMetric(slices.Min(ratios), "ratio-least")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(slices.Max(ratios), "ratio-greatest")
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
