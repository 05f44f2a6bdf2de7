package registration

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

// phase returns what the incarnation was doing, as events name it.
func (m *Machine) phase() messages.Phase {
	switch m.state {
	case Registered:
		return messages.PhaseRegistered
	case Updating, Deferred, Reconnecting:
		return messages.PhaseUpdate
	case Deregistering:
		return messages.PhaseClose
	case Connecting:
		if m.known != nil {
			return messages.PhaseUpdate
		}
	}
	return messages.PhaseRegister
}

// fail ends the incarnation with one report.
func (m *Machine) fail(f messages.Failure) []core.Effect {
	f.Phase, f.Peer, f.Epoch = m.phase(), m.peer, m.epoch
	stop := []core.Effect{core.StopTimer{Timer: timerAttempt}, core.StopTimer{Timer: timerUpdate}}
	if m.state == Deregistering {
		m.state = Done
		return append(stop, m.tell(messages.Deregistered{Epoch: f.Epoch, Failure: &f}))
	}
	m.state = Done
	return append(stop, m.tell(messages.Failed{Failure: f}))
}

// putOff reports a failed Update on a link that goes on working; the
// supervisor says when to go on.
func (m *Machine) putOff(f messages.Failure) []core.Effect {
	f.Phase, f.Peer, f.Epoch = messages.PhaseUpdate, m.peer, m.epoch
	m.state = Deferred
	return []core.Effect{
		core.StopTimer{Timer: timerAttempt},
		core.StopTimer{Timer: timerUpdate},
		m.tell(messages.Failed{Failure: f, LinkUsable: true}),
	}
}

func (m *Machine) tell(message any) core.Effect {
	return core.Tell{To: core.Supervisor, Message: message}
}

func (m *Machine) linkLost(in messages.LinkLost) []core.Effect { return m.fail(in.Failure) }

// requestFailed judges an exchange that brought no answer.
func (m *Machine) requestFailed(now time.Time, in messages.RequestFailed) []core.Effect {
	switch m.state {
	case Registering:
		if in.Reason == messages.Exhausted {
			// The budget is still running: a new exchange, with a new
			// message ID and token (docs/design.md, The reconnection policy).
			return m.register()
		}
		return m.fail(outcome.Unanswered(in.Reason, messages.ClassSilence))
	case Reconnecting:
		if in.Reason == messages.Reset {
			return m.refused(now, messages.Empty)
		}
		if in.Reason == messages.Exhausted {
			// Silence ends the ladder; the next attempt comes by the policy.
			return m.fail(messages.Failure{Class: messages.ClassTimeout})
		}
		return m.fail(outcome.Unanswered(in.Reason, messages.ClassSilence))
	case Updating:
		if in.Reason == messages.Reset {
			return m.refused(now, messages.Empty)
		}
		return m.fail(outcome.Unanswered(in.Reason, messages.ClassSilence))
	case Deregistering:
		return m.fail(outcome.Unanswered(in.Reason, messages.ClassSilence))
	}
	return nil
}

// silence ends a registration whose server does not acknowledge a notification
// (docs/design.md, Silence). Whatever else is under way ends by its own timers.
func (m *Machine) silence() []core.Effect {
	switch m.state {
	case Registered, Updating, Deferred:
		return m.fail(messages.Failure{Class: messages.ClassSilence})
	}
	return nil
}

func (m *Machine) response(now time.Time, in messages.Response) []core.Effect {
	if outcome.Challenged(in) && !m.echoed && m.last != nil {
		return m.repeatWithEcho(in.Echo)
	}
	m.last = nil
	switch m.state {
	case Registering:
		return m.registerAnswered(now, in)
	case Reconnecting, Updating:
		return m.updateAnswered(now, in)
	case Deregistering:
		return m.deregisterAnswered(in)
	}
	return nil
}

