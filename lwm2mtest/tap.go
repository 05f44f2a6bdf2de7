package lwm2mtest

import (
	"github.com/holdfast-iot/holdfast/internal/option"
)

// Stage says how far a message has come on its way through an actor's mailbox.
type Stage string

// The stages, in their order.
const (
	StagePosted   Stage = "posted"   // put into the mailbox
	StageInvoking Stage = "invoking" // about to be processed; a panic is the actor's
	StageEffect   Stage = "effect"   // an effect of it, about to be carried out; a panic is the actor's
	StageInvoked  Stage = "invoked"  // processed
	StageDropped  Stage = "dropped"  // refused by a full mailbox
)

// Tap is told of the messages of a client's actors, by [WithTap]. The actor is
// named by its path in the supervision tree, such as "gw-1/registration/1". At
// [StageEffect] the message is the effect. Message is called on the goroutine
// of whoever posts or processes, and must return at once. A panic of it in the
// stages StageInvoking and StageEffect is a crash of that actor, and recovered
// from like one: that is how to test supervision. A [Probe] is a Tap.
//
// The messages are those of package messages, which may change at any time.
type Tap interface {
	Message(actor string, stage Stage, msg any)
}

// WithTap makes t watch the mailboxes of the clients that the option is for.
// Nil watches nothing.
func WithTap(t Tap) Option {
	return func(s *option.Settings) {
		if s.Watch = nil; t != nil {
			s.Watch = func(actor string) option.Watcher { return watcher(t, actor) }
		}
	}
}

func watcher(t Tap, actor string) option.Watcher {
	at := func(stage Stage) func(any) {
		return func(msg any) { t.Message(actor, stage, msg) }
	}
	return option.Watcher{
		Posted: at(StagePosted), Invoking: at(StageInvoking), Effect: at(StageEffect),
		Invoked: at(StageInvoked), Dropped: at(StageDropped),
	}
}
