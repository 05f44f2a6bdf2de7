package holdfast_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/bootclock"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// crew is a runtime with a number of registered clients, one way 100 ms from
// their server.
func crew(w *systemtest.World, size int) *holdfast.Runtime {
	w.T.Helper()
	w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 100 * time.Millisecond})
	w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	rt := holdfast.NewRuntime(lwm2mtest.WithTransport(w.Gateway), lwm2mtest.WithRand(func() float64 { return 0 }))
	for i := range size {
		w.Member(rt, w.NoSec(), i).WaitFor(holdfast.Registered)
	}
	return rt
}

// The clients of a runtime are closed at the same time.
func TestRuntimeClosesItsClientsInOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 20
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		rt := crew(w, clients)
		began := time.Now()
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		const oneWay = 100 * time.Millisecond
		if took := time.Since(began); took >= 4*oneWay {
			t.Errorf("closing %d clients took %v, which is two round trips", clients, took)
		}
		for _, r := range w.Server.Requests("", lwm2mtest.Deregister) {
			if at := r.Time.Sub(began); at != oneWay {
				t.Errorf("%s said good-bye after %v, want %v", r.Endpoint, at, oneWay)
			}
		}
		if n := w.Server.Deregisters(""); n != clients {
			t.Errorf("%d of %d clients said good-bye", n, clients)
		}
	})
}

// With a silent server, Close of a runtime is bounded like that of one client.
func TestRuntimeCloseIsBoundedWhenTheServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, bound = 20, 5 * time.Second
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		rt := crew(w, clients)
		w.Network.Impair(lwm2mtest.ToAddr(systemtest.ServerAddr), lwm2mtest.Conditions{BlackHole: true})
		began := time.Now()
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > bound {
			t.Errorf("closing %d clients took %v, want at most %v", clients, took, bound)
		}
	})
}

// A registered client without security idles with one goroutine, which waits for
// the server's datagrams.
func TestIdleClientHasOneGoroutine(t *testing.T) {
	idle := func(t *testing.T, clients int) (goroutines int) {
		synctest.Test(t, func(t *testing.T) {
			w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
			defer w.Close()
			rt := crew(w, clients)
			time.Sleep(time.Minute) // what their start has left behind
			synctest.Wait()
			goroutines = inBubble()
			if err := rt.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return goroutines
	}
	const more = 20
	if n := idle(t, 10+more) - idle(t, 10); n != more {
		t.Errorf("%d goroutines for %d clients", n, more)
	}
}

// inBubble counts the goroutines of the caller's bubble; others may be about to end.
func inBubble() int {
	stacks := make([]byte, 4<<20)
	all := string(stacks[:runtime.Stack(stacks, true)])
	own, _, _ := strings.Cut(all, ":") // "goroutine 7 [running, synctest bubble 3]"
	_, bubble, _ := strings.Cut(own, "synctest bubble ")
	return strings.Count(all, "synctest bubble "+bubble)
}

// However many clients there are on a real network, one goroutine watches for
// the sleep of the machine, and none when the last client is closed.
func TestClientsShareOneWatchForSleep(t *testing.T) {
	rt := holdfast.NewRuntime()
	var clients []*holdfast.Client
	for range 10 {
		c, err := rt.New(holdfast.Config{Endpoint: "gw-0001", StateDir: t.TempDir()}) // no account: it sends nothing
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	want := 0
	if _, supported := bootclock.Slept(); supported {
		want = 1
	}
	for _, c := range clients {
		if n := watches(); n != want {
			t.Fatalf("%d watches", n)
		}
		_ = c.Close(t.Context()) // there is no registration to end
	}
	if n := watches(); n != 0 {
		t.Errorf("%d watches without a client", n)
	}
	if err := rt.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// watches counts the goroutines that watch for sleep, also those that have not run
// yet.
func watches() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "created by github.com/holdfast-iot/holdfast/internal/bootclock.(*Watch).Add")
}

// logBook is a log that several goroutines write, one JSON object a line.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) lines(t *testing.T) (lines []map[string]any) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range bytes.Lines(b.text.Bytes()) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fields)
	}
	return lines
}

