package actorkit

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/decay"
)

// TestStrategyStopsTheChildAndTellsTheParent shows the intended use: the
// callback sends the parent a message, and the parent respawns the child.
func TestStrategyStopsTheChildAndTellsTheParent(t *testing.T) {
	type crashed struct{ child string }
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		child := Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				log.add("child started")
			}
			fragile("actorkit.boom")(ctx)
		}), PropsOptions{})
		parent, err := system.Root.SpawnNamed(Props(fn(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
				ctx.Send(ctx.Spawn(child), boom{})
			case crashed:
				log.add("told of the crash")
				ctx.Spawn(child)
			case *actor.Terminated:
				log.add("child terminated")
			}
		}), PropsOptions{OnChildCrash: func(child *actor.PID, _ *Crash) {
			system.Root.Send(actor.NewPID("nonhost", "parent"), crashed{child.Id})
		}}), "parent")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		// Terminated is a system message and may overtake the callback's.
		got := log.list()
		slices.Sort(got)
		want := []string{"child started", "child started", "child terminated", "told of the crash"}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		poison(t, system, parent)
	})
}

func TestGuardianForgetsActorsThatRunWell(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		guardian := NewGuardian(GuardianOptions{})
		root := system.Root.Copy().WithGuardian(guardian)
		var pids []*actor.PID
		for range 10 {
			pid := root.Spawn(Props(fn(fragile("actorkit.boom")), PropsOptions{}))
			pids = append(pids, pid)
			system.Root.Send(pid, boom{})
		}
		time.Sleep(time.Hour)
		system.Root.Send(pids[0], boom{})
		synctest.Wait()
		if len(guardian.children) != 1 {
			t.Errorf("%d children remembered, want 1", len(guardian.children))
		}
		time.Sleep(time.Second)
		poison(t, system, pids...)
	})
}

func TestGuardianStopCancelsRestarts(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var starts atomic.Int32
		guardian := NewGuardian(GuardianOptions{})
		pid := system.Root.Copy().WithGuardian(guardian).Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				starts.Add(1)
			}
			fragile("actorkit.boom")(ctx)
		}), PropsOptions{}))
		system.Root.Send(pid, boom{})
		synctest.Wait()
		guardian.Stop()
		time.Sleep(time.Hour)
		if starts.Load() != 1 {
			t.Errorf("%d starts, want 1", starts.Load())
		}
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
	})
}

// TestGuardianLeavesANewActorOfTheSameNameAlone stops a failed actor and gives
// its name away before the restart is due, one minute after the failure. The
// new actor fails once, before or after that instant.
func TestGuardianLeavesANewActorOfTheSameNameAlone(t *testing.T) {
	for healthy, want := range map[time.Duration][]time.Duration{
		15 * time.Second: {0, 30, 105},
		40 * time.Second: {0, 30, 130},
	} {
		t.Run(healthy.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, system *actor.ActorSystem) {
				var starts journal[time.Duration]
				spawn := namedSpawner(t, system, &starts)
				first := spawn()
				system.Root.Send(first, boom{})
				time.Sleep(30 * time.Second)
				if err := StopInOrder(t.Context(), system, first); err != nil {
					t.Error(err)
				}
				second := spawn()
				time.Sleep(healthy)
				system.Root.Send(second, boom{})
				time.Sleep(time.Hour)
				if !slices.Equal(starts.list(), want) {
					t.Errorf("started after %v s, want %v", starts.list(), want)
				}
				poison(t, system, second)
			})
		})
	}
}

// namedSpawner returns a function that spawns actors of the same name under
// one Guardian, which restarts after a minute. They note when they start, in
// seconds.
func namedSpawner(t *testing.T, system *actor.ActorSystem, starts *journal[time.Duration]) func() *actor.PID {
	began := time.Now()
	guardian := NewGuardian(GuardianOptions{Decay: decay.Decay{Min: time.Minute}})
	props := Props(fn(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			starts.add(time.Since(began) / time.Second)
		}
		fragile("actorkit.boom")(ctx)
	}), PropsOptions{}, actor.WithGuardian(guardian))
	return func() *actor.PID {
		pid, err := system.Root.SpawnNamed(props, "name")
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
}

// TestGuardianRestartsWhenTheProducerPanics: the new incarnation cannot be
// made at first.
func TestGuardianRestartsWhenTheProducerPanics(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var made atomic.Int32
		var handled journal[any]
		guardian := NewGuardian(GuardianOptions{})
		pid := system.Root.Spawn(Props(func() actor.Actor {
			if n := made.Add(1); n == 2 || n == 3 {
				panic("not now")
			}
			return actor.ReceiveFunc(func(ctx actor.Context) {
				fragile("actorkit.boom")(ctx)
				if text, ok := ctx.Message().(string); ok {
					handled.add(text)
				}
			})
		}, PropsOptions{}, actor.WithGuardian(guardian)))
		system.Root.Send(pid, boom{})
		system.Root.Send(pid, "kept")
		time.Sleep(time.Minute)
		if want := []any{"kept"}; made.Load() != 4 || !slices.Equal(handled.list(), want) {
			t.Errorf("made %d times, handled %v", made.Load(), handled.list())
		}
		poison(t, system, pid)
	})
}

// TestGuardianArmsOneRestartAtATime: while suspended, an actor still handles
// system messages and may fail over one.
func TestGuardianArmsOneRestartAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var starts, crashes atomic.Int32
		guardian := NewGuardian(GuardianOptions{
			Decay:   decay.Decay{Min: time.Minute},
			OnCrash: func(*actor.PID, *Crash, time.Duration, bool) { crashes.Add(1) },
		})
		var child atomic.Pointer[actor.PID]
		pid := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				starts.Add(1)
				child.Store(ctx.Spawn(Props(fn(func(actor.Context) {}), PropsOptions{})))
			}
			fragile("actorkit.boom", "*actor.Terminated")(ctx)
		}), PropsOptions{}, actor.WithGuardian(guardian)))
		system.Root.Send(pid, boom{})
		time.Sleep(10 * time.Second)
		system.Root.Stop(child.Load())
		time.Sleep(time.Hour)
		if starts.Load() != 2 || crashes.Load() != 1 {
			t.Errorf("%d starts, %d crashes, want 2 and 1", starts.Load(), crashes.Load())
		}
		poison(t, system, pid)
	})
}
