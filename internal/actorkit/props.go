package actorkit

import "github.com/asynkron/protoactor-go/actor"

// PropsOptions configure the actors that Props describes.
type PropsOptions struct {
	// Mailbox configures the mailbox; the zero value drops nothing.
	Mailbox MailboxOptions
	// OnChildCrash is the Strategy.OnCrash for the children of the actor.
	OnChildCrash func(child *actor.PID, crash *Crash)
	// OnLatePanic is told of panics after Stopping or Restarting; see Guard.
	OnLatePanic func(self *actor.PID, crash *Crash)
}

// Props returns the properties of an actor with everything that this package
// demands: Mailbox, Guard and Strategy. The producer is called for every
// incarnation and must return a new actor each time. Use one Props per spawn
// when the options differ between actors. A root actor needs a Guardian
// besides, given to the root context or as the extra option actor.WithGuardian.
func Props(producer actor.Producer, options PropsOptions, extra ...actor.PropsOption) *actor.Props {
	props := actor.PropsFromProducer(producer,
		actor.WithMailbox(Mailbox(options.Mailbox)),
		actor.WithReceiverMiddleware(middleware(options)...),
		actor.WithSupervisor(&Strategy{OnCrash: options.OnChildCrash}),
	)
	return props.Configure(extra...)
}

// middleware returns what stands between mailbox and actor, outermost first.
func middleware(options PropsOptions) []actor.ReceiverMiddleware {
	chain := []actor.ReceiverMiddleware{Guard(options.OnLatePanic)}
	if hooks := options.Mailbox.Hooks; hooks != nil {
		chain = append(chain, hooks.observed)
	}
	return chain
}
