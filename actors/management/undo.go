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
// to move, has those before it taken back: a Write-Composite is done as a whole or not at
// all (LwM2M Core section 6.3.9). What they were is known of objects that have their
// values in memory.

// reverse is the change that takes a part back, as its instance is now; nil where that is
// not known, or where no other part can fail after it.
func (t *transaction) reverse(part prepared) *object.Change {
	do, writes := part.do.(write)
	if !writes || part.object.snapshotter == nil || t.next == len(t.parts)-1 {
		return nil
	}
	i, _, found := part.object.snapshotter.Snapshot(do.change.Instance)
	if !found {
		return nil
	}
	back := &object.Change{Instance: do.change.Instance}
	for _, id := range touched(do.change) {
		def, _ := part.object.resource(id)
		before, had := i.Resource(id)
		switch {
		case had:
			back.Resources = append(back.Resources, before)
		case def.Multiple:
			back.Resources = append(back.Resources, lwm2m.Resource{ID: id, Multiple: true})
		case !part.object.hides(): // it was not there
			return part.object.whole(i)
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

// undo takes back the parts that have been carried out, the last of them first, and then
// answers. They have the time of a request for that.
func (t *transaction) undo(j *job, now time.Time, a answer) []core.Effect {
	j.deadline = now.Add(t.config.Deadline)
	return append([]core.Effect{core.SetTimer{Timer: timerJob(j.id), After: t.config.Deadline}}, t.undoNext(j, a)...)
}

func (t *transaction) undoNext(j *job, a answer) []core.Effect {
	for t.next > 0 {
		t.next--
		if part := t.parts[t.next]; part.back != nil {
			return []core.Effect{t.call(j, part.object, part.path, write{*part.back}, func(j *job, now time.Time, in Returned) []core.Effect {
				return t.undoPart(j, in, a)
			})}
		}
	}
	return t.undoModel(j, a)
}

// undoPart carries out the change that takes back a part, once its object has said that
// it can.
func (t *transaction) undoPart(j *job, in Returned, a answer) []core.Effect {
	part := t.parts[t.next]
	if in.Err != nil || in.Commit == nil {
		return t.undone(j, in, a)
	}
	return []core.Effect{t.call(j, part.object, part.path, commit{in.Commit}, func(j *job, _ time.Time, in Returned) []core.Effect {
		return t.undone(j, in, a)
	})}
}

func (t *transaction) undone(j *job, in Returned, a answer) []core.Effect {
	t.noticed(j.path)
	if in.Err != nil {
		t.fault(j.path, in.Err)
	}
	return t.undoNext(j, a)
}

// undoModel has the supervisor take back its part, which was the first.
func (t *transaction) undoModel(j *job, a answer) []core.Effect {
	if _, underWay := t.writes[j.epoch]; t.model == nil || underWay {
		return append(t.finish(j, a), t.fails...)
	}
	w := *t.model
	w.Payload, w.Replace, w.Deadline = t.modelBefore, true, j.deadline.Add(writeStart)
	return append([]core.Effect{core.StopTimer{Timer: timerJob(j.id)}}, t.ask(w, func(time.Time, messages.ModelWritten) []core.Effect {
		return append(t.finish(j, a), t.fails...)
	})...)
}

// modelNow is what servers can write of an instance that the supervisor keeps.
func (t *transaction) modelNow(instance lwm2m.Path) lwm2m.Payload {
	i, _ := t.Machine.model.Instance(instance.Object(), instance.Instance())
	i.Resources = t.object(instance.Object()).whole(i).Resources
	p, _ := lwm2m.PayloadOf(instance, i)
	return p
}
