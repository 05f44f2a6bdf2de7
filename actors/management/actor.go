package management

import (
	"context"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// Props returns the properties of the management actor. route returns the
// actor in a role: core.Supervisor, and core.Link of an epoch. Its mailbox
// drops nothing; options may add hooks.
func Props(config Config, route actorkit.Route, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor { return newShell(config.ofNext(), route) }, options)
}

// incarnations counts the actors of the process: each has IDs of its own.
var incarnations atomic.Uint64

// idsOfOne is how many IDs an actor has, and never uses up.
const idsOfOne = 1 << 40

// ofNext is the configuration of the next incarnation.
func (c Config) ofNext() Config {
	c.UsedIDs = incarnations.Add(1) * idsOfOne
	return c
}

// shell calls the application's objects. What it has begun ends with it.
type shell struct {
	*actorkit.Shell
	objects []object.Object
	report  func(Fault)     // the application's log; nil for none
	ctx     context.Context // of all handlers; nil before the first
	cancel  context.CancelFunc

	changes *dirty
	unwatch func()
}

// woken is what the shell sends to itself when there are changes to take.
type woken struct{}

func newShell(config Config, route actorkit.Route) *shell {
	s := &shell{objects: config.Objects, report: config.Log}
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{Machine: New(config), Executor: s, Route: route})
	return s
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		s.watch(ctx)
	case *actor.Stopping, *actor.Restarting:
		s.end()
	case woken:
		s.Input(ctx, Changed{Paths: s.changes.take()})
		return
	}
	s.Shell.Receive(ctx)
}

// end ends what was begun.
func (s *shell) end() {
	if s.cancel != nil {
		s.cancel()
	}
	if s.unwatch != nil {
		s.unwatch()
	}
}

// handlers returns the context of all handlers.
func (s *shell) handlers() context.Context {
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancel(context.Background())
	}
	return s.ctx
}

// watch watches the application's objects. Of what has changed before, as between two
// incarnations, nobody knows: each object that is watched may have.
func (s *shell) watch(ctx actor.Context) {
	if len(s.objects) == 0 {
		return
	}
	root, self := ctx.ActorSystem().Root, ctx.Self()
	s.changes, s.unwatch = watch(s.objects, func() { root.Send(self, woken{}) }, s.log)
	for _, o := range s.objects {
		if _, is := o.(object.Watcher); is {
			s.changes.add(lwm2m.PathOf(o.Definition().ID))
		}
	}
}

// Run implements actorkit.Executor.
func (s *shell) Run(ctx actor.Context, effect core.Effect) bool {
	switch effect := effect.(type) {
	case Call:
		root, self, handlers := ctx.ActorSystem().Root, ctx.Self(), s.handlers()
		go run(handlers, effect, func(out Returned) { root.Send(self, out) })
	case Report:
		s.log(effect.Fault)
	default:
		return false
	}
	return true
}

// log has the application told that one of its objects has failed.
func (s *shell) log(f Fault) {
	if s.report != nil {
		s.report(f)
	}
}
