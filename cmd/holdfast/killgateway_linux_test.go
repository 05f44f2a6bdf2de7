package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// mortal is a gateway that takes updates, whose process is killed again and again, and the
// server that it is registered with.
type mortal struct {
	*machine
	moments  *moments
	images   *images
	signing  *signing
	told     *lwm2mtest.Collection
	installs chan string     // what the install command has said
	dir      string          // of images
	socket   string          // of the control API
	output   string          // file of what all processes have said
	known    int             // Registers and Updates before the present process
	alive    context.Context // ends when the server has all that the present process has sent
	exit     error           // of the process, when alive has ended
	remains  []*os.File      // each ends when a process has ended, with all its children
}

// patienceOfLife is more than a process takes until it is killed.
const patienceOfLife = 3 * time.Minute

// installScript says what the digest of the image is, and what it should be.
const installScript = `sum=$(sha256sum "$1") || exit 1
echo "$HOLDFAST_IMAGE_SHA256 ${sum%% *}" >"$0"
sleep 0.05
`

func newMortal(t *testing.T) *mortal {
	t.Helper()
	g := &mortal{moments: &moments{}, signing: newSigning(t), installs: make(chan string, 1024)}
	g.dir, g.output = g.signing.path("firmware"), g.signing.path("output")
	g.socket = "unix:" + filepath.Join(t.TempDir(), "c.sock")
	g.machine = newMachine(t, fmt.Sprintf("control: {listen: %q}\nlog: {level: debug}\nreconnect: {initial_min: 100ms, initial_max: 200ms}\n"+
		"firmware: {install: [/bin/sh, -c, %q, %q], dir: %q, allow_hosts: [127.0.0.1], trust: %q, vendor: example.com, class: gw-1, version: 1.0.0}\n",
		g.socket, installScript, g.hearInstalls(t), g.dir, g.signing.path("cert.pem")))
	g.images = serveImages(t, g.server, g.moments)
	g.told = g.server.Collect(objects.Registry(), firmware.Reported()...)
	ctx, cancel := context.WithCancel(context.Background())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		g.watch(ctx)
	}()
	t.Cleanup(func() { cancel(); <-watching; g.bury(false) })
	return g
}

// hearInstalls makes the pipe by which the install command says what it was given.
func (g *mortal) hearInstalls(t *testing.T) (path string) {
	t.Helper()
	path = g.signing.path("installs")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0) // as its own writer it is never at its end
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close() })
	go func() {
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			g.installs <- lines.Text()
			g.moments.pass("installing")
		}
	}()
	return path
}

// watch passes the moments at which the server is told something.
func (g *mortal) watch(ctx context.Context) {
	for n := 0; ; {
		var all []lwm2mtest.Told
		if g.server.Await(ctx, func() bool { all = g.told.All(); return len(all) > n }) != nil {
			return
		}
		for _, told := range all[n:] {
			g.moments.pass(toldMoment(told.Path, told.Value.Int()))
		}
		n = len(all)
	}
}

// toldMoment is the moment at which the server is told a value.
func toldMoment(path lwm2m.Path, value int64) string { return fmt.Sprintf("%s is %d", path, value) }

// begins starts the process. The pipe that it and its children inherit ends with the last of
// them: an install command outlives a client that is killed.
func (g *mortal) begins() {
	g.t.Helper()
	output, err := os.OpenFile(g.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer output.Close()
	r, w, err := os.Pipe()
	if err != nil {
		g.t.Fatal(err)
	}
	defer w.Close()
	g.remains = append(g.remains, r)
	g.known = g.server.Registers(gateway) + g.server.Updates(gateway)
	g.prepare(asItIs, output, "--json")
	g.cmd.Stderr, g.cmd.ExtraFiles = output, []*os.File{w}
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	alive, dies := context.WithCancelCause(context.Background())
	g.alive = alive
	hangs := time.AfterFunc(patienceOfLife, func() { dies(errHangs) })
	go func() {
		g.exit = g.cmd.Wait()
		hangs.Stop()
		g.drain()
		dies(errEnded)
	}()
}

// Why a process is not waited for any more.
var (
	errHangs = errors.New("the client hangs")
	errEnded = errors.New("the process has ended")
)

// drain waits until the server has taken what was sent to it before: it answers a ping behind
// that. What the client takes for delivered, when it is killed, the server is to have.
func (g *mortal) drain() {
	conn, err := net.Dial("udp", g.addr)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = conn.Write([]byte{0x40, 0, 0, 1})
	_, _ = conn.Read(make([]byte, 16)) // without an answer there is no server any more
}

// reap kills the process, if nobody has, and returns when it is gone.
func (g *mortal) reap() {
	_ = g.cmd.Process.Kill() // an error says that it is gone
	<-g.alive.Done()
}

// bury waits until of the processes, all or those before the present one, nothing is left: no
// install command either.
func (g *mortal) bury(butPresent bool) {
	var present []*os.File
	if n := len(g.remains); butPresent && n > 0 {
		g.remains, present = g.remains[:n-1], g.remains[n-1:]
	}
	for _, r := range g.remains {
		_, _ = io.Copy(io.Discard, r) // nobody writes: it ends
		r.Close()
	}
	g.remains = slices.Clone(present)
}

// observes waits until the present process is registered, and has the server observe again
// what it does not observe any more.
func (g *mortal) observes() bool {
	back := func() bool { return g.server.Registers(gateway)+g.server.Updates(gateway) > g.known }
	if g.server.Await(g.alive, back) != nil {
		return false
	}
	g.moments.pass("registered")
	there := map[string]bool{}
	for _, o := range g.server.Observations(gateway) {
		there[o.Paths[0]] = true
	}
	for _, path := range firmware.Reported() {
		if there[path.String()] {
			continue
		}
		_, first, err := g.server.Observe(g.alive, gateway, path.String(), lwm2m.FormatText)
		if err != nil {
			return false // it is dead
		}
		if first.Code != lwm2m.CodeContent {
			g.t.Errorf("Observe of %s was answered %s", path, first.Code)
		}
	}
	return true
}

// left returns how many bytes of an image are on the disk.
func (g *mortal) left() int64 {
	info, err := os.Stat(filepath.Join(g.dir, "image"))
	if err != nil {
		return 0
	}
	return info.Size()
}

// tail is the end of what all processes have said.
func (g *mortal) tail() []byte {
	said, _ := os.ReadFile(g.output)
	lines := bytes.SplitAfter(said, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-300):], nil)
}
