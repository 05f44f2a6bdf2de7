package actorkit

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// What a system registers for itself is found in the smaller registry, and so is
// every actor, until it has stopped.
func TestRegistryFindsEveryone(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		for _, id := range systemNames {
			if _, found := system.ProcessRegistry.GetLocal(id); !found {
				t.Errorf("%s is not found", id)
			}
		}
		var pids []*actor.PID
		for i := range 1000 {
			pid, err := system.Root.SpawnNamed(Props(func() actor.Actor {
				return actor.ReceiveFunc(func(actor.Context) {})
			}, PropsOptions{}), fmt.Sprintf("actor-%d", i))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		for _, pid := range pids {
			if _, found := system.ProcessRegistry.Get(pid); !found {
				t.Errorf("%s is not found", pid)
			}
		}
		poison(t, system, pids...)
		for _, pid := range pids {
			if _, found := system.ProcessRegistry.Get(pid); found {
				t.Errorf("%s is found after its end", pid)
			}
		}
	})
}

// The registry is made smaller by the names that a new system has in it: all of
// them, also after an update of protoactor.
func TestRegistryKnowsWhatASystemRegisters(t *testing.T) {
	system := actor.NewActorSystemWithConfig(actor.Configure(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	})))
	defer system.Shutdown()
	var names []string
	for _, bucket := range system.ProcessRegistry.LocalPIDs.LocalPIDs {
		bucket.IterCb(func(name string, _ any) { names = append(names, name) })
	}
	slices.Sort(names)
	if !slices.Equal(names, systemNames) {
		t.Errorf("a new system registers %q, not %q", names, systemNames)
	}
}

// A system of few actors is small: a program with one client pays for it alone.
func TestSystemIsSmall(t *testing.T) {
	const most = 256 << 10
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	system := NewSystem(nil)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > most {
		t.Errorf("a system holds %d bytes, more than %d", got, most)
	}
	Shutdown(system)
	Settle()
}

// A client has half a dozen actors, a process thousands of clients: what an actor
// that does nothing holds counts six times. This one is a child and waits for a timer.
func TestIdleActorIsSmall(t *testing.T) {
	const actors, most = 1000, 1600
	system := realSystem(t)
	var children []*actor.PID
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	spawned := make(chan struct{})
	parent := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
		if _, started := ctx.Message().(*actor.Started); !started {
			return
		}
		for range actors {
			child := ctx.Spawn(Props(newStage(nil, time.Now(), nil), PropsOptions{}))
			ctx.Send(child, script{core.SetTimer{Timer: core.Timer{Name: "t"}, After: time.Hour}})
			children = append(children, child)
		}
		close(spawned)
	}), PropsOptions{}))
	<-spawned
	for _, child := range children {
		answer := make(chan struct{}, 1)
		system.Root.Send(child, messages.Ping{Answer: answer})
		<-answer
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / actors; got > most {
		t.Errorf("an idle actor holds %d bytes, more than %d", got, most)
	}
	poison(t, system, parent)
}

// A child that somebody else restarts does not become another's.
func TestAChildIsNotMadeAnew(t *testing.T) {
	h := &handover{actor: actor.ReceiveFunc(func(actor.Context) {})}
	if h.take() == nil {
		t.Error("the child was not handed over")
	}
	defer func() {
		if recover() != errMadeAnew {
			t.Error("a child was handed over twice")
		}
	}()
	h.take()
}

// A process may make any number of systems: one is made without a goroutine for each
// of the 32,768 parts of protoactor's registry.
func TestSystemStartsFewGoroutines(t *testing.T) {
	created := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(created)
	before := created[0].Value.Uint64()
	realSystem(t)
	metrics.Read(created)
	if n := created[0].Value.Uint64() - before; n > 1000 {
		t.Errorf("a new system has started %d goroutines", n)
	}
}
