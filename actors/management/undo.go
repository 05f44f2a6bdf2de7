package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// A part of a change that fails when it is carried out, as an actuator does that refuses
// to move, or that has not returned by the deadline, has those before it taken back: a
// Write-Composite is done as a whole or not at all (LwM2M Core section 6.3.9). So is what a
// handler carries out after the deadline, when the server has been told that it has failed.
// What there was before is known of objects that have their values in memory, and an
// instance that has been created is deleted where servers can do that. What cannot be taken
// back is logged, and where the server has no answer yet it is told.

// halfDone is the answer to a change that has failed and is not taken back as a whole.
var halfDone = refuse(messages.InternalServerError, "the change has failed, and a part of it could not be taken back")

// stays is what is logged of a part that nobody takes back.
const stays = "the part of a change that has failed stays: the object cannot take it back"

// back is what takes a part back, once it has been carried out; nil where nothing does.
func (o *served) back(part prepared) any {
	switch do := part.do.(type) {
	case create:
		if o.deleter != nil {
			return remove{do.instance.ID}
		}
	case write:
		if part.known {
			if change := o.reverse(do.change, part.before); change != nil {
				return write{*change}
			}
		}
	}
	return nil
}

// reverse is the change that makes of an instance again what it was before another.
func (o *served) reverse(change object.Change, i lwm2m.Instance) *object.Change {
	back := &object.Change{Instance: change.Instance}
	if change.Replace {
		return o.whole(i)
	}
	for _, id := range touched(change) {
		def, _ := o.resource(id)
		before, had := i.Resource(id)
		switch {
		case had:
			back.Resources = append(back.Resources, before)
		case def.Multiple:
			back.Resources = append(back.Resources, lwm2m.Resource{ID: id, Multiple: true})
		case !o.hides(): // it was not there
			return o.whole(i)
		}
	}
	return back
}

