package supervisor

import (
	"crypto"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/actors/bootstrap"
	"github.com/holdfast-iot/holdfast/actors/coapresend"
	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/actors/registration"
	"github.com/holdfast-iot/holdfast/actors/storage"
	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Runtime is what the shell needs beside the machine's configuration.
type Runtime struct {
	Config    Config
	Transport network.Transport
	// Signers hold keys that accounts name by their public halves.
	Signers []crypto.Signer
	// CoAP configures every link's message layer; account and epoch are set
	// per incarnation.
	CoAP       coapresend.Config
	Rand       coapresend.Rand // safe for concurrent use
	Bootstrap  bootstrap.Config
	Management management.Config
	Storage    storage.Sources

	// Emit, Publish and Finish face the application. They are called on the
	// supervisor's goroutine and must not block.
	Emit    func(messages.Event)
	Publish func(messages.Snapshot)
	Finish  func(messages.Stopped)
	// Warn is called with what a server's links have dropped so far, for the
	// log; it must not block.
	Warn func(server string, shed messages.Shed)
	// Crash is called for every panic, for the log; it must not block.
	Crash func(actor string, crash *actorkit.Crash)
	// Hooks, when not nil, returns the mailbox hooks of a new actor.
	Hooks func(actor string) *actorkit.Hooks
}

// Props returns the properties of the supervisor of one client, a root actor.
func Props(runtime Runtime) *actor.Props {
	s := &slot{}
	return actorkit.Props(
		func() actor.Actor { return newShell(runtime, s) },
		actorkit.PropsOptions{
			Mailbox:      actorkit.MailboxOptions{Hooks: runtime.hooks("supervisor")},
			OnChildCrash: func(child *actor.PID, crash *actorkit.Crash) { s.current.childCrashed(child, crash) },
		})
}

// slot is how the supervision strategy, which belongs to the Props, finds the
// present incarnation of the shell. Both run on the supervisor's goroutine.
type slot struct{ current *shell }

func (r Runtime) hooks(name string) *actorkit.Hooks {
	if r.Hooks == nil {
		return nil
	}
	return r.Hooks(name)
}

// incarnation is the set of actors that serve one account in one epoch. It is
// complete before the first message is sent to any of them.
type incarnation struct {
	peer                 messages.Peer
	network, link, owner *actor.PID
	retired              bool // owner and link have been told to stop
}

// siblings are the actors that all incarnations share. Other goroutines read them
// in order to route messages, and a sibling that has crashed is replaced.
type siblings struct{ management, storage atomic.Pointer[actor.PID] }

// links finds the coapresend actor of an epoch, on any goroutine: an answer may
// come from one of the application's, long after the request. There are few at a
// time, so that a search costs less than a map.
type links struct {
	mu   sync.Mutex
	open []link
}

type link struct {
	epoch messages.Epoch
	pid   *actor.PID // of coapresend
}

func (l *links) add(epoch messages.Epoch, pid *actor.PID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, link{epoch: epoch, pid: pid})
}

func (l *links) remove(epoch messages.Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(open link) bool { return open.epoch == epoch })
}

// at returns nil when the link is gone, or there has never been one.
func (l *links) at(epoch messages.Epoch) *actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, open := range l.open {
		if open.epoch == epoch {
			return open.pid
		}
	}
	return nil
}

// shell runs the machine's effects.
type shell struct {
	*actorkit.Shell
	runtime      Runtime
	incarnations map[messages.Epoch]*incarnation
	siblings     siblings
	links        links
	self         *actor.PID
	root         *actor.RootContext
}

func newShell(runtime Runtime, s *slot) *shell {
	sh := &shell{runtime: runtime, incarnations: map[messages.Epoch]*incarnation{}}
	runtime.Config.Objects = management.ObjectEntries
	sh.Shell = actorkit.NewShell(actorkit.ShellOptions{
		Machine: New(runtime.Config), Executor: sh, Route: sh.route,
	})
	s.current = sh
	return sh
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		s.started(ctx)
	case *actor.Terminated:
		s.terminated(ctx, message.Who)
	case messages.RollCall:
		message.Answer <- s.rollCall(ctx) // it has room for one value
		return
	}
	s.Shell.Receive(ctx)
}

