package crash_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// snapshots keeps what a kill -9 before each operation on a state directory would
// leave.
type snapshots struct {
	mu    sync.Mutex
	t     *testing.T
	dir   string
	taken []string
	on    bool
}

// operate implements lwm2mtest.DiskFault, and lets everything succeed.
func (s *snapshots) operate(lwm2mtest.DiskOperation, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on {
		s.take()
	}
	return nil
}

func (s *snapshots) take() {
	s.t.Helper()
	to := s.t.TempDir()
	files, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Error(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(s.dir, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f.Name()), data, 0o600)
		}
		if err != nil {
			s.t.Error(err)
		}
	}
	s.taken = append(s.taken, to)
}

// during takes snapshots while something happens, and one when it is over.
func (s *snapshots) during(something func()) {
	s.t.Helper()
	s.set(true)
	something()
	s.set(false)
	s.take()
}

func (s *snapshots) set(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

// The process is killed before any of the operations on the disk that a Write
// takes, or right after its answer. The next one has the lifetime of before or the
// one that was written, nothing else; once the server has its answer, the latter.
func TestKillDuringAWrite(t *testing.T) {
	for name, prepare := range map[string]func(*systemtest.World) holdfast.Config{
		"configured": func(w *systemtest.World) holdfast.Config {
			w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
			return w.NoSec()
		},
		"delivered": func(w *systemtest.World) holdfast.Config {
			w.ServeAndDeliver()
			return w.Factory()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				cfg := prepare(w)
				disk := &snapshots{t: t, dir: cfg.StateDir}
				l := &life{World: w, cfg: cfg, fire: &fire{seen: map[spot]int{}}}
				l.client = w.Start(cfg, lwm2mtest.WithStoreFaults(disk.operate))
				before := l.client.Next(holdfast.EventRegistered).Lifetime
				synctest.Wait()
				disk.during(func() {
					l.write()
					synctest.Wait()
				})
				if !l.written {
					t.Fatal("the Write was not answered 2.04")
				}
				l.client.ExpectClose(nil)
				if len(disk.taken) < 6 {
					t.Fatalf("%d operations on the disk", len(disk.taken))
				}
				l.survive(disk.taken, before)
			})
		})
	}
}

// survive starts a client on each snapshot; the last one was taken after the
// answer.
func (l *life) survive(taken []string, before time.Duration) {
	l.T.Helper()
	seen := map[time.Duration]int{}
	for i, dir := range taken {
		cfg := l.cfg
		cfg.StateDir = dir
		c := l.Start(cfg)
		ctx, cancel := context.WithTimeout(context.Background(), aftermath)
		if err := c.Await(ctx, holdfast.Registered); err != nil {
			l.T.Fatalf("killed before operation %d: %v; %s", i+1, err, c.Story())
		}
		cancel()
		got := c.Next(holdfast.EventRegistered).Lifetime
		seen[got]++
		if last := i == len(taken)-1; got != writtenLifetime && (last || got != before) {
			l.T.Errorf("killed before operation %d: the lifetime is %v", i+1, got)
		}
		c.ExpectQuiet()
		c.ExpectClose(nil)
	}
	if len(seen) != 2 {
		l.T.Errorf("the snapshots do not show the change: %v", seen)
	}
}
