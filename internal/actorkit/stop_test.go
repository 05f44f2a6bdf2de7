package actorkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// spawnStopping spawns an actor that takes d to stop and notes when it has.
func spawnStopping(system *actor.ActorSystem, name string, d time.Duration, log *journal[string]) *actor.PID {
	began := time.Now()
	pid, err := system.Root.SpawnNamed(Props(fn(func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case *actor.Stopping:
			time.Sleep(d)
		case *actor.Stopped:
			log.add(fmt.Sprint(name, " ", time.Since(began)))
		case string:
			log.add(fmt.Sprint(name, " handled ", ctx.Message()))
		}
	}), PropsOptions{}), name)
	if err != nil {
		panic(err)
	}
	return pid
}

func TestStopInOrderStopsOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		var pids []*actor.PID
		for _, name := range []string{"c", "a", "b"} {
			pids = append(pids, spawnStopping(system, name, time.Second, &log))
		}
		if err := StopInOrder(t.Context(), system, append(pids, nil)...); err != nil {
			t.Error(err)
		}
		if want := []string{"c 1s", "a 2s", "b 3s"}; !slices.Equal(log.list(), want) {
			t.Errorf("got %v, want %v", log.list(), want)
		}
		if err := StopInOrder(t.Context(), system, pids...); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

func TestStopInOrderIsBoundedAndNamesWhatRuns(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		quick := spawnStopping(system, "quick", 0, &log)
		stuck := spawnStopping(system, "stuck", time.Hour, &log)
		behind := spawnStopping(system, "behind", time.Minute, &log)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := StopInOrder(ctx, system, quick, stuck, behind)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v, want 5s", took)
		}
		var stop *StopError
		if !errors.As(err, &stop) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if want := []*actor.PID{stuck, behind}; !slices.Equal(stop.Running, want) {
			t.Errorf("running %v, want %v", stop.Running, want)
		}
		if want := "actors still running: stuck, behind: context deadline exceeded"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		time.Sleep(2 * time.Hour)
		// Both were asked to stop all the same.
		if want := []string{"quick 0s", "behind 1m5s", "stuck 1h0m0s"}; !slices.Equal(log.list(), want) {
			t.Errorf("got %v, want %v", log.list(), want)
		}
	})
}

func TestPoisonInOrderLetsActorsFinish(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		pid := spawnStopping(system, "a", 0, &log)
		for i := range 3 {
			system.Root.Send(pid, fmt.Sprint(i))
		}
		poison(t, system, pid)
		if want := []string{"a handled 0", "a handled 1", "a handled 2", "a 0s"}; !slices.Equal(log.list(), want) {
			t.Errorf("got %v, want %v", log.list(), want)
		}
	})
}

// TestStopInOrderWaitsForAnActorThatIsStoppingAlready: protoactor answers the
// Watch of such an actor before its children are gone.
func TestStopInOrderWaitsForAnActorThatIsStoppingAlready(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		slow := Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Stopping); ok {
				time.Sleep(10 * time.Second)
			}
		}), PropsOptions{})
		pid := system.Root.Spawn(Props(fn(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				ctx.Spawn(slow)
			}
		}), PropsOptions{}))
		synctest.Wait()
		system.Root.Stop(pid)
		synctest.Wait()
		began := time.Now()
		if err := StopInOrder(t.Context(), system, pid); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 10*time.Second+gonePoll {
			t.Errorf("took %v, want 10s", took)
		}
	})
}
