package holdfast_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

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
		s.serve(siteServer, 5683, lwm2mtest.NoSec())
		var shared, own logBook
		rt := holdfast.NewRuntime(lwm2mtest.WithTransport(s.gateway), holdfast.WithLogger(slog.New(slog.NewJSONHandler(&shared, nil))))
		first, err := rt.New(s.plain())
		if err != nil {
			t.Fatal(err)
		}
		second, err := rt.New(s.plain(), holdfast.WithLogger(slog.New(slog.NewJSONHandler(&own, nil))),
			lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.LinkUp]("registration/1")))
		if err != nil {
			t.Fatal(err)
		}
		events, _ := second.Events(1 << 10)
		for _, c := range []*holdfast.Client{first, second} {
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.failure(events); !errors.Is(err, holdfast.ErrUnknown) {
			t.Error(err)
		}
		if err := rt.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for _, line := range shared.lines(t) { // the actor system's own are here
			if line["endpoint"] != nil || line["stack"] != nil {
				t.Errorf("the runtime's logger got %v", line)
			}
		}
		lines := own.lines(t)
		if len(lines) != 1 || lines[0]["level"] != "ERROR" || lines[0]["endpoint"] != siteEndpoint ||
			lines[0]["actor"] != "owner of server 1" || lines[0]["stack"] == "" {
			t.Errorf("the client's logger got %v", lines)
		}
	})
}

// Without a logger, and with nil, a client is silent and lives.
func TestNoLogger(t *testing.T) {
	for _, options := range [][]holdfast.Option{nil, {holdfast.WithLogger(nil), lwm2mtest.WithTap(nil)}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			s.taps = append(options, lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.LinkUp]("registration/1")))
			client, _ := s.registered() // after the crash
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
		client, events := s.registered()
		full.Store(true)
		if err := client.FactoryReset(t.Context()); !errors.Is(err, holdfast.ErrStoreCredentials) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("FactoryReset: %v", err)
		}
		if err := s.failure(events); !errors.Is(err, holdfast.ErrStoreCredentials) || !errors.Is(err, syscall.ENOSPC) {
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
