package management

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of the wait for a Write to be carried out. What the supervisor has not
// begun within writeStart is not begun any more, and then the disk has half a
// minute; the rest is for a supervisor that is busy.
const (
	writeStart = 30 * time.Second
	writeBound = 65 * time.Second
)

const nameWrite = "write"

// timerWrite ends the wait for the Write of a link.
func timerWrite(epoch messages.Epoch) core.Timer {
	return core.Timer{Name: nameWrite, Key: uint64(epoch)}
}

var noOutcome = refuse(messages.InternalServerError, "it is not known whether the change was stored")

// write is Write (LwM2M Core section 6.3.3), which replaces, or Partial Update
// (POST on an instance). What is well formed goes to the owner of the object.
func (s session) write(r *task) answer {
	payload, refusal := answers.Decode(r.in, r.path, s.config.Registry, lwm2m.Limits{})
	if !refusal.IsZero() {
		return *undecoded(refusal, func() *answer { return r.misnamed() })
	}
	if refusal := r.complement(&payload); refusal != nil {
		return *refusal
	}
	if r.object.app != nil {
		return s.writeApp(r, payload)
	}
	return s.writeModel(r, payload)
}

// complement says what a payload means that has nothing, such as an empty pack of SenML: a
// resource that has several instances has none any more, and for any other there has to be
// a value.
func (r *task) complement(p *lwm2m.Payload) *answer {
	if r.path.Len() < 3 || len(p.Nodes)+len(p.Multiples) > 0 {
		return nil
	}
	def, _ := r.object.resource(r.path.Resource())
	if !def.Multiple || r.path.Len() == 4 {
		return refuse(messages.BadRequest, "the payload has no value for the target")
	}
	if r.op == opReplace {
		p.Multiples = []lwm2m.Path{r.path}
	}
	return nil
}

// writeModel hands a Write to an object that the supervisor keeps over to it.
func (s session) writeModel(r *task, payload lwm2m.Payload) answer {
	if waits := s.turn(&r.in, wish{supplies: true}); waits != nil {
		return *waits
	}
	return answer{later: s.ask(messages.WriteModel{
		Peer: s.peer, Epoch: r.in.Epoch, ID: r.in.ID, Path: r.path, Payload: payload,
		Replace: r.op == opReplace, Deadline: s.now.Add(writeStart),
	}, nil)}
}

// pendingWrite is a Write, or a change of object 2, that waits for its outcome.
type pendingWrite struct {
	id   uint64                                               // of the request
	then func(time.Time, messages.ModelWritten) []core.Effect // takes the outcome; nil: it is the answer
}

// ask has a Write carried out. The answer comes later.
func (m *Machine) ask(w messages.WriteModel, then func(time.Time, messages.ModelWritten) []core.Effect) []core.Effect {
	return m.handOver(w, w.Epoch, pendingWrite{id: w.ID, then: then})
}

// handOver has the supervisor change what it keeps.
func (m *Machine) handOver(change any, epoch messages.Epoch, w pendingWrite) []core.Effect {
	insert(&m.writes, epoch, w)
	return []core.Effect{tell(change), core.SetTimer{Timer: timerWrite(epoch), After: writeBound}}
}

// written answers a Write. The supervisor learns that the answer has left: what
// follows from the change comes behind it. After a crash the Write may be one that
// another incarnation of this actor has asked for.
func (m *Machine) written(now time.Time, in messages.ModelWritten) []core.Effect {
	w, waits := m.writes[in.Epoch]
	var effects []core.Effect
	if waits && w.id == in.ID {
		delete(m.writes, in.Epoch)
		effects = append(effects, core.StopTimer{Timer: timerWrite(in.Epoch)})
		if w.then != nil {
			return append(effects, w.then(now, in)...)
		}
	}
	reply := messages.Reply{Epoch: in.Epoch, ID: in.ID, Code: in.Code, Payload: []byte(in.Detail)}
	if in.Access { // how far the request had come is not known
		reply.Code, reply.Payload = noOutcome.Code, noOutcome.Payload
	}
	return append(effects,
		core.Tell{To: core.Link, Epoch: in.Epoch, Message: reply},
		tell(messages.WriteAnswered{Epoch: in.Epoch, ID: in.ID}),
	)
}

// writeExpired answers a Write of which nothing was heard: no request stays without an
// answer.
func (m *Machine) writeExpired(now time.Time, epoch messages.Epoch) []core.Effect {
	w, waits := m.writes[epoch]
	if !waits {
		return nil
	}
	delete(m.writes, epoch)
	if w.then != nil {
		return w.then(now, messages.ModelWritten{Epoch: epoch, ID: w.id, Code: noOutcome.Code, Detail: string(noOutcome.Payload)})
	}
	return m.reply(epoch, w.id, *noOutcome)
}