// touched lists the resources that a change is about, sorted.
func touched(change object.Change) (ids []uint16) {
	for _, r := range change.Resources {
		ids = append(ids, r.ID)
	}
	for _, path := range change.Remove {
		ids = append(ids, path.Resource())
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// hides reports whether an object has values that nobody but a server's Write knows: a
// change of the instance as a whole would lose them.
func (o *served) hides() bool {
	return slices.ContainsFunc(o.def.Resources, func(def lwm2m.ResourceDef) bool {
		return def.Operations.Has(lwm2m.OpWrite) && !def.Operations.Has(lwm2m.OpRead)
	})
}

// whole is the change that makes an instance what it is now.
func (o *served) whole(i lwm2m.Instance) *object.Change {
	back := &object.Change{Instance: i.ID, Replace: true}
	for _, r := range i.Resources {
		if def, _ := o.resource(r.ID); def.Operations.Has(lwm2m.OpWrite) {
			back.Resources = append(back.Resources, r)
		}
	}
	return back
}

// hung goes on without the handler that carries out a part, which has not returned in
// time. What becomes of that part is seen when it does.
func (t *transaction) hung(j *job, now time.Time) []core.Effect {
	t.fails = nil
	return t.undo(j, now, *tooSlow)
}

// undo takes back the parts that have been carried out, the last of them first, and then
// answers. They have the time of a request for that; if that is over, the server is answered
// and the rest goes on.
func (t *transaction) undo(j *job, now time.Time, a answer) []core.Effect {
	j.beyond = func(j *job, now time.Time) []core.Effect {
		return append(t.answerNow(j), t.undo(j, now, *halfDone)...)
	}
	return append([]core.Effect{t.extend(j, now)}, t.undoNext(j, a)...)
}

// answerNow answers while there is something left to be taken back.
func (t *transaction) answerNow(j *job) []core.Effect {
	if t.told {
		return nil
	}
	effects := append(t.conclude(j, *halfDone), t.fails...)
	t.told, t.fails, j.behind, j.late = true, nil, nil, unheard
	return effects
}

// unheard is what becomes of a job that nobody waits for.
func unheard(answer) []core.Effect { return nil }

func (t *transaction) undoNext(j *job, a answer) []core.Effect {
	for t.next > 0 {
		t.next--
		part := t.parts[t.next]
		if part.carryOut == nil {
			continue
		}
		if do := part.object.back(part); do != nil {
			then := func(j *job, now time.Time, in Returned) []core.Effect { return t.undoPart(j, now, in, a) }
			return []core.Effect{t.callOrLate(j, part.object, part.path, do, then, t.undoPartLate(j, part))}
		}
		t.faults = append(t.faults, Fault{Path: part.path, What: stays})
		a = *halfDone
	}
	return t.undoModel(j, a)
}

// undoPart carries out the change that takes back a part, once its object has said that
// it can.
func (t *transaction) undoPart(j *job, now time.Time, in Returned, a answer) []core.Effect {
	if in.Err != nil || in.Commit == nil {
		return t.undone(j, now, in, a)
	}
	then := func(j *job, now time.Time, in Returned) []core.Effect { return t.undone(j, now, in, a) }
	part := t.parts[t.next]
	return []core.Effect{t.callOrLate(j, part.object, part.path, commit{in.Commit}, then, t.noticedLate(part.path))}
}

func (t *transaction) undone(j *job, now time.Time, in Returned, a answer) []core.Effect {
	t.noticed(j.path)
	switch {
	case in.Err != nil:
		t.fault(j.path, in.Err)
		a = *halfDone
	case t.owner.Len() > 0:
		t.fails = append(t.fails, tell(ownerChange(j, now, t.owner, true)))
	}
	return t.undoNext(j, a)
}

// undoModel has the supervisor take back its part, which was the first.
func (t *transaction) undoModel(j *job, a answer) []core.Effect {
	if t.model == nil {
		return append(t.finish(j, a), t.fails...)
	}
	w := *t.model
	w.Payload, w.Replace, w.Deadline = t.modelBefore, true, j.deadline.Add(writeStart)
	return append([]core.Effect{core.StopTimer{Timer: timerJob(j.id)}}, t.ask(w, func(_ time.Time, in messages.ModelWritten) []core.Effect {
		if !in.Code.IsSuccess() {
			a = *halfDone
		}
		effects := append(t.finish(j, a), t.fails...)
		if t.told {
			effects = append(effects, tell(messages.WriteAnswered{Epoch: in.Epoch, ID: in.ID}))
		}
		return effects
	})...)
}

// carriedOutLate takes the outcome of a part that was carried out after the deadline, or
// not at all.
func (t *transaction) carriedOutLate(j *job, part prepared) func(time.Time, Returned) []core.Effect {
	return func(now time.Time, in Returned) []core.Effect {
		t.noticed(part.path)
		switch {
		case in.Err == nil:
			return t.takeBack(j, now, part)
		case t.owner.Len() > 0: // there will be no such instance
			return []core.Effect{tell(ownerChange(j, now, t.owner, true))}
		}
		return nil
	}
}

// undoPartLate takes what an object says of going back that has taken its time over it.
func (t *transaction) undoPartLate(of *job, part prepared) func(time.Time, Returned) []core.Effect {
	return func(now time.Time, in Returned) []core.Effect {
		t.noticed(part.path)
		if in.Commit == nil {
			return nil
		}
		j, timer := t.unasked(of, now, part.path)
		then := func(j *job, _ time.Time, in Returned) []core.Effect {
			t.noticed(j.path)
			if in.Err != nil {
				t.fault(j.path, in.Err)
			}
			return t.finish(j, *halfDone)
		}
		return []core.Effect{timer, t.callOrLate(j, part.object, part.path, commit{in.Commit}, then, t.noticedLate(part.path))}
	}
}

// takeBack takes back a single part, of which the server has been told that it has failed.
func (t *transaction) takeBack(of *job, now time.Time, part prepared) []core.Effect {
	j, timer := t.unasked(of, now, part.path)
	alone := &transaction{session: t.session, parts: []prepared{part}, next: 1, owner: t.owner, told: true}
	if _, created := part.do.(create); created {
		alone.fails = []core.Effect{tell(messages.InstancesChanged{})} // it may have been announced
	}
	return append([]core.Effect{timer}, alone.undo(j, now, *halfDone)...)
}

// unasked is a job for what another has left, which nobody waits for.
func (t *transaction) unasked(of *job, now time.Time, instance lwm2m.Path) (*job, core.Effect) {
	s := session{Machine: t.Machine, peer: t.peer, now: now, late: unheard}
	return s.begin(&messages.Inbound{Epoch: of.epoch, ID: of.request}, instance)
}

// modelNow is what servers can write of an instance that the supervisor keeps.
func (t *transaction) modelNow(instance lwm2m.Path) lwm2m.Payload {
	i, _ := t.Machine.model.Instance(instance.Object(), instance.Instance())
	i.Resources = t.object(instance.Object()).whole(i).Resources
	p, _ := lwm2m.PayloadOf(instance, i)
	return p
}
