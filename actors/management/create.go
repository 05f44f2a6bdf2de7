package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// creatable reports whether servers can create instances of an object.
func (s session) creatable(o *served) bool {
	return o.creator != nil && (o.def.Multiple || len(s.instances(o)) == 0)
}

// create is Create (section 6.3.6).
func (s session) create(r *task) answer {
	free, found := s.freeInstance(r.object)
	if !found {
		return *refuse(messages.MethodNotAllowed, "the object has as many instances as it can have")
	}
	i, refusal := s.created(r, free)
	switch {
	case refusal != nil:
		return *refusal
	case s.hasInstance(r.object, i.ID):
		return *refuse(messages.BadRequest, "the instance exists already")
	case !r.object.def.Multiple && i.ID != 0:
		return *refuse(messages.BadRequest, "the instance of this object is 0")
	}
	path := r.path.Child(i.ID)
	c := &transaction{
		session: s, parts: []prepared{{object: r.object, path: path, do: create{i}}},
		success: answer{Answer: answers.Done(messages.Created), location: path.Segments()},
		after:   []core.Effect{tell(messages.InstancesChanged{})},
	}
	if s.access.InUse() {
		c.owner = path
	}
	return s.start(&r.in, c)
}

// freeInstance finds the lowest ID that no instance has, or is about to get.
func (s session) freeInstance(o *served) (free uint16, found bool) {
	taken := slices.Clone(s.instances(o))
	for path := range s.changing {
		if path.Object() == o.id {
			taken = append(taken, path.Instance())
		}
	}
	slices.Sort(taken)
	for _, id := range taken {
		if id == free {
			free++
		}
	}
	return free, free < lwm2m.MaxID
}

// created decodes what is to be created. The server may leave it to us to choose an ID;
// then it is the free one.
func (s session) created(r *task, free uint16) (lwm2m.Instance, *answer) {
	c, refused := r.decodeCreate(s.config.Registry)
	if !refused.IsZero() {
		return lwm2m.Instance{}, undecoded(refused, func() *answer { return r.misnamedNew(free) })
	}
	i := lwm2m.Instance{ID: free}
	if c.HasID {
		i.ID = c.ID
	}
	var refusal *answer
	if i.Resources, refusal = r.object.written(r.path.Child(i.ID), c.Resources, true); refusal == nil {
		refusal = r.object.complete(i.Resources)
	}
	return i, refusal
}

// decodeCreate decodes the payload of a Create. Where there is none it needs no format: the
// instance has what the object gives it.
func (r *task) decodeCreate(registry *lwm2m.Registry) (codec.Creation, answers.Answer) {
	if r.in.ContentFormat == nil && len(r.in.Payload) == 0 {
		return codec.Creation{}, answers.Answer{}
	}
	return answers.DecodeCreate(r.in, r.path.Object(), registry, lwm2m.Limits{})
}

// delete is Delete (section 6.3.7), of an instance, or of an instance of a resource, as
// LwM2M 1.2 has it.
func (s session) delete(r *task) answer {
	instance := r.path.Prefix(2)
	if r.path.Len() == 4 {
		change := object.Change{Instance: instance.Instance(), Remove: []lwm2m.Path{r.path}}
		return s.change(&r.in, prepared{object: r.object, path: instance, do: write{change}}, messages.Deleted)
	}
	governed := s.access.InUse()
	if waits := s.turn(&r.in, wish{changes: []lwm2m.Path{instance}, supplies: governed}); waits != nil {
		return *waits
	}
	if refusal := s.admit(s.peer, r.object); refusal != nil {
		return *refusal
	}
	j, timer := s.begin(&r.in, instance)
	j.supplies = governed
	call := s.callOrLate(j, r.object, instance, remove{instance.Instance()}, s.removed, s.removedLate(*j, instance))
	return answer{later: []core.Effect{timer, call}}
}

// removed has what is said about a deleted instance go, too.
func (m *Machine) removed(j *job, now time.Time, in Returned) []core.Effect {
	m.noticed(j.path) // whatever has become of it
	switch {
	case in.Err != nil:
		return m.finish(j, m.refusal(j.path, in.Err))
	case m.access.Governs(j.path.Object(), j.path.Instance()):
		return m.disown(j, now)
	}
	return m.gone(j)
}

// removedLate takes the outcome of a Delete of which the server has been told that it has
// failed. An instance that is gone is gone, and what is said about it goes, too.
func (m *Machine) removedLate(j job, instance lwm2m.Path) func(time.Time, Returned) []core.Effect {
	return func(now time.Time, in Returned) (effects []core.Effect) {
		m.noticed(instance)
		if in.Err != nil {
			return nil
		}
		if m.access.Governs(instance.Object(), instance.Instance()) {
			effects = append(effects, tell(ownerChange(&j, now, instance, true)))
		}
		effects = append(effects, tell(messages.InstancesChanged{}))
		return append(effects, m.forgetAttributes(instance)...)
	}
}

// gone answers a Delete, behind which the registration is told.
func (m *Machine) gone(j *job) []core.Effect {
	effects := append(m.finish(j, answer{Answer: answers.Done(messages.Deleted)}), tell(messages.InstancesChanged{}))
	return append(effects, m.forgetAttributes(j.path)...)
}
