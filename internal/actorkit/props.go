package actorkit

import "github.com/asynkron/protoactor-go/actor"

// PropsOptions configure the actors that Props describes.
type PropsOptions struct {
	// Mailbox configures the mailbox; the zero value drops nothing.
	Mailbox MailboxOptions
	// OnChildCrash is the Strategy.OnCrash for the children of the actor.
	OnChildCrash func(child *actor.PID, crash *Crash)
	// OnLatePanic is told of panics after Stopping or Restarting: they go no
	// further than that, so that the stop, or the restart, goes on.
	OnLatePanic func(self *actor.PID, crash *Crash)
	// OnSpawn is told who the actor is before it runs, on the goroutine of whoever spawns
	// it: what it has others send to it arrives, however late that goroutine goes on.
	OnSpawn func(self *actor.PID)
}

// Props returns the properties of an actor with everything that this package
// demands: Mailbox, Strategy, and a guard that makes a *Crash of every panic. The
// producer is called for every incarnation and must return a new actor each time;
// the actors are root actors, or children of actors of this package, which are
// never restarted. Use one Props per spawn
// when the options differ between actors. A root actor needs a Guardian
// besides, given to the root context or as the extra option actor.WithGuardian.
func Props(producer actor.Producer, options PropsOptions, extra ...actor.PropsOption) *actor.Props {
	late, hooks := options.OnLatePanic, options.Mailbox.Hooks
	incarnate := func() actor.Actor { return &guard{actor: producer(), late: late, hooks: hooks} }
	mailbox := Mailbox(options.Mailbox)
	props := actor.PropsFromProducer(incarnate,
		actor.WithMailbox(mailbox), actor.WithSupervisor(strategyOf(options.OnChildCrash)))
	if told := options.OnSpawn; told != nil {
		props.Configure(actor.WithOnInit(func(ctx actor.Context) { told(ctx.Self()) }))
	}
	if options.OnChildCrash == nil && len(extra) == 0 {
		props.Configure(actor.WithSpawnFunc(spawnShared(incarnate, mailbox, options.OnSpawn)))
	}
	return props.Configure(extra...)
}

// unwatched is the strategy of the many actors whose children nobody asks about.
var unwatched = &Strategy{}

func strategyOf(onCrash func(child *actor.PID, crash *Crash)) *Strategy {
	if onCrash == nil {
		return unwatched
	}
	return &Strategy{OnCrash: onCrash}
}
