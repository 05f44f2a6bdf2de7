package actorkit

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/alarm"
	"github.com/holdfast-iot/holdfast/internal/decay"
)

// GuardianOptions configure a Guardian.
type GuardianOptions struct {
	// Decay is the back-off that each child starts with.
	Decay decay.Decay
	// OnCrash is told of every failure, of the delay before the restart and
	// whether failures repeat. It is called on the failed child's goroutine
	// when the restart is armed; a panic in it is discarded. Nil means that
	// nobody wants to know.
	OnCrash func(child *actor.PID, crash *Crash, delay time.Duration, repeated bool)
}

// Guardian is the supervision strategy of root actors. It restarts a failed
// child always, after a delay that Decay computes, and never gives up; without
// it a root actor is stopped silently at its eleventh failure in ten seconds.
// The child stays suspended until the delay has passed, its messages kept.
//
// Use it as system.Root.Copy().WithGuardian(guardian), or as the
// actor.WithGuardian option. One Guardian serves any number of children, and
// protoactor keeps one process per Guardian for the system's life, so share
// it. It is safe for concurrent use.
type Guardian struct {
	options GuardianOptions

	mu       sync.Mutex
	children map[string]*ward // by PID
	stopped  bool
}

// ward is what a Guardian knows of a child that has failed.
type ward struct {
	process actor.Process // the child itself; another may get its name
	decay   decay.Decay
	restart *alarm.Alarm // not nil while a restart is due
}

// cancel stops the restart if it is due.
func (w *ward) cancel() {
	if w.restart != nil {
		w.restart.Stop()
	}
}

var _ actor.SupervisorStrategy = (*Guardian)(nil)

// NewGuardian returns a Guardian.
func NewGuardian(options GuardianOptions) *Guardian {
	return &Guardian{options: options, children: make(map[string]*ward)}
}

// HandleFailure implements actor.SupervisorStrategy.
func (g *Guardian) HandleFailure(system *actor.ActorSystem, supervisor actor.Supervisor,
	child *actor.PID, _ *actor.RestartStatistics, reason, message any,
) {
	process, _ := system.ProcessRegistry.Get(child)
	restart := func() {
		if registered(system, child, process) {
			supervisor.RestartChildren(child)
		}
	}
	delay, repeated, due := g.schedule(child.Id, process, restart)
	if !due {
		return
	}
	crash := AsCrash(reason, message)
	shielded(func() { publish(system, child, crash, actor.RestartDirective) })
	if g.options.OnCrash != nil {
		shielded(func() { g.options.OnCrash(child, crash, delay, repeated) })
	}
}

// Stop cancels the restarts that are due and lets failed children rest from
// now on. It is for the end of the actor system.
func (g *Guardian) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	for _, child := range g.children {
		child.cancel()
	}
	clear(g.children)
}

// schedule arms the restart of a child. due is false when one is armed
// already, or when the guardian was stopped.
func (g *Guardian) schedule(id string, process actor.Process, restart func()) (delay time.Duration, repeated, due bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return 0, false, false
	}
	now := time.Now()
	g.forgetQuiet(now)
	child := g.ward(id, process)
	if child.restart != nil {
		return 0, false, false
	}
	delay, repeated = child.decay.Next(now)
	child.restart = alarm.After(delay, func() {
		if g.release(id, child) {
			restart()
		}
	})
	return delay, repeated, true
}

// ward returns what is known of the child, which is nothing when its name
// belonged to another process before.
func (g *Guardian) ward(id string, process actor.Process) *ward {
	child, ok := g.children[id]
	if ok && child.process == process {
		return child
	}
	if ok {
		child.cancel()
	}
	child = &ward{process: process, decay: g.options.Decay}
	g.children[id] = child
	return child
}

// forgetQuiet keeps the map from growing over the life of a process that
// starts and stops many root actors.
func (g *Guardian) forgetQuiet(now time.Time) {
	for id, child := range g.children {
		if child.restart == nil && child.decay.Quiet(now) {
			delete(g.children, id)
		}
	}
}

// release notes that the restart is no longer due. It returns false when the
// restart was cancelled while its timer fired.
func (g *Guardian) release(id string, child *ward) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	child.restart = nil
	return g.children[id] == child
}

// shielded discards a panic of f: nothing recovers any more where a guardian
// is called, so it would end the process.
func shielded(f func()) {
	defer func() { _ = recover() }()
	f()
}
