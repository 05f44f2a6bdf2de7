package supervisor

import (
	"crypto"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/actors/bootstrap"
	"github.com/holdfast-iot/holdfast/actors/coapresend"
	"github.com/holdfast-iot/holdfast/actors/enrolment"
	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/actors/registration"
	"github.com/holdfast-iot/holdfast/actors/storage"
	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/admission"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/est"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// Runtime is what the shell needs beside the machine's configuration.
type Runtime struct {
	Config    Config
	Transport network.Transport
	// Nonces knows how many nonces each link has used.
	Nonces *network.Nonces
	// Admission says who of the process shakes hands when; nil for everybody at once.
	Admission *admission.Gate
	// Signers hold keys that accounts name by their public halves.
	Signers []crypto.Signer
	// Trust reads the trust store of the device; nil for none.
	Trust network.TrustStore
	// Wall says what the wall clock shows; nil for the machine's own.
	Wall validity.Wall
	// CoAP configures every link's message layer; account and epoch are set
	// per incarnation.
	CoAP       coapresend.Config
	Rand       coapresend.Rand // safe for concurrent use
	Bootstrap  bootstrap.Config
	Management management.Config
	Storage    storage.Sources
	// Update returns the properties of the shared actor update, given how it finds others;
	// nil where there are no firmware updates. It is called for each incarnation of it.
	Update func(actorkit.Route, actorkit.PropsOptions) *actor.Props

	// Emit, Publish, Newest and Finish face the application. They are called on the
	// supervisor's goroutine and must not block.
	Emit    func(messages.Event)
	Publish func(messages.Snapshot)
	Newest  func() uint64 // number of the newest event
	Finish  func(messages.Stopped)
	// Warn is called with what a server's links have dropped so far, for the
	// log; it must not block.
	Warn func(server string, shed messages.Shed)
	// Crash is called for every panic, for the log; it must not block.
	Crash func(actor string, crash *actorkit.Crash)
	// LatePanic is called for every panic of an actor that was stopping
	// already, which has no consequence but that it has to be known. It is
	// called on any goroutine and must not block.
	LatePanic func(actor string, crash *actorkit.Crash)
	// Hooks, when not nil, returns the mailbox hooks of a new actor.
	Hooks func(actor string) *actorkit.Hooks
}

// Props returns the properties of the supervisor of one client, a root actor.
func Props(runtime Runtime) *actor.Props {
	s := &slot{}
	return actorkit.Props(
		func() actor.Actor { return newShell(&runtime, s) },
		actorkit.PropsOptions{
			Mailbox:      actorkit.MailboxOptions{Hooks: runtime.hooks("supervisor")},
			OnChildCrash: func(child *actor.PID, crash *actorkit.Crash) { s.current.childCrashed(child, crash) },
			OnLatePanic:  runtime.latePanic("supervisor"),
		})
}

func (r *Runtime) hooks(name string) *actorkit.Hooks {
	if r.Hooks == nil {
		return nil
	}
	return r.Hooks(name)
}

// latePanic returns a function that holds no more than it needs: each actor of
// each client has one.
func (r *Runtime) latePanic(name string) func(*actor.PID, *actorkit.Crash) {
	late := r.LatePanic
	if late == nil {
		return nil
	}
	return func(_ *actor.PID, crash *actorkit.Crash) { late(name, crash) }
}

// incarnation is the set of actors that serve one account, or one download, in one epoch.
// The link of a download has no owner of its own. It is
// complete before the first message is sent to any of them.
type incarnation struct {
	peer                 messages.Peer
	epoch                messages.Epoch
	network, link, owner *actor.PID
	ownerName            string
	retired              bool // owner and link have been told to stop
	keep                 bool // the session is to survive the link
}

// incarnations are in the order in which they began, which is that of their epochs.
type incarnations []*incarnation

// of returns the incarnation of an epoch; nil for none.
func (all incarnations) of(epoch messages.Epoch) *incarnation {
	for _, in := range all {
		if in.epoch == epoch {
			return in
		}
	}
	return nil
}

// siblings are the actors that all incarnations share. Other goroutines read them
// in order to route messages, and a sibling that has crashed is replaced.
type siblings struct{ management, storage, update atomic.Pointer[actor.PID] }

// shell runs the machine's effects.
type shell struct {
	*actorkit.Shell
	runtime      *Runtime // shared by the incarnations
	incarnations incarnations
	siblings     siblings
	links        links[*actor.PID]
	self         *actor.PID
	root         *actor.RootContext
}

func newShell(runtime *Runtime, s *slot) *shell {
	sh := &shell{runtime: runtime}
	runtime.Config.Objects = management.Announced(runtime.Management)
	runtime.Config.FirstMID = runtime.Rand.MID()
	runtime.Config.Update = runtime.Update != nil
	runtime.Config.Wall = runtime.Wall
	sh.Shell = actorkit.NewShell(actorkit.ShellOptions{
		Machine: s.machine(&runtime.Config, time.Now()), Executor: sh, Route: sh.route,
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
	if s.runtime.Update != nil {
		s.spawnUpdate(ctx)
	}
	ctx.Send(ctx.Self(), messages.Start{})
}

func (s *shell) spawnStorage(ctx actor.Context) {
	ctx.Spawn(storage.Props(s.runtime.Storage, s.shared("store", &s.siblings.storage)))
}

func (s *shell) spawnManagement(ctx actor.Context) {
	ctx.Spawn(management.Props(s.runtime.Management, s.route, s.shared("management", &s.siblings.management)))
}

func (s *shell) spawnUpdate(ctx actor.Context) {
	ctx.Spawn(s.runtime.Update(s.route, s.shared("update", &s.siblings.update)))
}

// shared are the options of a shared sibling: it is found before it runs. Others answer it at
// once, and it may crash at once, while this goroutine is kept waiting.
func (s *shell) shared(name string, at *atomic.Pointer[actor.PID]) actorkit.PropsOptions {
	options := s.options(name)
	options.OnSpawn = at.Store
	return options
}

func (s *shell) options(name string) actorkit.PropsOptions {
	return actorkit.PropsOptions{
		Mailbox:     actorkit.MailboxOptions{Hooks: s.runtime.hooks(name)},
		OnLatePanic: s.runtime.latePanic(name),
	}
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
	case core.Update:
		return s.siblings.update.Load()
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
		s.retire(ctx, effect)
	case Respawn:
		s.respawn(ctx, effect.Role)
	case Emit:
		s.runtime.Emit(effect.Event)
	case Publish:
		s.runtime.Publish(effect.Snapshot)
	case Answer:
		s.answer(effect)
	case AnswerSend:
		effect.To <- effect.Outcomes // it has room for one value
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

// answer answers a call, which has room for one value.
func (s *shell) answer(effect Answer) {
	if s.runtime.Newest != nil {
		effect.Seq = s.runtime.Newest()
	}
	effect.To <- effect.Answered
}

// kind says what serves the peers of one kind, and under which limits.
type kind struct {
	// owner returns the properties of the actor that the link exists for, and
	// its name; nil where that is the shared actor update.
	owner func(*shell, messages.Peer, actorkit.Route) (*actor.Props, string)
	// serves says that the owner answers the peer's requests, and not management.
	serves bool
	// maxBody bounds what the peer may send in blocks.
	maxBody func(*Runtime) int
	// streams says that bodies may come to the handler part by part.
	streams bool
}

var kinds = map[messages.PeerKind]kind{
	messages.PeerBootstrap: {
		owner: func(s *shell, _ messages.Peer, route actorkit.Route) (*actor.Props, string) {
			return bootstrap.Props(s.runtime.Bootstrap, route, s.options("bootstrap")), "bootstrap"
		},
		serves: true,
		// What a bootstrap may deliver is bounded block by block.
		maxBody: func(r *Runtime) int { return r.Bootstrap.MaxBytes },
	},
	messages.PeerManagement: {
		owner: func(s *shell, peer messages.Peer, route actorkit.Route) (*actor.Props, string) {
			name := "registration" + suffix(peer)
			config := registration.Config{Budget: s.runtime.Config.Budget}
			return registration.Props(config, route, s.options(name)), name
		},
		maxBody: func(r *Runtime) int { return r.CoAP.MaxBody },
		streams: true,
	},
	messages.PeerEnrolment: {
		owner: func(s *shell, peer messages.Peer, route actorkit.Route) (*actor.Props, string) {
			name := suffix(peer)[1:]
			return enrolment.Props(enrolment.Config{Wall: s.runtime.Wall}, route, s.options(name)), name
		},
		maxBody: func(*Runtime) int { return est.MaxAnswer },
	},
	messages.PeerDownload: {
		maxBody: func(r *Runtime) int { return r.CoAP.MaxBody },
	},
}

// suffix tells actors of one kind apart: "/1", "/download", and "/enrolment/1".
func suffix(peer messages.Peer) string {
	switch peer.Kind {
	case messages.PeerDownload:
		return "/download"
	case messages.PeerEnrolment:
		return "/enrolment/" + strconv.Itoa(int(peer.ID))
	}
	return "/" + strconv.Itoa(int(peer.ID))
}

// spawn starts the actors of an incarnation and wires them to each other.
func (s *shell) spawn(ctx actor.Context, effect Spawn) {
	kind := kinds[effect.Peer.Kind]
	in := &incarnation{peer: effect.Peer, epoch: effect.Epoch}
	route := s.wiring(in, kind)
	outlet := &network.Outlet{}
	in.network = ctx.Spawn(network.Props(network.Config{
		Peer: effect.Peer, Epoch: effect.Epoch, Transport: s.runtime.Transport,
		Signers: s.runtime.Signers, Trust: s.runtime.Trust, Wall: s.runtime.Wall, Admission: s.runtime.Admission,
		Outlet: outlet, Route: route,
	}, s.options("network"+suffix(effect.Peer))))
	coap := coapresend.ActorConfig{Config: s.runtime.CoAP, Rand: s.runtime.Rand, Outlet: outlet, Route: route}
	coap.FirstMID = &effect.FirstMID
	coap.Peer, coap.Epoch, coap.MaxBody = effect.Peer, effect.Epoch, kind.maxBody(s.runtime)
	if !kind.streams {
		coap.StreamPaths = nil
	}
	in.link = ctx.Spawn(coapresend.Props(coap, s.options("coapresend"+suffix(effect.Peer))))
	if kind.owner != nil {
		owner, name := kind.owner(s, effect.Peer, route)
		in.owner, in.ownerName = ctx.Spawn(owner), name
	}
	s.incarnations = append(s.incarnations, in)
	s.links.add(effect.Epoch, in.link)
	s.runtime.Nonces.Add(effect.Epoch, outlet)
}

// wiring says who fills which role for the actors of one incarnation.
func (s *shell) wiring(in *incarnation, kind kind) actorkit.Route {
	return func(role core.Role, _ messages.Epoch) *actor.PID {
		switch role {
		case core.Network:
			return in.network
		case core.Link:
			return in.link
		case core.Owner:
			if kind.owner == nil {
				return s.route(core.Update, 0)
			}
			return in.owner
		case core.Handler:
			if kind.serves {
				return in.owner
			}
			return s.route(core.Management, 0)
		}
		return s.route(role, 0)
	}
}

func (s *shell) order(ctx actor.Context, effect Order) {
	in := s.incarnations.of(effect.Epoch)
	if in == nil {
		return
	}
	to := in.owner
	switch effect.To {
	case core.Network:
		to = in.network
	case core.Link:
		to = in.link
	}
	ctx.Request(to, effect.Message)
}

// retire stops owner and coapresend; network follows when coapresend is gone
// (terminated), so that a last answer still leaves.
func (s *shell) retire(ctx actor.Context, effect Retire) {
	in := s.incarnations.of(effect.Epoch)
	if in == nil {
		return
	}
	in.keep = in.keep || effect.Keep
	s.leave(ctx, in)
	ctx.Poison(in.link)
}

// leave stops the owner of an incarnation, once.
func (s *shell) leave(ctx actor.Context, in *incarnation) {
	if !in.retired {
		in.retired = true
		if in.owner != nil {
			ctx.Poison(in.owner)
		}
	}
}

// terminated ends an incarnation whose coapresend has terminated. It may have
// crashed, and the machine may not know of that yet.
func (s *shell) terminated(ctx actor.Context, who *actor.PID) {
	for at, in := range s.incarnations {
		if in.link.Equal(who) {
			s.leave(ctx, in)
			if in.keep {
				ctx.Send(in.network, messages.LeaveSession{Epoch: in.epoch})
			}
			ctx.Poison(in.network)
			s.incarnations = slices.Delete(s.incarnations, at, at+1)
			s.links.remove(in.epoch)
			s.runtime.Nonces.Remove(in.epoch)
			return
		}
	}
}

// rollCall pings every actor of the client; the supervisor itself answers by
// the list.
func (s *shell) rollCall(ctx actor.Context) []messages.Pinged {
	list := []messages.Pinged{ping(ctx, "store", s.route(core.Store, 0)), ping(ctx, "management", s.route(core.Management, 0))}
	if update := s.route(core.Update, 0); update != nil {
		list = append(list, ping(ctx, "update", update))
	}
	for _, in := range s.incarnations {
		name := suffix(in.peer)
		list = append(list, ping(ctx, "network"+name, in.network), ping(ctx, "coapresend"+name, in.link))
		if in.owner != nil {
			list = append(list, ping(ctx, in.ownerName, in.owner))
		}
	}
	return list
}

func ping(ctx actor.Context, name string, pid *actor.PID) messages.Pinged {
	answer := make(chan struct{}, 1)
	ctx.Send(pid, messages.Ping{Answer: answer})
	return messages.Pinged{Actor: name, Answer: answer}
}

func (s *shell) respawn(ctx actor.Context, role core.Role) {
	switch role {
	case core.Store:
		s.spawnStorage(ctx)
	case core.Update:
		s.spawnUpdate(ctx)
	default:
		s.spawnManagement(ctx)
	}
}

// childCrashed turns a child's panic into a message to the machine.
func (s *shell) childCrashed(child *actor.PID, crash *actorkit.Crash) {
	message, found := s.locate(child)
	if !found {
		return
	}
	message.Reason = crash
	if s.runtime.Crash != nil {
		s.runtime.Crash(message.actor(), crash)
	}
	s.root.Send(s.self, message)
}

// locate says which role a child plays, and in which incarnation.
func (s *shell) locate(child *actor.PID) (Crashed, bool) {
	for _, role := range []core.Role{core.Management, core.Store, core.Update} {
		if pid := s.route(role, 0); pid != nil && child.Equal(pid) {
			return Crashed{Role: role}, true
		}
	}
	for _, in := range s.incarnations {
		for role, pid := range map[core.Role]*actor.PID{core.Network: in.network, core.Link: in.link, core.Owner: in.owner} {
			if pid != nil && child.Equal(pid) {
				return Crashed{Role: role, Peer: in.peer, Epoch: in.epoch}, true
			}
		}
	}
	return Crashed{}, false
}
