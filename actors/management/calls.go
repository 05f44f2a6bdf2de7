package management

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// underWay is a [Call] that has not returned.
type underWay struct {
	job    *job // that waits for it; nil once it has gone on without it
	object *served
	path   lwm2m.Path
	closed []lwm2m.Path // instances that are kept closed until it returns
	then   func(*job, time.Time, Returned) []core.Effect
	late   func(time.Time, Returned) []core.Effect // instead of then, once it is nobody's
}

// call has a handler called for a job; then takes the outcome.
func (m *Machine) call(j *job, o *served, path lwm2m.Path, do any, then func(*job, time.Time, Returned) []core.Effect) core.Effect {
	nothing := func(time.Time, Returned) []core.Effect { return nil }
	return m.callOrLate(j, o, path, do, then, nothing)
}

// callOrLate is call; late takes an outcome that comes after the deadline, of what is not
// over with an answer.
func (m *Machine) callOrLate(j *job, o *served, path lwm2m.Path, do any,
	then func(*job, time.Time, Returned) []core.Effect, late func(time.Time, Returned) []core.Effect,
) core.Effect {
	m.lastID++
	insert(&m.calls, m.lastID, &underWay{job: j, object: o, path: path, then: then, late: late})
	j.calls, j.path = append(j.calls, m.lastID), path
	return Call{ID: m.lastID, Server: j.peer.ID, Object: o.app, Path: path, Deadline: j.deadline, Do: do}
}

// overdue counts the handlers of an object that have not returned in time.
func (m *Machine) overdue(o *served) (n int) {
	for _, c := range m.calls {
		if c.job == nil && c.object == o {
			n++
		}
	}
	return n
}

// abandon leaves the handlers of a job that have not returned to themselves. The instances
// that they change stay closed until they do: nobody knows what becomes of them.
func (m *Machine) abandon(j *job) {
	for _, id := range j.calls {
		c := m.calls[id]
		c.job = nil
		m.faults = append(m.faults, Fault{Path: c.path, What: "a handler has not returned in time"})
		j.changes = slices.DeleteFunc(slices.Clone(j.changes), func(path lwm2m.Path) bool {
			if !path.Contains(c.path) {
				return false
			}
			m.changing[path], c.closed = id, append(c.closed, path)
			return true
		})
	}
	j.calls = nil
}

// returned takes the outcome of a Call.
func (m *Machine) returned(now time.Time, in Returned) []core.Effect {
	c := m.calls[in.ID]
	if c == nil {
		return nil
	}
	delete(m.calls, in.ID)
	in.of, in.path = c.object, c.path
	if j := c.job; j != nil {
		j.calls = slices.DeleteFunc(j.calls, func(id uint64) bool { return id == in.ID })
		return c.then(j, now, in)
	}
	m.unlock(in.ID, c.closed)
	if fault, is := errors.AsType[*Fault](in.Err); is {
		m.faults = append(m.faults, *fault)
	}
	return c.late(now, in)
}

// unlock lets others change the instances that a job or a late handler has changed.
func (m *Machine) unlock(id uint64, changes []lwm2m.Path) {
	for _, path := range changes {
		if m.changing[path] == id {
			delete(m.changing, path)
		}
	}
}

// noticedLate takes the outcome of an Execute of which the server has been told that it
// has failed: what it has changed is seen.
func (m *Machine) noticedLate(instance lwm2m.Path) func(time.Time, Returned) []core.Effect {
	return func(time.Time, Returned) []core.Effect {
		m.noticed(instance)
		return nil
	}
}
