package actorkit

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
)

// What a system registers for itself is found in the smaller registry, and so is
// every actor, until it has stopped.
func TestRegistryFindsEveryone(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		for _, id := range []string{"deadletter", "eventstream"} {
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