// registerAnswered implements the table of LwM2M Core section 6.2.1.
func (m *Machine) registerAnswered(now time.Time, in messages.Response) []core.Effect {
	switch {
	case in.Code == messages.Created:
		if !usableLocation(in.LocationPath) {
			return m.fail(messages.Failure{Class: messages.ClassBadAnswer, Cause: errNoLocation})
		}
		return m.accepted(now, in.LocationPath, false)
	case in.Code == messages.PreconditionFailed && m.version+1 < len(m.versions):
		m.version++
		return m.register()
	case in.Code.Class() >= 4:
		return m.fail(outcome.Rejected(in))
	}
	return m.fail(messages.Failure{Class: messages.ClassBadAnswer, Cause: errUnexpected, Answer: in.Code})
}

// updateAnswered implements docs/design.md, Updates that are answered.
func (m *Machine) updateAnswered(now time.Time, in messages.Response) []core.Effect {
	switch {
	case in.Code.IsSuccess():
		m.reregistered = false
		return m.accepted(now, m.known.Location, true)
	case in.Code == messages.TooManyRequests, in.Code == messages.ServiceUnavailable:
		return m.putOff(outcome.Rejected(in))
	case in.Code.Class() == 4:
		return m.refused(now, in.Code)
	case in.Code.Class() == 5:
		return m.putOff(outcome.Rejected(in))
	}
	return m.putOff(messages.Failure{Class: messages.ClassBadAnswer, Cause: errUnexpected, Answer: in.Code})
}

// refused registers anew at once on the same link, once in an Update cycle; the
// second time in a cycle the policy says when. Without that limit a server that
// answers 2.01 and then 4.04 would make a busy loop.
func (m *Machine) refused(now time.Time, answer messages.CoAPCode) []core.Effect {
	m.known = nil
	if m.reregistered {
		f := messages.Failure{Class: messages.ClassReset}
		if answer != messages.Empty {
			f = messages.Failure{Class: messages.ClassRejected, Answer: answer}
		}
		return m.putOff(f)
	}
	m.reregistered = true
	told := m.tell(messages.Reregistering{Epoch: m.epoch})
	if m.state == Reconnecting { // the attempt's budget is running already
		return append(append(m.believe(now), told), m.register()...)
	}
	return append([]core.Effect{told}, m.registerAgain(now)...)
}

// accepted records what the server now knows and arms the next Update.
func (m *Machine) accepted(now time.Time, location []string, byUpdate bool) []core.Effect {
	known := m.sent
	known.Location, known.Accepted = location, now
	m.known = &known
	m.state, m.asked = Registered, false
	effects := []core.Effect{core.StopTimer{Timer: timerAttempt}}
	if after, ok := UpdateAfter(known.Lifetime); ok {
		effects = append(effects, core.SetTimer{Timer: timerUpdate, After: after})
	}
	effects = append(effects, m.report(byUpdate))
	m.freshLink = false
	anew := m.anew && byUpdate
	m.anew = false
	if anew {
		return append(effects, m.registerAsked(now)...)
	}
	if m.stale() { // something changed while the request was under way
		effects = append(effects, m.tellChange(now)...)
	}
	return effects
}

// report tells the supervisor, which has to know whether the Update ends an
// outage or refreshes a registration on a link that works.
func (m *Machine) report(byUpdate bool) core.Effect {
	epoch := m.epoch
	if byUpdate && !m.freshLink {
		return m.tell(messages.Updated{Epoch: epoch, Registration: *m.known})
	}
	return m.tell(messages.Registered{Epoch: epoch, Registration: *m.known, ByUpdate: byUpdate})
}

func (m *Machine) deregisterAnswered(in messages.Response) []core.Effect {
	if in.Code == messages.Deleted || in.Code == messages.NotFound {
		return m.deregistered()
	}
	return m.fail(outcome.Rejected(in))
}

func (m *Machine) deregistered() []core.Effect {
	m.state = Done
	return []core.Effect{m.tell(messages.Deregistered{Epoch: m.epoch})}
}

func usableLocation(path []string) bool {
	total := 0
	for _, segment := range path {
		total += len(segment)
	}
	return len(path) > 0 && len(path) <= maxLocationSegments && total <= maxLocationBytes && requests.CheckLocation(path) == nil
}
