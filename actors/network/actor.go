package network

import (
	"context"
	"crypto"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config describes the network actor of one incarnation.
type Config struct {
	Peer      messages.Peer
	Epoch     messages.Epoch
	Transport Transport
	// Signers hold keys that accounts name by their public halves.
	Signers []crypto.Signer
	// Outlet sends the datagrams of this link.
	Outlet *Outlet
	// Route returns the actor in a role: core.Supervisor, core.Link and
	// core.Owner are asked for. It is called on any goroutine.
	Route actorkit.Route
}

// Props returns the properties of a network actor. Its mailbox drops nothing;
// options may add hooks.
func Props(config Config, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor { return newShell(config) }, options)
}

// shell runs the machine's effects: everything that may wait runs in a
// goroutine under ctx, which ends with the link or the actor.
type shell struct {
	*actorkit.Shell
	config Config
	ctx    context.Context
	cancel context.CancelFunc
	runner *runner
}

func newShell(config Config) *shell {
	s := &shell{config: config}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{
		Machine:  New(config.Peer, config.Epoch, config.Signers...),
		Executor: s,
		Route:    config.Route,
	})
	return s
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Stopping, *actor.Restarting:
		s.shut()
	case *actorkit.Crash:
		panic(message) // a goroutine of ours has panicked: the actor crashes in its place
	}
	s.Shell.Receive(ctx)
}

// guarded runs work in a goroutine whose panic does not end the process.
func guarded(ctx actor.Context, what any, work func()) {
	report := reporter(ctx)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				report(actorkit.Recovered(reason, what))
			}
		}()
		work()
	}()
}

// Run implements actorkit.Executor.
func (s *shell) Run(ctx actor.Context, effect core.Effect) bool {
	switch effect := effect.(type) {
	case resolve:
		report := reporter(ctx)
		guarded(ctx, effect, func() { s.lookUp(report, effect) })
	case open:
		s.runner = newRunner(s.config.Epoch, s.config.Transport, reporter(ctx), s.deliverer(ctx))
		run := s.runner
		s.config.Outlet.run.Store(run)
		guarded(ctx, effect, func() { run.connect(s.ctx, effect) })
	case serve:
		run := s.runner
		guarded(ctx, effect, func() { run.serve(s.ctx) })
	case shut:
		s.shut()
	default:
		return false
	}
	return true
}

func (s *shell) lookUp(report func(any), r resolve) {
	ctx, cancel := context.WithDeadline(s.ctx, r.deadline)
	defer cancel()
	addrs, err := s.config.Transport.Lookup(ctx, r.host)
	if s.ctx.Err() == nil {
		report(resolved{epoch: s.config.Epoch, addrs: addrs, err: err})
	}
}

// shut closes the outlet and ends the goroutines of the link, which close its
// socket.
func (s *shell) shut() {
	s.config.Outlet.run.Store(nil)
	s.cancel()
}

// reporter returns a function that sends inputs to the actor itself, from any
// goroutine.
func reporter(ctx actor.Context) func(any) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	return func(input any) { root.Send(self, input) }
}

// deliverer returns a function that hands datagrams to coapresend.
func (s *shell) deliverer(ctx actor.Context) func(any) {
	root := ctx.ActorSystem().Root
	return func(message any) {
		if link := s.config.Route(core.Link, 0); link != nil {
			root.Send(link, message)
		}
	}
}
