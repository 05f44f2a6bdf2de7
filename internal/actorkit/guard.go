package actorkit

import "github.com/asynkron/protoactor-go/actor"

// guard is an actor that turns a panic of another into a *Crash, with the stack,
// and panics with it again, so that the supervision strategy gets it.
//
// From Stopping or Restarting on, whatever the message, a panic goes no
// further: protoactor would turn the stop into a restart, or never tell the
// parent that the actor is gone. Such a panic is reported to late, which may
// be nil; a panic of late itself is discarded for the same reason.
//
// It is no receiver middleware: for that protoactor keeps 180 bytes more of every
// actor, and wraps every message.
type guard struct {
	actor   actor.Actor // of one incarnation, as the guard is
	late    func(self *actor.PID, crash *Crash)
	hooks   *Hooks // nil for none
	leaving bool   // has begun to stop or to restart
}

// Receive implements actor.Actor.
func (g *guard) Receive(ctx actor.Context) {
	message := ctx.Message()
	switch message.(type) {
	case *actor.Stopping, *actor.Restarting:
		g.leaving = true
	}
	defer func() {
		if reason := recover(); reason != nil {
			g.conclude(ctx.Self(), Recovered(reason, message))
		}
	}()
	if g.hooks != nil && g.hooks.Invoking != nil {
		g.hooks.Invoking(message)
	}
	g.actor.Receive(ctx)
}

func (g *guard) conclude(self *actor.PID, crash *Crash) {
	if !g.leaving {
		panic(crash)
	}
	if g.late != nil {
		shielded(func() { g.late(self, crash) })
	}
}

// Recovered makes a Crash, with the stack, of a value that recover returned. It
// must be called by the deferred function that recovered it. A goroutine that
// works for an actor gives the Crash to the actor, which panics with it, so
// that supervision hears of it and the process lives.
func Recovered(reason, message any) *Crash {
	if crash, ok := reason.(*Crash); ok {
		return crash
	}
	crash := AsCrash(reason, message)
	crash.Stack = callStack(2)
	return crash
}