// started spawns the shared siblings and begins the client's life, for the
// first time or once more after a crash of the supervisor itself.
func (s *shell) started(ctx actor.Context) {
	s.self, s.root = ctx.Self(), ctx.ActorSystem().Root
	s.spawnStorage(ctx)
	s.spawnManagement(ctx)
	ctx.Send(ctx.Self(), messages.Start{})
}

func (s *shell) spawnStorage(ctx actor.Context) {
	s.siblings.storage.Store(ctx.Spawn(storage.Props(s.runtime.Storage, s.options("store"))))
}

func (s *shell) spawnManagement(ctx actor.Context) {
	s.siblings.management.Store(ctx.Spawn(management.Props(s.runtime.Management, s.route, s.options("management"))))
}

func (s *shell) options(name string) actorkit.PropsOptions {
	return actorkit.PropsOptions{Mailbox: actorkit.MailboxOptions{Hooks: s.runtime.hooks(name)}}
}

// route serves the supervisor and its shared children, on any goroutine: self
// is known before the first of them is spawned.
func (s *shell) route(role core.Role, epoch messages.Epoch) *actor.PID {
	switch role {
	case core.Link:
		return s.links.at(epoch)
	case core.Supervisor:
		return s.self
	case core.Management:
		return s.siblings.management.Load()
	case core.Store:
		return s.siblings.storage.Load()
	}
	return nil
}

// Run implements actorkit.Executor.
func (s *shell) Run(ctx actor.Context, effect core.Effect) bool {
	switch effect := effect.(type) {
	case Spawn:
		s.spawn(ctx, effect)
	case Order:
		s.order(ctx, effect)
	case Retire:
		s.retire(ctx, effect.Epoch)
	case Respawn:
		s.respawn(ctx, effect.Role)
	case Emit:
		s.runtime.Emit(effect.Event)
	case Publish:
		s.runtime.Publish(effect.Snapshot)
	case Answer:
		effect.To <- effect.Answered // it has room for one value
	case Warn:
		if s.runtime.Warn != nil {
			s.runtime.Warn(effect.Server, effect.Shed)
		}
	case Finish:
		s.runtime.Finish(effect.Stopped)
	default:
		return false
	}
	return true
}

// spawn starts the actors of an incarnation and wires them to each other.
func (s *shell) spawn(ctx actor.Context, effect Spawn) {
	in := &incarnation{peer: effect.Peer}
	route := s.wiring(in)
	suffix := "/" + strconv.Itoa(int(effect.Peer.ID))
	outlet := &network.Outlet{}
	in.network = ctx.Spawn(network.Props(network.Config{
		Peer: effect.Peer, Epoch: effect.Epoch, Transport: s.runtime.Transport,
		Signers: s.runtime.Signers, Outlet: outlet, Route: route,
	}, s.options("network"+suffix)))
	coap := coapresend.ActorConfig{Config: s.runtime.CoAP, Rand: s.runtime.Rand, Outlet: outlet, Route: route}
	coap.Peer, coap.Epoch = effect.Peer, effect.Epoch
	if effect.Peer.Kind == messages.PeerBootstrap { // what a bootstrap may deliver is bounded block by block
		coap.MaxBody = s.runtime.Bootstrap.MaxBytes
	}
	in.link = ctx.Spawn(coapresend.Props(coap, s.options("coapresend"+suffix)))
	if effect.Peer.Kind == messages.PeerBootstrap {
		in.owner = ctx.Spawn(bootstrap.Props(s.runtime.Bootstrap, route, s.options("bootstrap")))
	} else {
		in.owner = ctx.Spawn(registration.Props(registration.Config{Budget: s.runtime.Config.Budget}, route, s.options("registration"+suffix)))
	}
	s.incarnations[effect.Epoch] = in
	s.links.add(effect.Epoch, in.link)
}

