package management

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of the wait for a Write to be carried out. What the supervisor has not
// begun within writeStart is not begun any more, and then the disk has half a
// minute; the rest is for a supervisor that is busy.
const (
	writeStart = 30 * time.Second
	writeBound = 65 * time.Second
)

// timerWrite ends the wait for the Write of a link.
func timerWrite(epoch messages.Epoch) core.Timer {
	return core.Timer{Name: "write", Key: uint64(epoch)}
}

var (
	oneWrite  = refuse(messages.ServiceUnavailable, "another Write of this server is under way")
	noOutcome = refuse(messages.InternalServerError, "it is not known whether the change was stored")
)

// write is Write (LwM2M Core section 6.3.3), which replaces, or Partial Update
// (POST on an instance). What is well formed goes to the owner of the object.
func (s session) write(path lwm2m.Path, in messages.Inbound) answer {
	switch {
	case path.Object() != objects.Server, path.Len() < 2, in.Code == messages.POST && path.Len() > 2:
		return *notAllowed
	case in.ContentFormat == nil && len(in.Payload) == 0: // Write-Attributes
		return *notAllowed
	case path.Len() > 2 && !s.writable(path):
		return *notAllowed
	}
	payload, refusal := answers.Decode(in, path, s.config.Registry, lwm2m.Limits{})
	if !refusal.IsZero() {
		return answer{Answer: refusal}
	}
	if _, underWay := s.writes[in.Epoch]; underWay {
		return *oneWrite
	}
	return answer{write: &messages.WriteModel{
		Peer: in.Peer, Epoch: in.Epoch, ID: in.ID, Path: path, Payload: payload,
		Replace: in.Code == messages.PUT, Deadline: s.now.Add(writeStart),
	}}
}

// writable reports whether a path is that of a resource that servers can write, or
// of an instance of one that has several. It need not be there yet.
func (s session) writable(path lwm2m.Path) bool {
	def, found := s.config.Registry.Resource(path)
	return found && path.Object() == objects.Server && def.Operations.Has(lwm2m.OpWrite) && (path.Len() == 3 || def.Multiple)
}

// ask has a Write carried out. The answer comes later.
func (m *Machine) ask(w messages.WriteModel) []core.Effect {
	m.writes[w.Epoch] = w.ID
	return []core.Effect{tell(w), core.SetTimer{Timer: timerWrite(w.Epoch), After: writeBound}}
}

// written answers a Write. The supervisor learns that the answer has left: what
// follows from the change comes behind it. After a crash the Write may be one that
// another incarnation of this actor has asked for.
func (m *Machine) written(in messages.ModelWritten) []core.Effect {
	reply := messages.Reply{Epoch: in.Epoch, ID: in.ID, Code: in.Code, Payload: []byte(in.Detail)}
	return append(m.over(in.Epoch, in.ID),
		core.Tell{To: core.Link, Epoch: in.Epoch, Message: reply},
		tell(messages.WriteAnswered{Epoch: in.Epoch, ID: in.ID}),
	)
}

// over ends the wait for a Write.
func (m *Machine) over(epoch messages.Epoch, id uint64) []core.Effect {
	if waiting, waits := m.writes[epoch]; !waits || waiting != id {
		return nil
	}
	delete(m.writes, epoch)
	return []core.Effect{core.StopTimer{Timer: timerWrite(epoch)}}
}

// expired answers a Write of which nothing was heard: no request stays without an
// answer.
func (m *Machine) expired(in core.Expired) []core.Effect {
	epoch := messages.Epoch(in.Timer.Key)
	id, waits := m.writes[epoch]
	if !waits {
		return nil
	}
	delete(m.writes, epoch)
	reply := noOutcome.Reply(messages.Inbound{Epoch: epoch, ID: id})
	return []core.Effect{core.Tell{To: core.Link, Epoch: epoch, Message: reply}}
}
