package actorkit

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f in a synctest bubble with an actor system of its own, and ends
// both as a program would.
func bubble(t *testing.T, f func(t *testing.T, system *actor.ActorSystem)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		system := NewSystem(nil)
		f(t, system)
		Shutdown(system)
		time.Sleep(2 * time.Second) // the dead-letter throttle
	})
}

// realSystem returns an actor system outside of a bubble.
func realSystem(tb testing.TB) *actor.ActorSystem {
	tb.Helper()
	system := NewSystem(nil)
	tb.Cleanup(func() { Shutdown(system) })
	return system
}

// fn returns a producer whose every incarnation runs receive.
func fn(receive func(ctx actor.Context)) actor.Producer {
	return func() actor.Actor { return actor.ReceiveFunc(receive) }
}

// poison ends actors, gracefully, and fails the test when it cannot.
func poison(tb testing.TB, system *actor.ActorSystem, pids ...*actor.PID) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := PoisonInOrder(ctx, system, pids...); err != nil {
		tb.Error(err)
	}
}

// journal is a list that several goroutines write.
type journal[T any] struct {
	mu      sync.Mutex
	entries []T
}

func (j *journal[T]) add(entry T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
}

func (j *journal[T]) list() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]T{}, j.entries...)
}

// boom is a message over which the test actors panic.
type boom struct{ reason any }
