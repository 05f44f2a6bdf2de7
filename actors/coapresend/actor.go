package coapresend

import (
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Room in the mailbox: the number of waiting messages from which a datagram is
// dropped. Answers that our exchanges wait for have room of their own, which no
// flood can fill; confirmable requests have more than the rest.
const (
	roomAwaited = 512
	roomRequest = 256
	roomRest    = 128
)

// ActorConfig describes the coapresend actor of one incarnation.
type ActorConfig struct {
	Config
	// Rand is the randomness to draw; nil for SystemRand.
	Rand Rand
	// Outlet takes the datagrams that are sent.
	Outlet Outlet
	// Route returns the actor in a role: core.Owner, core.Update, core.Handler and
	// core.Supervisor are asked for.
	Route actorkit.Route
}

// Outlet is where the datagrams of a link leave.
type Outlet interface {
	// Send sends one datagram, which it may keep, and reports whether it has
	// left. It never waits: what there is no room for is lost.
	Send(datagram []byte) (sent bool)
}

// Props returns the properties of a coapresend actor: a shell around a new
// Machine. The mailbox drops what the network sends only, by what it is, when it
// is full; options may add hooks and callbacks, but for Mailbox.OnDrop.
func Props(config ActorConfig, options actorkit.PropsOptions) *actor.Props {
	if config.Rand == nil {
		config.Rand = SystemRand{}
	}
	d := &door{}
	options.Mailbox.Droppable = fromNetwork
	options.Mailbox.Room = d.room
	options.Mailbox.OnDrop = func(any, uint64) { d.dropped.Add(1) }
	return actorkit.Props(func() actor.Actor { return newShell(config, d) }, options)
}

// shell runs the one effect that only this actor understands.
type shell struct {
	*actorkit.Shell
	outlet Outlet
}

func newShell(config ActorConfig, d *door) *shell {
	s := &shell{outlet: config.Outlet}
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{
		Machine:  guarded{machine: New(config.Config, config.Rand), door: d},
		Executor: s,
		Route:    config.Route,
	})
	return s
}

// Run implements actorkit.Executor. A datagram that was lost is an input.
func (s *shell) Run(ctx actor.Context, effect core.Effect) bool {
	datagram, ok := effect.(send)
	if ok && !s.outlet.Send(datagram.data) {
		s.Input(ctx, dropped{unsent: 1})
	}
	return ok
}

func fromNetwork(msg any) bool {
	switch msg.(type) {
	case messages.Datagram, messages.Truncated:
		return true
	}
	return false
}

// door is the state that a machine shares with its mailbox.
type door struct {
	awaited atomic.Pointer[awaited]
	dropped atomic.Uint64 // datagrams, since the machine was last told
}

// room returns the room of a datagram, by its header.
func (d *door) room(msg any) int {
	datagram, _ := msg.(messages.Datagram)
	header := coap.Header(datagram.Data)
	switch {
	case d.awaited.Load().includes(&header):
		return roomAwaited
	case header.Type == coap.CON && header.IsRequest():
		return roomRequest
	}
	return roomRest
}

// guarded is a machine that tells its door what it waits for.
type guarded struct {
	machine *Machine
	door    *door
}

// Step implements core.Machine. What the mailbox has dropped is an input too.
// Nothing that a step sends has left before the door knows what to expect in
// return.
func (g guarded) Step(now time.Time, in any) []core.Effect {
	effects := g.machine.Step(now, in)
	if n := g.door.dropped.Swap(0); n > 0 {
		effects = append(effects, g.machine.Step(now, dropped{queue: n})...)
	}
	g.door.awaited.Store(g.machine.awaited)
	return effects
}
