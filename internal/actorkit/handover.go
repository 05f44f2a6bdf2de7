package actorkit

import (
	"errors"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// protoactor keeps an actor's Props for as long as the actor lives, and with it
// what its producer refers to: 400 bytes and more, to make the actor anew some day.
// A child is never made anew: the Strategy of its parent stops it. So children are
// spawned with Props that they share, to which the child itself is handed over.

// errMadeAnew is what a child panics with that is restarted all the same.
var errMadeAnew = errors.New("a child was restarted: its parent was not made by Props")

// handover gives one child at a time to the Props that it is spawned with.
type handover struct {
	props   *actor.Props
	actor   actor.Actor
	mailbox actor.Mailbox
	told    func(*actor.PID) // who the child is; nil where nobody asks
}

// handovers are as many as there are spawns at a time.
var handovers = sync.Pool{New: func() any {
	h := &handover{}
	h.props = actor.PropsFromProducer(h.take,
		actor.WithMailbox(func() actor.Mailbox { return h.mailbox }), actor.WithSupervisor(unwatched), actor.WithOnInit(h.tell))
	return h
}}

func (h *handover) take() actor.Actor {
	child := h.actor
	if h.actor = nil; child == nil {
		panic(errMadeAnew)
	}
	return child
}

func (h *handover) tell(ctx actor.Context) {
	if h.told != nil {
		h.told(ctx.Self())
	}
}

// spawnShared spawns children with shared Props, and root actors, which a Guardian
// restarts, with their own.
func spawnShared(incarnate actor.Producer, mailbox actor.MailboxProducer, told func(*actor.PID)) actor.SpawnFunc {
	return func(system *actor.ActorSystem, id string, props *actor.Props, parent actor.SpawnerContext) (*actor.PID, error) {
		if _, root := parent.(*actor.RootContext); root {
			return actor.DefaultSpawner(system, id, props, parent)
		}
		h := handovers.Get().(*handover)
		h.actor, h.mailbox, h.told = incarnate(), mailbox(), told
		pid, err := actor.DefaultSpawner(system, id, h.props, parent)
		h.mailbox, h.told = nil, nil
		handovers.Put(h)
		return pid, err
	}
}
