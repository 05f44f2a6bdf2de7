package actorkit

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/core"
)

// Hooks observe the mailbox of one actor. Any field may be nil, and so may the
// *Hooks itself. All receive the message itself, without protoactor's envelope;
// user messages and the lifecycle messages of protoactor (*actor.Started,
// *actor.Stop, ...) alike. They are called without a lock held, on the sender's
// goroutine (Posted, Dropped) or on the actor's (the others), and must not
// block.
type Hooks struct {
	// Posted is called before the message enters the mailbox, so that it
	// happens before the Invoked of the same message.
	Posted func(msg any)
	// Invoked is called when the actor has handled the message, also when
	// it panicked over it.
	Invoked func(msg any)
	// Invoking is called right before the actor processes the message, inside
	// its guard: a panic in it is a crash of the actor over that message.
	Invoking func(msg any)
	// Effect is called right before the actor's Shell carries an effect out,
	// inside the guard too.
	Effect func(effect core.Effect)
	// Dropped is called after Posted when the mailbox refused the message.
	Dropped func(msg any)
}

func (h *Hooks) posted(msg any) {
	if h != nil && h.Posted != nil {
		h.Posted(actor.UnwrapEnvelopeMessage(msg))
	}
}

func (h *Hooks) invoked(msg any) {
	if h != nil && h.Invoked != nil {
		h.Invoked(actor.UnwrapEnvelopeMessage(msg))
	}
}

func (h *Hooks) dropped(msg any) {
	if h != nil && h.Dropped != nil {
		h.Dropped(actor.UnwrapEnvelopeMessage(msg))
	}
}

// effectHook returns the Effect hook of the actor of ctx, or nil.
func effectHook(ctx actor.Context) func(core.Effect) {
	if g, ok := ctx.Actor().(*guard); ok && g.hooks != nil {
		return g.hooks.Effect
	}
	return nil
}
