package bootstrap

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
)

// Props returns the properties of the bootstrap actor of one incarnation.
// route returns the actor in a role: core.Supervisor, core.Link and core.Store
// are asked for. Its mailbox drops nothing; options may add hooks.
func Props(config Config, route actorkit.Route, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor {
		return actorkit.NewShell(actorkit.ShellOptions{Machine: New(config), Route: route})
	}, options)
}
