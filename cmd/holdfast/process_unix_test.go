//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// machine is a client in a process of its own, and the server that it is
// registered with.
type machine struct {
	t      *testing.T
	server *lwm2mtest.Server
	addr   string // of the server, host:port
	config string
	cmd    *exec.Cmd
	said   []string

	stderr     *bufio.Reader
	stderrPipe io.Closer
}

const gateway = "gw-0001"

// newMachine prepares a client; more is added to its configuration.
func newMachine(t *testing.T, more string) *machine {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{}), addr: pc.LocalAddr().String()}
	t.Cleanup(func() { _ = m.server.Close() })
	m.server.ServeManagement(pc, lwm2mtest.NoSec())
	m.config = writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: %s\nstate_dir: %s\nserver: {uri: coap://%s, security: nosec}\n%s",
		gateway, t.TempDir(), pc.LocalAddr(), more))
	return m
}

// start starts the process. The test ends it if it does not end by itself.
func (m *machine) start(stdout *os.File, args ...string) {
	m.t.Helper()
	m.prepare(asItIs, stdout, args...)
	stderr, err := m.cmd.StderrPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	m.stderr, m.stderrPipe = bufio.NewReader(stderr), stderr
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) prepare(as string, stdout *os.File, args ...string) {
	m.cmd = exec.CommandContext(m.t.Context(), os.Args[0], append([]string{"run", "--config", m.config}, args...)...)
	m.cmd.Env = append(os.Environ(), asProgram+"="+as)
	m.cmd.Stdout = stdout
}

// soon is more than anything here takes.
func (m *machine) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(m.t.Context(), time.Minute)
}

func (m *machine) registered() {
	m.t.Helper()
	ctx, cancel := m.soon()
	defer cancel()
	if err := m.server.WaitRegistered(ctx, gateway); err != nil {
		m.t.Fatal(err)
	}
}

// updates waits until the server has seen that many more.
func (m *machine) updates(n int) {
	m.t.Helper()
	ctx, cancel := m.soon()
	defer cancel()
	if err := m.server.WaitUpdates(ctx, gateway, m.server.Updates(gateway)+n); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) signal(s syscall.Signal) {
	m.t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		m.t.Fatal(err)
	}
}

// says waits for a line of stderr that contains a text.
func (m *machine) says(text string) {
	m.t.Helper()
	for {
		line, err := m.stderr.ReadString('\n')
		m.said = append(m.said, line)
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			m.t.Fatalf("stderr does not say %q: %v: %q", text, err, m.said)
		}
	}
}

// ends sends SIGTERM, and demands exit code 0 and a de-registration.
func (m *machine) ends() {
	m.t.Helper()
	began := time.Now()
	m.signal(syscall.SIGTERM)
	rest, _ := io.ReadAll(m.stderr)
	m.said = append(m.said, string(rest))
	if err := m.cmd.Wait(); err != nil {
		m.t.Errorf("it ended with %v: %s", err, rest)
	}
	if n := m.server.Deregisters(gateway); n != 1 {
		m.t.Errorf("%d de-registrations", n)
	}
	if took := time.Since(began); took > 30*time.Second {
		m.t.Errorf("the end took %v", took)
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// The reader of stdout goes away, as journald does when it restarts: the client goes
// on, says so, and ends in order.
func TestTheReaderGoesAway(t *testing.T) {
	for _, args := range [][]string{nil, {"--json"}} {
		m := newMachine(t, "lifetime: 2s\n")
		r, w := pipe(t)
		m.start(w, args...)
		m.registered()
		r.Close()
		w.Close()
		m.updates(3) // each is an event
		m.says("lines are lost")
		m.ends()
	}
}

// Nobody reads stderr, where the log goes.
func TestTheReaderOfTheLogGoesAway(t *testing.T) {
	m := newMachine(t, "lifetime: 2s\nlog: {level: trace}\n")
	r, w := pipe(t)
	m.start(w)
	m.registered()
	m.stderrPipe.Close()
	m.signal(syscall.SIGHUP) // which is answered on stderr
	m.updates(2)
	go func() { _, _ = io.Copy(io.Discard, r) }()
	w.Close()
	m.ends()
}

// Nobody reads stdout, and it is full: the end takes no longer for it.
func TestStdoutIsFull(t *testing.T) {
	for _, args := range [][]string{nil, {"--json"}} {
		m := newMachine(t, "lifetime: 2s\n")
		_, w := pipe(t)
		clog(t, w)
		m.start(w, args...)
		m.registered()
		m.updates(1) // so the client knows that it is registered
		m.ends()
		if !strings.Contains(strings.Join(m.said, ""), "of the output") {
			t.Errorf("it does not say what was lost: %q", m.said)
		}
	}
}

// SIGHUP reads the configuration anew, at any time, and never ends the process.
func TestHangup(t *testing.T) {
	m := newMachine(t, "lifetime: 2s\nlog: {level: info}\n")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	m.start(null)
	m.updates(1)
	change := func(old, new string) {
		t.Helper()
		text, err := os.ReadFile(m.config)
		if err != nil || !strings.Contains(string(text), old) {
			t.Fatalf("%s, %v", text, err)
		}
		if err := os.WriteFile(m.config, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		m.signal(syscall.SIGHUP)
	}
	change("level: info", "level: debug")
	m.says("log.level is debug now")
	change("lifetime: 2s", "lifetime: 1h")
	m.says("restart the client to take over: lifetime")
	change("1h", "-1h")
	m.says("lifetime: must be")
	change("-1h", "3h")
	m.says("restart the client to take over: lifetime")
	m.ends()
}

// A service manager may send signals before the client has read its configuration.
func TestHangupAtTheStart(t *testing.T) {
	m := newMachine(t, "lifetime: 2s\n")
	text, err := os.ReadFile(m.config)
	if err != nil {
		t.Fatal(err)
	}
	m.config = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(m.config, 0o600); err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	m.start(null)
	for range 2 { // once at the start, once for the signals
		fifo, err := os.OpenFile(m.config, os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			t.Fatal(err)
		}
		m.signal(syscall.SIGHUP)
		if _, err := fifo.Write(text); err != nil {
			t.Fatal(err)
		}
		fifo.Close()
		m.registered()
	}
	m.says("the configuration was read")
	m.updates(1)
	m.ends()
}

// A client that is stopped in mid-stream is said to hang, by the reader of its
// events and by who asks it anything.
func TestTheClientIsStopped(t *testing.T) {
	socket := "unix:" + filepath.Join(t.TempDir(), "c.sock")
	m := newMachine(t, "lifetime: 2s\ncontrol: {listen: \""+socket+"\"}\n")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	m.start(null)
	m.updates(1)
	events := start(t, "ctl", "events", "--json", "--addr", socket)
	events.until("registration_updated")
	m.signal(syscall.SIGSTOP)
	if exit := events.ends(); exit != exitFailed {
		t.Errorf("ctl events: exit %d", exit)
	}
	if got := invoke(t.Context(), "ctl", "status", "--addr", socket); got.exit != exitFailed || !strings.Contains(got.stderr, "hangs") {
		t.Errorf("%+v", got)
	}
	m.signal(syscall.SIGCONT)
	m.updates(1)
	m.ends()
}

// clog fills a pipe until nothing more goes in.
func clog(t *testing.T, w *os.File) {
	t.Helper()
	if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}
