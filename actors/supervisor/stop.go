package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// stopAll stops the client: registered accounts are de-registered, the others
// torn down.
func (m *Machine) stopAll(now time.Time, in messages.Stop) {
	if m.stop != nil {
		return
	}
	m.stop = &messages.Stopped{Code: messages.ConnectNotRegistered}
	m.enter(messages.StateStopping)
	m.endLinger()
	m.stopFetch()
	m.do(core.StopTimer{Timer: timerLoad})
	for _, a := range m.accounts {
		m.leave(a)
	}
	if !m.anyLeaving() {
		m.nothingToLeave()
		return
	}
	m.stop.Code = 0
	m.do(core.SetTimer{Timer: timerStop, After: in.Deadline.Sub(now)})
}

// leave de-registers an account, or tears it down where there is nothing to
// de-register.
func (m *Machine) leave(a *account) {
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.leaveRenewal(a)
	switch a.stage {
	case stageRegistered:
		a.stage = stageLeaving
		m.forgetState(a.Peer)
		m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.Deregister{Epoch: a.epoch}})
	case stageDisabling: // its record stays: the next process keeps the pause
		a.stage = stageLeaving
		m.deregisterDisabled(a)
	default:
		m.retire(a)
		a.stage = stageIdle
	}
}

func (m *Machine) anyLeaving() bool {
	return slices.ContainsFunc(m.accounts, func(a *account) bool { return a.stage == stageLeaving })
}

func (m *Machine) nothingToLeave() {
	m.do(Emit{Event: messages.Event{
		Type: messages.EventError, Code: m.stop.Code, Name: m.stop.Code.String(),
		Phase: messages.PhaseClose.String(), Attempt: 1, Action: messages.ActionNone,
		Detail: "there was no registration to end",
	}})
	m.finish()
}

func (m *Machine) deregistered(in messages.Deregistered) {
	a := m.live(in.Epoch)
	switch {
	case a == nil:
		return
	case a.stage == stageDisabling:
		m.disabledLeft(a, in.Failure)
		return
	case a.stage != stageLeaving:
		return
	}
	if in.Failure != nil {
		m.failedWhileLeaving(a, *in.Failure)
		return
	}
	a.knows(nil)
	m.do(Emit{Event: messages.Event{Type: messages.EventUnregistered, Server: a.server()}})
	m.left(a)
}

// failedWhileLeaving reports code 14; the teardown goes on.
func (m *Machine) failedWhileLeaving(a *account, f messages.Failure) {
	if a.stage != stageLeaving {
		return
	}
	m.stop.Code, m.stop.Cause = messages.ConnectorUnregistrationFailed, &f
	m.do(Emit{Event: unregistrationFailed(a, &f)})
	m.left(a)
}

func unregistrationFailed(a *account, f *messages.Failure) messages.Event {
	code := messages.ConnectorUnregistrationFailed
	return messages.Event{
		Type: messages.EventError, Code: code, Name: code.String(), Server: a.server(),
		Phase: messages.PhaseClose.String(), Attempt: 1, Action: messages.ActionNone, Detail: f.Error(),
		CoAP: answerText(f.Answer), Cause: f.Cause, Remedy: "Nothing needs to be done: the server forgets the registration when its lifetime ends.",
	}
}

func (m *Machine) left(a *account) {
	a.stage = stageIdle
	m.part(a)
	m.finishWhenLeft()
}

// finishWhenLeft ends the stop once every server has been left and no record says
// otherwise any more.
func (m *Machine) finishWhenLeft() {
	if m.stop != nil && !m.anyLeaving() && m.states.writing == 0 && !m.writes.underWay() {
		m.finish()
	}
}

// stopOverdue ends the wait for the answers to de-registrations, and for the disk.
func (m *Machine) stopOverdue() {
	m.states.writing, m.writes.result = 0, nil
	for _, a := range m.accounts {
		m.failedWhileLeaving(a, messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseClose})
	}
	if m.state != messages.StateStopped {
		m.finish()
	}
}

func (m *Machine) finish() {
	m.enter(messages.StateStopped)
	m.do(core.StopTimer{Timer: timerStop}, Finish{Stopped: *m.stop})
}
