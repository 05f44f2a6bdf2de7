package actorkit

import (
	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/ctxext"
)

// guardExtension is where Guard keeps an actor's phase in its context.
var guardExtension = ctxext.NextContextExtensionID()

// phase says whether an actor has begun to stop or to restart.
type phase uint8

const (
	alive phase = iota
	leaving
)

// ExtensionID implements ctxext.ContextExtension.
func (phase) ExtensionID() ctxext.ContextExtensionID { return guardExtension }

// Guard returns a receiver middleware that turns a panic into a *Crash, with
// the stack, and panics with it again, so that the supervision strategy gets
// it.
//
// From Stopping or Restarting on, whatever the message, a panic goes no
// further: protoactor would turn the stop into a restart, or never tell the
// parent that the actor is gone. Such a panic is reported to late, which may
// be nil; a panic of late itself is discarded for the same reason.
func Guard(late func(self *actor.PID, crash *Crash)) actor.ReceiverMiddleware {
	return func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			notePhase(ctx, envelope.Message)
			defer func() {
				if reason := recover(); reason != nil {
					conclude(ctx, Recovered(reason, envelope.Message), late)
				}
			}()
			next(ctx, envelope)
		}
	}
}

// notePhase follows the lifecycle. Started is the first message of every
// incarnation, so the phase is always set before it is read.
func notePhase(ctx actor.ReceiverContext, message any) {
	switch message.(type) {
	case *actor.Started:
		ctx.Set(alive)
	case *actor.Stopping, *actor.Restarting:
		ctx.Set(leaving)
	}
}

func conclude(ctx actor.ReceiverContext, crash *Crash, late func(*actor.PID, *Crash)) {
	if ctx.Get(guardExtension) != ctxext.ContextExtension(leaving) {
		panic(crash)
	}
	if late != nil {
		shielded(func() { late(ctx.Self(), crash) })
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
