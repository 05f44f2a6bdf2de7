package update

import (
	"context"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// ActorConfig is what the shell needs beside the machine's configuration.
type ActorConfig struct {
	Config
	Faces     *Faces
	Images    Images
	HTTP      *download.Client
	Installer firmware.Installer
	// Log is told of what the service is not told as a result. It must not block; nil means
	// that nobody wants to know.
	Log func(firmware.Cause, error)
}

// Maker returns what makes the properties of the update actor, for each incarnation of it.
// route returns the actor in a role: core.Supervisor, core.Management, core.Store, and
// core.Link of an epoch. Its mailbox drops nothing; options may add hooks.
func Maker(config ActorConfig) func(actorkit.Route, actorkit.PropsOptions) *actor.Props {
	shared := &lasting{turn: make(chan struct{}, 1)}
	return func(route actorkit.Route, options actorkit.PropsOptions) *actor.Props {
		return actorkit.Props(func() actor.Actor { return newShell(config, shared, route) }, options)
	}
}

// lasting is what the incarnations of the actor have in common.
type lasting struct {
	incarnations atomic.Uint64
	turn         chan struct{} // of the Installer: whoever has put something into it calls
}

// shell does what the machine asks for. What it has begun ends with it.
type shell struct {
	*actorkit.Shell
	config ActorConfig
	shared *lasting
	ctx    context.Context
	cancel context.CancelFunc
	tell   func(any) // to itself, from any goroutine
	detach func()    // from the faces; nil before it has started
	jobs   *jobs
	fetch  *fetch // by HTTP; nil for none
	caller *caller
}

func newShell(config ActorConfig, shared *lasting, route actorkit.Route) *shell {
	s := &shell{config: config, shared: shared}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{Machine: New(config.Config), Executor: s, Route: route})
	return s
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		s.started(ctx)
		return
	case *actor.Stopping, *actor.Restarting:
		s.ends()
	}
	s.Shell.Receive(ctx)
}

func (s *shell) ends() {
	if s.detach != nil {
		s.detach()
	}
	s.cancel()
}

func (s *shell) started(ctx actor.Context) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	s.tell = func(message any) { root.Send(self, message) }
	s.jobs = &jobs{ctx: s.ctx, images: s.config.Images, tell: s.tell, log: s.log}
	s.caller = &caller{ctx: s.ctx, turn: s.shared.turn, installer: s.config.Installer, tell: s.tell}
	s.detach = s.config.Faces.attach(func(asked Asked) { s.tell(asked) })
	s.Input(ctx, Start{Incarnation: s.shared.incarnations.Add(1)})
}

// Run implements actorkit.Executor.
func (s *shell) Run(_ actor.Context, effect core.Effect) bool {
	switch effect := effect.(type) {
	case Show:
		s.config.Faces.show(effect.View)
	case Log:
		s.log(effect.Cause, effect.Err)
	case AnswerRequest:
		effect.To <- effect.Err // it has room for one value
	case ImagePrepare, ImageAppend, ImageFinish, ImageDiscard:
		s.jobs.add(effect)
	case Call:
		s.caller.call(effect)
	case EndCall:
		s.caller.end(effect.ID)
	default:
		return s.runHTTP(effect)
	}
	return true
}

func (s *shell) runHTTP(effect core.Effect) bool {
	switch effect := effect.(type) {
	case HTTPFetch:
		s.stopFetch()
		s.fetch = newFetch(s.ctx, effect.ID)
		go s.fetch.run(effect, s.config.HTTP, s.tell)
	case HTTPMore:
		if s.fetch != nil && s.fetch.id == effect.ID {
			s.fetch.more <- struct{}{} // it has room: one is asked for at a time
		}
	case HTTPStop:
		if s.fetch != nil && s.fetch.id == effect.ID {
			s.stopFetch()
		}
	default:
		return false
	}
	return true
}

func (s *shell) stopFetch() {
	if s.fetch != nil {
		s.fetch.cancel()
		s.fetch = nil
	}
}

// log tells the application of what the service is not told as a result; on any goroutine.
func (s *shell) log(cause firmware.Cause, err error) {
	if s.config.Log != nil {
		s.config.Log(cause, err)
	}
}