// Options of a runtime are the defaults of its clients, those of Runtime.New
// are for one client: here two of them log to books of their own, and of one
// an actor crashes.
func TestOptionsOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		var shared, own logBook
		rt := holdfast.NewRuntime(lwm2mtest.WithTransport(s.Gateway), holdfast.WithLogger(slog.New(slog.NewJSONHandler(&shared, nil))))
		first, err := rt.New(s.NoSec())
		if err != nil {
			t.Fatal(err)
		}
		second, err := rt.New(s.NoSec(), holdfast.WithLogger(slog.New(slog.NewJSONHandler(&own, nil))),
			lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.LinkUp]("registration/1")))
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := systemtest.StartRecorded(t, second).Next(holdfast.EventError).Err(); !errors.Is(err, holdfast.ErrUnknown) {
			t.Error(err)
		}
		if err := rt.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for _, line := range shared.lines(t) { // the actor system's own are here
			if line["event"] == nil && (line["endpoint"] != nil || line["stack"] != nil) {
				t.Errorf("the runtime's logger got %v", line)
			}
		}
		isEvent := func(line map[string]any) bool { return line["event"] != nil }
		lines := own.lines(t)
		if !slices.ContainsFunc(lines, isEvent) {
			t.Errorf("no event in %v", lines)
		}
		lines = slices.DeleteFunc(lines, isEvent)
		if len(lines) != 1 || lines[0]["level"] != "ERROR" || lines[0]["endpoint"] != systemtest.Endpoint ||
			lines[0]["actor"] != "owner of server 1" || lines[0]["stack"] == "" {
			t.Errorf("the client's logger got %v", lines)
		}
	})
}

// stuckLog is where an application logs to a pipe that nobody reads.
type stuckLog struct {
	slog.Handler
	hold chan struct{}
}

func (l stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (l stuckLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l stuckLog) Handle(context.Context, slog.Record) error {
	<-l.hold
	return nil
}

// A log that hangs holds the client up in nothing, and its end by a moment.
func TestALogThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		log := stuckLog{hold: make(chan struct{})}
		c := s.Start(s.NoSec(), holdfast.WithLogger(slog.New(log)))
		began := time.Now()
		c.WaitFor(holdfast.Registered)
		if err := c.RegisterUpdate(t.Context()); err != nil {
			t.Error(err)
		}
		c.Next(holdfast.EventRegistrationUpdated)
		if took := time.Since(began); took != 0 {
			t.Errorf("registered and updated after %v", took)
		}
		c.ExpectClose(nil)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("closed after %v", took)
		}
		close(log.hold)
	})
}

// Without a logger, and with nil, a client is silent and lives.
func TestNoLogger(t *testing.T) {
	for _, options := range [][]holdfast.Option{nil, {holdfast.WithLogger(nil), lwm2mtest.WithTap(nil)}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			s.taps = append(options, lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.LinkUp]("registration/1")))
			client := s.registered() // after the crash
			if err := client.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A disk that is full refuses what would change it, and the client says so; one
// that hangs holds up the call alone.
func TestStoreFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var full, hanging atomic.Bool
		free := make(chan struct{})
		s.taps = append(s.taps, lwm2mtest.WithStoreFaults(func(o lwm2mtest.DiskOperation, path string) error {
			if o != lwm2mtest.DiskLock && !filepath.IsAbs(path) {
				t.Errorf("%s of %q", o, path)
			}
			if hanging.Load() {
				<-free
			}
			if full.Load() {
				return syscall.ENOSPC
			}
			return nil
		}))
		client := s.registered()
		full.Store(true)
		if err := client.FactoryReset(t.Context()); !errors.Is(err, holdfast.ErrStoreCredentials) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("FactoryReset: %v", err)
		}
		if err := client.Next(holdfast.EventError).Err(); !errors.Is(err, holdfast.ErrStoreCredentials) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the event says %v", err)
		}
		full.Store(false)
		hanging.Store(true)
		began := time.Now()
		if err := client.FactoryReset(s.within(20 * time.Second)); err == nil || time.Since(began) != 20*time.Second {
			t.Errorf("FactoryReset on a disk that hangs, after %v: %v", time.Since(began), err)
		}
		if client.Status().State != holdfast.Registered {
			t.Errorf("the client is %s", client.Status().State)
		}
		hanging.Store(false)
		close(free)
		if err := client.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
