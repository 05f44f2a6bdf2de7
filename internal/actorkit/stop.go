package actorkit

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// gonePoll is how often a stop looks again when protoactor has answered too
// early; see awaitGone.
const gonePoll = 5 * time.Millisecond

// StopError lists the actors that were still running when the context of
// StopInOrder or PoisonInOrder ended.
type StopError struct {
	// Running are the actors that had not stopped, in the order given.
	Running []*actor.PID
	// Cause is the context's error.
	Cause error
}

// Error names the actors.
func (e *StopError) Error() string {
	names := make([]string, len(e.Running))
	for i, pid := range e.Running {
		names[i] = pid.GetId()
	}
	return fmt.Sprintf("actors still running: %s: %v", strings.Join(names, ", "), e.Cause)
}

// Unwrap returns the context's error.
func (e *StopError) Unwrap() error { return e.Cause }

// StopInOrder stops the actors one after the other, each with its children, and
// waits for each to be gone before it goes on. Messages still queued are not
// handled. An actor that failed and waits for its restart is stopped too.
// Actors that are gone already, and nil, are skipped.
//
// When ctx ends, the remaining actors are told to stop all the same, without
// waiting, and the result is a *StopError. It must not be called on the
// goroutine of an actor that is to be stopped.
func StopInOrder(ctx context.Context, system *actor.ActorSystem, pids ...*actor.PID) error {
	return inOrder(ctx, system, system.Root.Stop, pids)
}

// PoisonInOrder is StopInOrder for the end of a test: each actor handles what
// it has queued before it stops. An actor that failed and waits for its
// restart handles nothing, and holds it up until the restart.
func PoisonInOrder(ctx context.Context, system *actor.ActorSystem, pids ...*actor.PID) error {
	return inOrder(ctx, system, system.Root.Poison, pids)
}

func inOrder(ctx context.Context, system *actor.ActorSystem, ask func(*actor.PID), pids []*actor.PID) error {
	var running []*actor.PID
	for _, pid := range pids {
		if !stopOne(ctx, system, ask, pid) {
			running = append(running, pid)
		}
	}
	if running == nil {
		return nil
	}
	return &StopError{Running: running, Cause: context.Cause(ctx)}
}

// stopOne asks pid to stop and reports whether it was gone before ctx ended.
func stopOne(ctx context.Context, system *actor.ActorSystem, ask func(*actor.PID), pid *actor.PID) bool {
	process, exists := system.ProcessRegistry.Get(pid)
	if !exists {
		return true
	}
	observer := &observer{gone: make(chan struct{})}
	self, _ := system.ProcessRegistry.Add(observer, "stop"+system.ProcessRegistry.NextId())
	defer system.ProcessRegistry.Remove(self)
	process.SendSystemMessage(pid, &actor.Watch{Watcher: self})
	ask(pid)
	select {
	case <-observer.gone:
		return awaitGone(ctx, system, pid, process)
	case <-ctx.Done():
		return !registered(system, pid, process)
	}
}

// awaitGone waits for the process to leave the registry. It has left when its
// *actor.Terminated comes, with one exception: an actor that was already
// stopping when it was asked answers a Watch at once, before its children are
// gone, and will not answer again.
func awaitGone(ctx context.Context, system *actor.ActorSystem, pid *actor.PID, process actor.Process) bool {
	if !registered(system, pid, process) {
		return true
	}
	ticker := time.NewTicker(gonePoll)
	defer ticker.Stop()
	for registered(system, pid, process) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// registered reports whether pid still stands for process; the name may have
// been given to a new actor.
func registered(system *actor.ActorSystem, pid *actor.PID, process actor.Process) bool {
	current, exists := system.ProcessRegistry.Get(pid)
	return exists && current == process
}

// observer is a process that waits for one *actor.Terminated.
type observer struct {
	once sync.Once
	gone chan struct{}
}

var _ actor.Process = (*observer)(nil)

// SendUserMessage implements actor.Process; nobody knows the observer's PID.
func (o *observer) SendUserMessage(*actor.PID, any) {}

// SendSystemMessage implements actor.Process.
func (o *observer) SendSystemMessage(_ *actor.PID, message any) {
	if _, ok := message.(*actor.Terminated); ok {
		o.once.Do(func() { close(o.gone) })
	}
}

// Stop implements actor.Process.
func (o *observer) Stop(*actor.PID) {}
