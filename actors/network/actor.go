package network

import (
	"context"
	"crypto"
	"errors"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/admission"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config describes the network actor of one incarnation.
type Config struct {
	Peer      messages.Peer
	Epoch     messages.Epoch
	Transport Transport
	// Signers hold keys that accounts name by their public halves.
	Signers []crypto.Signer
	// Trust reads the trust store of the device; nil for none.
	Trust TrustStore
	// Wall says what the wall clock shows; nil for the machine's own.
	Wall validity.Wall
	// Admission says who of a process shakes hands when; nil for everybody at once.
	Admission *admission.Gate
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

// shell runs the machine's effects: everything that may wait runs in a goroutine,
// which ends with the link or the actor.
type shell struct {
	*actorkit.Shell
	config Config
	cancel context.CancelFunc // ends the dialling; nil while there is none
	runner *runner            // nil before the first dialling

	endLookup context.CancelFunc // nil when there was none
}

func newShell(config Config) *shell {
	s := &shell{config: config}
	machine := New(config.Peer, config.Epoch, config.Signers...)
	machine.wall, machine.trust = config.Wall, config.Trust
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{
		Machine:  machine,
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
func guarded(report func(any), what any, work func()) {
	go func() {
		defer recovered(report, what)
		work()
	}()
}

// recovered is deferred: a panic becomes a crash of the actor.
func recovered(report func(any), what any) {
	if reason := recover(); reason != nil {
		report(actorkit.Recovered(reason, what))
	}
}

// listen delivers one datagram and leaves the next one to a new goroutine: one that
// waits should have the stack that it began with. That of one that has delivered
// has grown, and stays as large for as long as the link is idle.
func listen(run *runner) {
	defer recovered(run.report, serve{})
	if run.serve() {
		go listen(run)
	}
}

// Run implements actorkit.Executor.
func (s *shell) Run(ctx actor.Context, effect core.Effect) bool {
	switch effect := effect.(type) {
	case resolve:
		report, waiting := reporter(ctx), s.beginLookup(effect)
		guarded(report, effect, func() { s.lookUp(waiting, report, effect) })
	case open:
		report, waiting := reporter(ctx), s.begin()
		run := newRunner(s.config.Epoch, s.config.Transport, report, s.deliverer(ctx))
		run.gate = s.config.Admission
		s.runner = run
		s.config.Outlet.run.Store(run)
		guarded(report, effect, func() { run.connect(waiting, effect) })
	case serve:
		s.begun()
		go listen(s.runner)
	case compare:
		s.compare(ctx, effect)
	case shut:
		if effect.keep {
			s.leave(ctx, effect.lent)
		}
		s.shut()
	case reserve:
		if s.runner != nil {
			s.runner.reserve(effect.until)
		}
	default:
		return false
	}
	return true
}

// leave tells the supervisor what is left of the session, before anything else of the
// link's end: where there was none yet, the one that was to be gone on with. The runner
// is closed before: one that makes its session meanwhile leaves it unused.
func (s *shell) leave(ctx actor.Context, lent *messages.SecureSession) {
	var left messages.SecureSession
	var ok bool
	if s.runner != nil {
		s.runner.closed.Store(true)
		left, ok = s.runner.leave()
	}
	if !ok && lent != nil {
		left, ok = *lent, true
	}
	if to := s.config.Route(core.Supervisor, 0); ok && to != nil {
		ctx.Send(to, messages.SessionLeft{Epoch: s.config.Epoch, Session: left})
	}
}

// begin returns the context of the next dialling, and ends that of the one before,
// which has answered.
func (s *shell) begin() context.Context {
	s.begun()
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	return ctx
}

// begun ends that context: a link that is up holds none.
func (s *shell) begun() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

// compare asks the system on a goroutine of its own: a transport of the application's may
// take its time to dial.
func (s *shell) compare(ctx actor.Context, c compare) {
	report, run := reporter(ctx), s.runner
	if run == nil {
		return
	}
	bounded, cancel := context.WithTimeout(context.Background(), compareLimit)
	guarded(report, c, func() {
		defer cancel()
		local, fresh := run.compare(bounded, c.remote)
		report(compared{epoch: s.config.Epoch, local: local, fresh: fresh, addresses: c.addresses})
	})
}

// beginLookup returns the context of the lookup. It outlives the dialling: what comes
// late is waited for until the lookup's deadline, or the end of the link.
func (s *shell) beginLookup(r resolve) context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), r.deadline)
	s.endLookup = cancel
	return ctx
}

// lookUp reports the addresses of a host, and those that come late.
func (s *shell) lookUp(ctx context.Context, report func(any), r resolve) {
	var addrs []netip.Addr
	var err error
	if transport, is := s.config.Transport.(LateTransport); is {
		addrs, err = transport.LookupLate(ctx, r.host, func(addrs []netip.Addr) {
			report(joined{epoch: s.config.Epoch, addrs: addrs})
		})
	} else {
		addrs, err = s.config.Transport.Lookup(ctx, r.host)
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		report(resolved{epoch: s.config.Epoch, addrs: addrs, err: err})
	}
}

// shut closes the outlet and the link, which ends its goroutines. A transport of
// the application's may take its time to close.
func (s *shell) shut() {
	s.config.Outlet.run.Store(nil)
	if run := s.runner; run != nil {
		run.closed.Store(true) // before the context ends, which is no failure of the link then
		guarded(run.report, shut{}, run.close)
	}
	s.begun()
	if s.endLookup != nil {
		s.endLookup()
	}
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
