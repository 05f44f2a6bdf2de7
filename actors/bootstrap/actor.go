package bootstrap

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Props returns the properties of the bootstrap actor of one incarnation.
// route returns the actor in a role: core.Supervisor, core.Link and core.Store
// are asked for. Its mailbox drops nothing; options may add hooks.
func Props(config Config, route actorkit.Route, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor {
		return actorkit.NewShell(actorkit.ShellOptions{Machine: New(config), Executor: executor{route}, Route: route})
	}, options)
}

// errNoStore is the cause of a failure to persist without a store actor.
var errNoStore = errors.New("no store is running")

// executor hands records to the store.
type executor struct{ route actorkit.Route }

// Run implements actorkit.Executor. The store answers the sender with
// core.Persisted or core.PersistFailed.
func (e executor) Run(ctx actor.Context, effect core.Effect) bool {
	persist, ok := effect.(core.Persist)
	if !ok {
		return false
	}
	if store := e.route(core.Store, 0); store != nil {
		ctx.Request(store, messages.Save{Token: persist.Token, Record: persist.Record, Data: persist.Data})
	} else {
		ctx.Send(ctx.Self(), core.PersistFailed{Token: persist.Token, Err: errNoStore})
	}
	return true
}