// wiring says who fills which role for the actors of one incarnation.
func (s *shell) wiring(in *incarnation) actorkit.Route {
	return func(role core.Role, _ messages.Epoch) *actor.PID {
		switch role {
		case core.Network:
			return in.network
		case core.Link:
			return in.link
		case core.Owner:
			return in.owner
		case core.Handler:
			if in.peer.Kind == messages.PeerBootstrap {
				return in.owner
			}
			return s.route(core.Management, 0)
		}
		return s.route(role, 0)
	}
}

func (s *shell) order(ctx actor.Context, effect Order) {
	in := s.incarnations[effect.Epoch]
	if in == nil {
		return
	}
	to := in.owner
	if effect.To == core.Network {
		to = in.network
	}
	ctx.Request(to, effect.Message)
}

// retire stops owner and coapresend; network follows when coapresend is gone
// (terminated), so that a last answer still leaves.
func (s *shell) retire(ctx actor.Context, epoch messages.Epoch) {
	in := s.incarnations[epoch]
	if in == nil {
		return
	}
	s.leave(ctx, in)
	ctx.Poison(in.link)
}

// leave stops the owner of an incarnation, once.
func (s *shell) leave(ctx actor.Context, in *incarnation) {
	if !in.retired {
		in.retired = true
		ctx.Poison(in.owner)
	}
}

// terminated ends an incarnation whose coapresend has terminated. It may have
// crashed, and the machine may not know of that yet.
func (s *shell) terminated(ctx actor.Context, who *actor.PID) {
	for epoch, in := range s.incarnations {
		if in.link.Equal(who) {
			s.leave(ctx, in)
			ctx.Poison(in.network)
			delete(s.incarnations, epoch)
			s.links.remove(epoch)
			return
		}
	}
}

// rollCall pings every actor of the client; the supervisor itself answers by
// the list.
func (s *shell) rollCall(ctx actor.Context) []messages.Pinged {
	list := []messages.Pinged{ping(ctx, "store", s.route(core.Store, 0)), ping(ctx, "management", s.route(core.Management, 0))}
	for _, epoch := range slices.Sorted(maps.Keys(s.incarnations)) {
		in := s.incarnations[epoch]
		suffix := "/" + strconv.Itoa(int(in.peer.ID))
		owner := "registration" + suffix
		if in.peer.Kind == messages.PeerBootstrap {
			owner = "bootstrap"
		}
		list = append(list, ping(ctx, "network"+suffix, in.network), ping(ctx, "coapresend"+suffix, in.link), ping(ctx, owner, in.owner))
	}
	return list
}

func ping(ctx actor.Context, name string, pid *actor.PID) messages.Pinged {
	answer := make(chan struct{}, 1)
	ctx.Send(pid, messages.Ping{Answer: answer})
	return messages.Pinged{Actor: name, Answer: answer}
}

func (s *shell) respawn(ctx actor.Context, role core.Role) {
	if role == core.Store {
		s.spawnStorage(ctx)
		return
	}
	s.spawnManagement(ctx)
}

// childCrashed turns a child's panic into a message to the machine.
func (s *shell) childCrashed(child *actor.PID, crash *actorkit.Crash) {
	message := messages.Crashed{Reason: crash}
	switch {
	case child.Equal(s.route(core.Management, 0)):
		message.Shared, message.Actor = true, core.Management.String()
	case child.Equal(s.route(core.Store, 0)):
		message.Shared, message.Actor = true, core.Store.String()
	default:
		if !s.locate(child, &message) {
			return
		}
	}
	if s.runtime.Crash != nil {
		s.runtime.Crash(message.Actor, crash)
	}
	s.root.Send(s.self, message)
}

// locate finds the incarnation that a child belongs to.
func (s *shell) locate(child *actor.PID, message *messages.Crashed) bool {
	for epoch, in := range s.incarnations {
		name := ""
		switch {
		case child.Equal(in.network):
			name = core.Network.String()
		case child.Equal(in.link):
			name = core.Link.String()
		case child.Equal(in.owner):
			name = core.Owner.String()
		default:
			continue
		}
		message.Actor, message.Peer, message.Epoch = name+" of "+in.peer.String(), in.peer, epoch
		return true
	}
	return false
}
