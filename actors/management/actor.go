package management

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
)

// Props returns the properties of the management actor. route returns the
// actor in a role: only core.Supervisor is asked for, because replies go to
// the sender of the request. Its mailbox drops nothing; options may add hooks.
func Props(config Config, route func(core.Role) *actor.PID, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor { return newShell(config, route) }, options)
}

// shell is shared by all links, so that core.Link is whoever asks.
type shell struct {
	*actorkit.Shell
	sender *actor.PID // of the current message
}

func newShell(config Config, route func(core.Role) *actor.PID) *shell {
	s := &shell{}
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{
		Machine: New(config),
		Route: func(role core.Role) *actor.PID {
			if role == core.Link {
				return s.sender
			}
			return route(role)
		},
	})
	return s
}

// Receive implements actor.Actor. No effect outlives its message here: the
// machine persists nothing.
func (s *shell) Receive(ctx actor.Context) {
	s.sender = ctx.Sender()
	s.Shell.Receive(ctx)
	s.sender = nil
}
