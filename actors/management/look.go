package management

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of the delay after which values are read again that could not be read, for a
// reason that may pass: an observation does not end for that. The first delay is short, so
// that a value that is read every second is not missed for long because of one failure;
// each one after that is twice as long, up to the last or to how often the values are read.
const (
	lookAgainFirst = time.Second
	lookAgainLast  = 10 * time.Second
)

// missed is the delay after values could not be read, one time more in a row.
func (w *observation) missed() time.Duration {
	last := max(lookAgainLast, w.Sample)
	w.again = min(max(lookAgainFirst, 2*w.again), last)
	return w.again
}

// timerObserve wakes the actor for the observation that is due first.
var timerObserve = core.Timer{Name: "observe"}

// attend does what is due for observations, and sets the timer for what will be.
func (m *Machine) attend(now time.Time) (effects []core.Effect) {
	for ob := m.observed.Due(now); ob != nil; ob = m.observed.Due(now) {
		effects = append(effects, m.act(now, ob)...)
	}
	return append(effects, m.readRounds(now)...)
}

func (m *Machine) setAlarm(now time.Time) []core.Effect {
	next, due := m.observed.Next()
	switch {
	case !due && m.alarm.IsZero(), due && next.Equal(m.alarm):
		return nil
	case !due:
		m.alarm = time.Time{}
		return []core.Effect{core.StopTimer{Timer: timerObserve}}
	}
	m.alarm = next
	return []core.Effect{core.SetTimer{Timer: timerObserve, After: next.Sub(now)}}
}

// act reads the values of an observation where that is due. What an object does wrong
// meanwhile harms no other observation.
func (m *Machine) act(now time.Time, ob *reporting.Observation) []core.Effect {
	if m.dormant(ob) || ob.Do(now) == reporting.Wait {
		m.schedule(ob)
		return nil
	}
	return m.apart(func() []core.Effect { return m.look(now, ob) })
}

// look reads the values of an observation: at once where they are in memory.
func (m *Machine) look(now time.Time, ob *reporting.Observation) []core.Effect {
	s := session{Machine: m, peer: ob.Peer, now: now}
	var sources []source
	if ob.Composite {
		sources = s.composite(ob.Targets)
	} else if refusal := s.judgeRead(ob.Targets[0]); refusal != nil {
		return m.expel(ob, now, *refusal)
	} else {
		sources = s.sources(ob.Targets[0])
	}
	if len(missing(sources)) == 0 {
		return m.seen(now, ob, sources)
	}
	m.readLater(ob, sources)
	return nil
}

// judgeRead refuses to read a target that is not there any more, or that the server may
// not read any more, as a request would be refused.
func (s session) judgeRead(target lwm2m.Path) *answer {
	return s.judge(&task{path: target, op: opRead, object: s.object(target.Object())})
}

// current ends the reading of an observation; it reports whether anybody is to be told
// what was read.
func (m *Machine) current(ob *reporting.Observation) bool {
	if !m.observed.Has(ob) {
		return false
	}
	m.observations[ob.ID].reading = false
	if m.dormant(ob) { // since that began
		m.schedule(ob)
		return false
	}
	return true
}

// unseen has values read again later that could not be read.
func (m *Machine) unseen(now time.Time, ob *reporting.Observation) []core.Effect {
	if m.current(ob) {
		m.observed.Schedule(ob, now.Add(m.observations[ob.ID].missed()))
	}
	return nil
}

// seen judges the values of an observation, and tells the server what is worth it.
func (m *Machine) seen(now time.Time, ob *reporting.Observation, sources []source) []core.Effect {
	if !m.current(ob) {
		return nil
	}
	if ob.Composite {
		sources = slices.DeleteFunc(sources, source.refused)
	}
	p, err := content(sources)
	if refusal := m.vanished(ob, sources, err); refusal != nil {
		return m.expel(ob, now, *refusal)
	}
	if err != nil {
		if _, said := errors.AsType[*object.Error](err); !said {
			m.fault(ob.Targets[0], err)
		}
		return m.unseen(now, ob)
	}
	m.observations[ob.ID].again = 0
	return m.judged(now, ob, p)
}

// judged tells the server the values that were read, if they are worth it. A change since
// that began may have come too late for them: they are looked at again, whatever the
// server was told.
func (m *Machine) judged(now time.Time, ob *reporting.Observation, p lwm2m.Payload) (effects []core.Effect) {
	w, values := m.observations[ob.ID], settled(ob, p)
	m.recall(now, ob, values)
	if !w.sampled || ob.Reshaped(values) {
		w.sample(m, p)
	}
	if ob.Do(now) == reporting.Look {
		ob.Looked(now, values, m.thresholds(m.observers.of(ob.Peer)))
	}
	if ob.Do(now) == reporting.Tell {
		effects = m.report(now, ob, p)
	}
	if w.changed {
		ob.Changed()
		w.changed = false
	}
	if m.observed.Has(ob) {
		m.schedule(ob)
	}
	return effects
}

// vanished is what ends an observation of a single target: it is not there any more, or
// its object refuses it for good.
func (m *Machine) vanished(ob *reporting.Observation, sources []source, err error) *answer {
	var said *object.Error
	switch {
	case ob.Composite || ob.Targets[0].Len() < 2:
		return nil
	case errors.As(err, &said) && said.Code.Class() == 4:
		return refuse(said.Code, said.Detail)
	case err == nil && !sources[0].found:
		return notFound
	}
	return nil
}

// encodeFor encodes what an observation says, in the format in which it began.
func encodeFor(ob *reporting.Observation, p lwm2m.Payload) answers.Answer {
	if ob.Composite {
		return answers.EncodeComposite(ob.Format, p)
	}
	return answers.Encode(ob.Format, ob.Targets[0], p)
}

// report tells the server the values as they are now.
func (m *Machine) report(now time.Time, ob *reporting.Observation, p lwm2m.Payload) []core.Effect {
	a := encodeFor(ob, p)
	if a.Code != messages.Content {
		return m.expel(ob, now, answer{Answer: a})
	}
	reported := m.reportedIn(p.Nodes)
	confirmable := ob.Confirmable(now) || m.owed(ob.Peer, reported)
	ob.Told(now, settled(ob, p), confirmable)
	return m.send(m.observers.of(ob.Peer), note{
		observation: ob, at: now, code: a.Code, format: a.Format, payload: a.Payload, confirmable: confirmable, reported: reported,
	})
}

// expel ends an observation with an error, which the server is told (RFC 7641 section
// 4.2).
func (m *Machine) expel(ob *reporting.Observation, now time.Time, a answer) []core.Effect {
	o, began := m.observers.of(ob.Peer), m.observations[ob.ID].epoch
	m.observed.Cancel(ob.Peer, ob.Token)
	delete(m.observations, ob.ID)
	effects := m.send(o, note{observation: ob, at: now, code: a.Code, payload: a.Payload, confirmable: true, began: began})
	return append(effects, m.keep(o)...)
}
