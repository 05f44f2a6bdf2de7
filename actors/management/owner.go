package management

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Where object 2 is in use, a server that creates an instance becomes its owner, and what
// is said about an instance goes with it. The supervisor makes both durable: the first
// before the instance is created, the second after it was deleted.

// own makes the server the owner of what it is about to create, which the object has said
// that it can.
func (t *transaction) own(j *job) []core.Effect {
	return t.changeOwner(j, t.now, t.owner, false, func(now time.Time, in messages.ModelWritten) []core.Effect {
		if in.Code.IsSuccess() {
			t.fails = []core.Effect{tell(ownerChange(j, now, t.owner, true))}
		}
		return t.stored(j, now, in)
	})
}

// disown has what is said about a deleted instance go. The server is answered when it
// has, or when it cannot: the instance is gone.
func (m *Machine) disown(j *job, now time.Time) []core.Effect {
	return m.changeOwner(j, now, j.path, true, func(_ time.Time, in messages.ModelWritten) []core.Effect {
		j.behind = append(j.behind, tell(messages.WriteAnswered{Epoch: in.Epoch, ID: in.ID}))
		return m.gone(j)
	})
}

// changeOwner asks the supervisor to change object 2 for a job, whose time stands still
// meanwhile; then takes the answer.
func (m *Machine) changeOwner(j *job, now time.Time, instance lwm2m.Path, deleted bool, then func(time.Time, messages.ModelWritten) []core.Effect) []core.Effect {
	asked := m.handOver(ownerChange(j, now, instance, deleted), j.epoch, pendingWrite{id: j.request, then: then})
	return append([]core.Effect{core.StopTimer{Timer: timerJob(j.id)}}, asked...)
}

func ownerChange(j *job, now time.Time, instance lwm2m.Path, deleted bool) messages.ChangeAccess {
	return messages.ChangeAccess{
		Peer: j.peer, Epoch: j.epoch, ID: j.request, Instance: instance, Deleted: deleted, Deadline: now.Add(writeStart),
	}
}
