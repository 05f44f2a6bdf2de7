package actorkit

import "github.com/asynkron/protoactor-go/actor"

// Hooks observe the mailbox of one actor. Any field may be nil, and so may the
// *Hooks itself. All receive the message itself, without protoactor's envelope;
// user messages and the lifecycle messages of protoactor (*actor.Started,
// *actor.Stop, ...) alike. They are called without a lock held, on the sender's
// goroutine (Posted, Dropped) or on the actor's (Invoked), and must not block.
type Hooks struct {
	// Posted is called before the message enters the mailbox, so that it
	// happens before the Invoked of the same message.
	Posted func(msg any)
	// Invoked is called when the actor has handled the message, also when
	// it panicked over it.
	Invoked func(msg any)
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
