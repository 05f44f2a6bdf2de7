package management

import (
	"errors"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

var errNotRead = errors.New("the store has not read the record in time")

// writeAttributes is Write-Attributes (section 6.3.4). What the server sets belongs to
// it, and is durable before it is told so.
func (s session) writeAttributes(r *task) answer {
	if len(r.in.Query) == 0 {
		return *notAllowed // a Write of nothing
	}
	change, err := reporting.ParseQuery(r.in.Query)
	if err != nil {
		return *refuse(messages.BadRequest, err.Error())
	}
	o, effects := s.observer(s.peer)
	def, _ := r.object.resource(r.path.Resource())
	after, err := change.Apply(o.attributes.At(r.path), r.path, def.Kind)
	if err != nil {
		return *refuse(messages.BadRequest, err.Error())
	}
	if err := s.setAttributes(o, r, after); err != nil {
		return *refuse(messages.InternalServerError, err.Error())
	}
	return answer{Answer: answers.Done(messages.Changed), keeps: o, before: effects}
}

// setAttributes sets the attributes of a path, and what follows for observations: where
// thresholds are others, what was not worth telling may be.
func (s session) setAttributes(o *observer, r *task, a reporting.Attributes) error {
	moved := !a.SameThresholds(o.attributes.At(r.path))
	if err := o.attributes.Put(r.path, a); err != nil {
		return err
	}
	if o.epoch != r.in.Epoch { // the session has not been announced yet
		if o.early.epoch != r.in.Epoch {
			o.early = earlyAttributes{epoch: r.in.Epoch}
		}
		_ = o.early.table.Put(r.path, a) // there is room in the other, which has more
	}
	for _, ob := range s.observed.Concerned(r.path) {
		if ob.Peer != s.peer {
			continue
		}
		if s.refresh(o, ob); moved {
			s.lookAt(ob)
		}
	}
	return nil
}

// attributesOf is what Discover shows of attributes at a path: what the asking server
// has set there. Of the resource that is asked for it shows what is in force.
func (s session) attributesOf(path, target lwm2m.Path) (a reporting.Attributes) {
	o := s.observers.of(s.peer)
	switch {
	case o == nil:
		return a
	case path == target && path.Len() == 3:
		return o.attributes.InForce(path)
	}
	return o.attributes.At(path)
}

// forgetAttributes drops what servers have set at an instance that is deleted, and below.
func (m *Machine) forgetAttributes(instance lwm2m.Path) (effects []core.Effect) {
	for _, o := range m.observers {
		if o.attributes.Forget(instance) {
			effects = append(effects, m.keep(o)...)
		}
	}
	return effects
}
