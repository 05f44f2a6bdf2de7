package enrolment

import (
	"crypto/rand"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/est"
	"github.com/holdfast-iot/holdfast/messages"
)

// Props returns the properties of the enrolment actor of one incarnation. route returns the
// actor in a role: core.Supervisor and core.Link are asked for. Its mailbox drops nothing;
// options may add hooks.
func Props(config Config, route actorkit.Route, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor {
		return actorkit.NewShell(actorkit.ShellOptions{Machine: New(config), Executor: keys{}, Route: route})
	}, options)
}

// keys makes keys. On P-256 that takes less than a handshake does.
type keys struct{}

// Run implements actorkit.Executor.
func (keys) Run(ctx actor.Context, effect core.Effect) bool {
	order, ok := effect.(Make)
	if !ok {
		return false
	}
	request, err := est.NewRequest(rand.Reader, order.Present, order.Endpoint)
	ctx.Send(ctx.Self(), Made{Request: messages.EnrolmentRequest(request), Err: err})
	return true
}
