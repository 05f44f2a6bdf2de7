package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// version10 reports whether the session on a link is one of LwM2M 1.0.
func (m *Machine) version10(epoch messages.Epoch) bool {
	return m.versions.of(epoch) == requests.Version10
}

// writeApp has an application's object written to: prepared, then carried out.
func (s session) writeApp(r *task, p lwm2m.Payload) answer {
	change, refusal := s.changeOf(r, p)
	if refusal != nil {
		return *refusal
	}
	return s.change(&r.in, prepared{object: r.object, path: r.path.Prefix(2), do: write{change}}, messages.Changed)
}

// changeOf makes of the payload of a Write what it changes.
func (s session) changeOf(r *task, p lwm2m.Payload) (object.Change, *answer) {
	change := object.Change{Instance: r.path.Instance(), Replace: r.op == opReplace && r.path.Len() == 2}
	i, _ := p.Tree().Instance(r.path.Object(), r.path.Instance())
	resources, refusal := r.object.written(r.path.Prefix(2), i.Resources, r.path.Len() == 2)
	if refusal != nil {
		return change, refusal
	}
	if change.Replace {
		if refusal := r.object.complete(resources); refusal != nil {
			return change, refusal
		}
	}
	change.Resources = resources
	if r.path.Len() == 4 || r.op == opUpdate && !s.version10(r.in.Epoch) {
		change.Merge = multiples(resources)
	}
	return change, nil
}

// written lists the resources of a payload for one instance, if servers can write them.
// What the definition does not know is ignored where whole says that the instance as a
// whole is meant. Whether they can be written comes before what their values are.
func (o *served) written(instance lwm2m.Path, resources []lwm2m.Resource, whole bool) (known []lwm2m.Resource, refusal *answer) {
	if refusal := o.named(instance, resources, whole); refusal != nil {
		return nil, refusal
	}
	for _, r := range resources {
		def, found := o.resource(r.ID)
		if !found {
			continue
		}
		if refusal := fits(def, r); refusal != nil {
			return nil, refusal
		}
		known = append(known, r)
	}
	return known, nil
}

// named refuses resources that servers cannot write, whatever their values are.
func (o *served) named(instance lwm2m.Path, resources []lwm2m.Resource, whole bool) *answer {
	for _, r := range resources {
		def, found := o.resource(r.ID)
		switch {
		case !found && whole:
		case !found:
			return notFound
		case !def.Operations.Has(lwm2m.OpWrite):
			return refuse(messages.MethodNotAllowed, "resource "+instance.Child(r.ID).String()+" cannot be written")
		}
	}
	return nil
}

// fits refuses values that are outside of the definition.
func fits(def lwm2m.ResourceDef, r lwm2m.Resource) *answer {
	if def.Multiple != r.Multiple {
		return refuse(messages.BadRequest, "resource "+def.Name+" has another form")
	}
	if !r.Multiple {
		return checked(def, r.Value)
	}
	for _, ri := range r.Instances {
		if refusal := checked(def, ri.Value); refusal != nil {
			return refusal
		}
	}
	return nil
}

func checked(def lwm2m.ResourceDef, v lwm2m.Value) *answer {
	if err := def.Check(v); err != nil {
		return refuse(messages.BadRequest, err.Error())
	}
	return nil
}

// complete refuses to replace or create an instance without a mandatory resource that
// servers write.
func (o *served) complete(resources []lwm2m.Resource) *answer {
	for _, def := range o.def.Resources {
		given := slices.ContainsFunc(resources, func(r lwm2m.Resource) bool { return r.ID == def.ID })
		if def.Mandatory && def.Operations.Has(lwm2m.OpWrite) && !given {
			return refuse(messages.BadRequest, "resource "+def.Name+" is missing")
		}
	}
	return nil
}

