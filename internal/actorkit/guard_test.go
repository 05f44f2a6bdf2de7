package actorkit

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/decay"
)

// fragile panics on the messages of the types it is told.
func fragile(types ...string) func(ctx actor.Context) {
	return func(ctx actor.Context) {
		if slices.Contains(types, messageType(ctx.Message())) {
			panic("fragile")
		}
	}
}

// TestTrap06APanicWhileStoppingDoesNotKeepTheActor stops a child that panics on
// each of the last messages of its life, and waits for the parent to learn it.
func TestTrap06APanicWhileStoppingDoesNotKeepTheActor(t *testing.T) {
	for _, last := range []string{"*actor.Stopping", "*actor.Stopped"} {
		t.Run(last, func(t *testing.T) {
			bubble(t, func(t *testing.T, system *actor.ActorSystem) {
				var late journal[string]
				var starts, terminated atomic.Int32
				child := Props(fn(func(ctx actor.Context) {
					if _, ok := ctx.Message().(*actor.Started); ok {
						starts.Add(1)
					}
					fragile(last)(ctx)
				}), PropsOptions{OnLatePanic: func(_ *actor.PID, crash *Crash) { late.add(crash.MessageType) }})
				parent := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
					switch ctx.Message().(type) {
					case *actor.Started:
						ctx.Stop(ctx.Spawn(child))
					case *actor.Terminated:
						terminated.Add(1)
					}
				}), PropsOptions{}))
				synctest.Wait()
				if starts.Load() != 1 || terminated.Load() != 1 {
					t.Errorf("%d starts, %d Terminated, want 1 and 1", starts.Load(), terminated.Load())
				}
				if !slices.Equal(late.list(), []string{last}) {
					t.Errorf("late panics on %v, want %v", late.list(), last)
				}
				poison(t, system, parent)
			})
		})
	}
}

// TestTrap06APanicOnTerminatedDoesNotKeepAStoppingParent: protoactor finishes a
// stop behind the handler of the last child's Terminated.
func TestTrap06APanicOnTerminatedDoesNotKeepAStoppingParent(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var starts atomic.Int32
		guardian := NewGuardian(GuardianOptions{})
		pid := system.Root.Copy().WithGuardian(guardian).Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				starts.Add(1)
				ctx.Spawn(Props(fn(func(actor.Context) {}), PropsOptions{}))
			}
			fragile("*actor.Terminated")(ctx)
		}), PropsOptions{}))
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if starts.Load() != 1 {
			t.Errorf("%d starts, want 1", starts.Load())
		}
	})
}

// TestTrap06AStopDuringTheRestartDelayStays stops a failed root actor whose
// child is slow to stop, so that the restart comes due in between.
func TestTrap06AStopDuringTheRestartDelayStays(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var starts atomic.Int32
		slow := Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Stopping); ok {
				time.Sleep(time.Minute)
			}
		}), PropsOptions{})
		guardian := NewGuardian(GuardianOptions{Decay: decay.Decay{Min: 10 * time.Second}})
		pid := system.Root.Copy().WithGuardian(guardian).Spawn(Props(fn(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
				starts.Add(1)
				ctx.Spawn(slow)
			case boom:
				panic("x")
			}
		}), PropsOptions{}))
		system.Root.Send(pid, boom{})
		synctest.Wait()
		began := time.Now()
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("the stop took %v, want 1m", took)
		}
		time.Sleep(time.Hour)
		if starts.Load() != 1 {
			t.Errorf("%d starts, want 1", starts.Load())
		}
	})
}

// TestTrap06APanicInRestartingDoesNotStopTheRestart also shows that a new
// incarnation is guarded as before.
func TestTrap06APanicInRestartingDoesNotStopTheRestart(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var starts atomic.Int32
		guardian := NewGuardian(GuardianOptions{})
		pid := system.Root.Copy().WithGuardian(guardian).Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				starts.Add(1)
			}
			fragile("*actor.Restarting", "actorkit.boom")(ctx)
		}), PropsOptions{}))
		for want := int32(2); want <= 4; want++ {
			system.Root.Send(pid, boom{})
			time.Sleep(time.Minute)
			if starts.Load() != want {
				t.Errorf("%d starts, want %d", starts.Load(), want)
			}
		}
		poison(t, system, pid)
	})
}

func TestGuardDiscardsAPanicOfItsOwnReport(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		pid := system.Root.Spawn(Props(fn(fragile("*actor.Stopping")),
			PropsOptions{OnLatePanic: func(*actor.PID, *Crash) { panic("in the report") }}))
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
	})
}

func TestGuardKeepsTheFirstCrash(t *testing.T) {
	first := &Crash{Reason: "x", MessageType: "first"}
	if Recovered(first, "second") != first || AsCrash(first, "second") != first {
		t.Error("a Crash was wrapped in a Crash")
	}
}

func TestCrashErrorNamesTypesAndNoContent(t *testing.T) {
	type secret struct{ Key string }
	message := &actor.MessageEnvelope{Message: secret{"hunter2"}}
	for name, step := range map[string]struct {
		reason any
		want   string
	}{
		"error":  {errors.New("no"), "actor crashed on actorkit.secret: no"},
		"string": {"broken", "actor crashed on actorkit.secret: broken"},
		"value":  {secret{"hunter2"}, "actor crashed on actorkit.secret: panic with a actorkit.secret"},
	} {
		if got := AsCrash(step.reason, message).Error(); got != step.want {
			t.Errorf("%s: %q, want %q", name, got, step.want)
		}
	}
	if AsCrash("text", nil).Unwrap() != nil {
		t.Error("a reason that is no error was unwrapped")
	}
}

// TestCrashStackHasNoArguments: a runtime trace prints argument words, which
// may be key material.
func TestCrashStackHasNoArguments(t *testing.T) {
	stack := string(panicWithKey([4]uint64{0xfeedface, 0xfeedface, 0xfeedface, 0xfeedface}))
	if !strings.Contains(stack, "actorkit.panicWithKey\n") {
		t.Errorf("no frame of the panicking function:\n%s", stack)
	}
	if strings.Contains(stack, "feedface") || strings.Contains(stack, "(0x") {
		t.Errorf("arguments in the stack:\n%s", stack)
	}
}

//go:noinline
func panicWithKey(key [4]uint64) (stack []byte) {
	defer func() { stack = Recovered(recover(), nil).Stack }()
	panic(key[0] != 0)
}
