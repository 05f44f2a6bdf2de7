package actorkit

import "github.com/asynkron/protoactor-go/actor"

// Strategy is the supervision strategy of every actor that has children: a
// child that fails is stopped, and OnCrash is told. It restarts nothing; the
// parent's core decides what is respawned, and when.
type Strategy struct {
	// OnCrash is called on the parent's goroutine, after the child was told
	// to stop; the parent's shell uses it to send itself a message. The
	// child's *actor.Terminated follows later. Nil means that nobody wants
	// to know.
	OnCrash func(child *actor.PID, crash *Crash)
}

var _ actor.SupervisorStrategy = (*Strategy)(nil)

// HandleFailure implements actor.SupervisorStrategy.
func (s *Strategy) HandleFailure(system *actor.ActorSystem, supervisor actor.Supervisor,
	child *actor.PID, _ *actor.RestartStatistics, reason, message any,
) {
	crash := AsCrash(reason, message)
	supervisor.StopChildren(child) // first: whatever follows may fail
	publish(system, child, crash, actor.StopDirective)
	if s.OnCrash != nil {
		s.OnCrash(child, crash)
	}
}

// publish reports every decision on the event stream, as protoactor's own
// strategies do.
func publish(system *actor.ActorSystem, child *actor.PID, crash *Crash, directive actor.Directive) {
	system.EventStream.Publish(&actor.SupervisorEvent{Child: child, Reason: crash, Directive: directive})
}
