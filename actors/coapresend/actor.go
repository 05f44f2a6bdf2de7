package coapresend

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// mailboxCapacity is how many messages may wait before datagrams are dropped.
const mailboxCapacity = 256

// ActorConfig describes the coapresend actor of one incarnation.
type ActorConfig struct {
	Config
	// Rand is the randomness to draw; nil for SystemRand.
	Rand Rand
	// Route returns the actor in a role: core.Network, core.Owner,
	// core.Handler and core.Supervisor are asked for.
	Route func(core.Role) *actor.PID
}

// Props returns the properties of a coapresend actor: a shell around a new
// Machine. The mailbox drops messages.Datagram only, when it is full; options
// may add hooks and callbacks.
func Props(config ActorConfig, options actorkit.PropsOptions) *actor.Props {
	if config.Rand == nil {
		config.Rand = SystemRand{}
	}
	options.Mailbox.Capacity = mailboxCapacity
	options.Mailbox.Droppable = func(msg any) bool {
		_, datagram := msg.(messages.Datagram)
		return datagram
	}
	return actorkit.Props(func() actor.Actor {
		return actorkit.NewShell(actorkit.ShellOptions{
			Machine: New(config.Config, config.Rand),
			Route:   config.Route,
		})
	}, options)
}