// multiples lists the resources that have several instances.
func multiples(resources []lwm2m.Resource) (ids []uint16) {
	for _, r := range resources {
		if r.Multiple {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// prepared is one part of a change: of one instance, by its object.
type prepared struct {
	object   *served
	path     lwm2m.Path // of the instance
	do       any        // write or create
	carryOut object.Commit
	before   lwm2m.Instance // the instance as it was
	known    bool           // before is known
}

// transaction is a change of one or several instances: every part is prepared, and
// only when all of them can be done is the first carried out.
type transaction struct {
	session
	parts []prepared
	next  int                  // part to prepare, then to carry out
	model *messages.WriteModel // a part for the supervisor; nil for none
	// modelBefore is what that part takes the place of.
	modelBefore lwm2m.Payload
	success     answer
	after       []core.Effect // behind the answer
	owner       lwm2m.Path    // what the server is about to own; the root for nothing
	fails       []core.Effect // behind the answer of a change that fails when it is carried out
	told        bool          // the server has its answer, though not everything has been taken back
}

// change answers a request with what becomes of a change of one instance.
func (s session) change(in *messages.Inbound, part prepared, code messages.CoAPCode) answer {
	return s.start(in, &transaction{session: s, parts: []prepared{part}, success: answer{Answer: answers.Done(code)}})
}

// start begins a transaction, once it is its turn.
func (s session) start(in *messages.Inbound, t *transaction) answer {
	var wanted []*served
	w := wish{supplies: t.model != nil || t.owner.Len() > 0}
	for _, part := range t.parts {
		wanted, w.changes = append(wanted, part.object), append(w.changes, part.path)
	}
	if waits := s.turn(in, w); waits != nil {
		return *waits
	}
	if refusal := s.admit(s.peer, wanted...); refusal != nil {
		return *refusal
	}
	j, timer := s.begin(in, w.changes...)
	j.supplies = w.supplies
	return answer{later: append([]core.Effect{timer}, t.prepare(j)...)}
}

// prepare asks the next object whether its part is possible.
func (t *transaction) prepare(j *job) []core.Effect {
	if t.next < len(t.parts) {
		part := t.parts[t.next]
		return []core.Effect{t.call(j, part.object, part.path, part.do, t.possible)}
	}
	t.next = 0
	switch {
	case t.model != nil:
		return t.store(j)
	case t.owner.Len() > 0:
		return t.own(j)
	}
	return t.carryOut(j)
}

func (t *transaction) possible(j *job, now time.Time, in Returned) []core.Effect {
	if in.Err != nil {
		return t.finish(j, t.refusal(j.path, in.Err))
	}
	t.parts[t.next].carryOut = in.Commit
	t.now = now
	t.next++
	return t.prepare(j)
}

// store has the supervisor carry out its part, which it may refuse: it comes before those
// of objects, which have said that they can. The time that these have stands still.
func (t *transaction) store(j *job) []core.Effect {
	t.modelBefore = t.modelNow(t.model.Path)
	if len(t.parts) > 0 {
		before, _ := t.Machine.model.Instance(t.model.Path.Object(), t.model.Path.Instance())
		t.screenOff(j, t.model.Path, screen{before: before})
	}
	w := *t.model
	w.Deadline = t.now.Add(writeStart)
	stored := func(now time.Time, in messages.ModelWritten) []core.Effect { return t.stored(j, now, in) }
	return append([]core.Effect{core.StopTimer{Timer: timerJob(j.id)}}, t.ask(w, stored)...)
}

func (t *transaction) stored(j *job, now time.Time, in messages.ModelWritten) []core.Effect {
	j.behind = append(j.behind, tell(messages.WriteAnswered{Epoch: in.Epoch, ID: in.ID}))
	if !in.Code.IsSuccess() {
		return t.finish(j, *refuse(in.Code, in.Detail))
	}
	return append([]core.Effect{t.extend(j, now)}, t.carryOut(j)...)
}

// carryOut has the next part carried out. An object that returns no Commit has nothing
// to do.
func (t *transaction) carryOut(j *job) []core.Effect {
	for t.next < len(t.parts) && t.parts[t.next].carryOut == nil {
		t.next++
	}
	if t.next == len(t.parts) {
		return append(t.finish(j, t.success), t.after...)
	}
	part := &t.parts[t.next]
	part.before, _, part.known = t.snapshot(part.object, part.path.Instance())
	if len(t.parts) > 1 || t.model != nil {
		t.screenOff(j, part.path, screen{before: part.before, known: part.known, changes: touched(part.do.(write).change)})
	}
	j.beyond = t.hung
	return []core.Effect{t.callOrLate(j, part.object, part.path, commit{part.carryOut}, t.carriedOut, t.carriedOutLate(j, *part))}
}

func (t *transaction) carriedOut(j *job, now time.Time, in Returned) []core.Effect {
	t.noticed(t.parts[t.next].path) // whatever has become of it
	if in.Err != nil {
		return t.undo(j, now, t.refusal(j.path, in.Err))
	}
	t.next++
	return t.carryOut(j)
}
