package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// called answers a call of the application or of a person.
//
//	                 starting  connecting  registered  waiting  paused  stopping
//	update              -          -           ok*        -        -        -
//	reconnect           ok         ok          ok         ok       -        -
//	bootstrap           -          ok**        ok**       ok*      -        -
//	pause               ok         ok          ok         ok       -        -
//	resume              -          -           -          -        ok       -
//	factory-reset       ok         ok          ok         ok       ok       ok
//
//	-   ConnectNotAllowed, and nothing changes
//	*   unless the server has asked for a pause (Max-Age)
//	**  unless a bootstrap is under way, or there is no bootstrap account
func (m *Machine) called(now time.Time, in messages.CallRequest) {
	if in.Call == messages.CallFactoryReset {
		m.factoryReset(in)
		return
	}
	if m.stop == nil && m.state != "" && m.allowed(now, in.Call) {
		m.answer(in.Answer, 0, nil)
		return
	}
	code := messages.ConnectNotAllowed
	m.answer(in.Answer, code, nil)
	m.do(Emit{Event: messages.Event{
		Type: messages.EventError, Code: code, Name: code.String(), Phase: messages.PhaseAPI.String(), Attempt: 1,
		Action: messages.ActionNone, Detail: in.Call.String() + " is not possible while the client is " + string(m.state),
		Remedy: remedyNotAllowed,
	}})
}

// allowed carries out a call, if the state allows it.
func (m *Machine) allowed(now time.Time, call messages.Call) bool {
	if m.paused {
		return call == messages.CallResume && m.resume(now)
	}
	switch call {
	case messages.CallUpdate:
		return m.update(now)
	case messages.CallReconnect:
		m.networkUp(now)
		return true
	case messages.CallBootstrap:
		return m.bootstrapNow(now)
	case messages.CallPause:
		m.pause(now)
		return true
	}
	return false
}

// update sends an Update to every registered server that has not asked for a
// pause.
func (m *Machine) update(now time.Time) (sent bool) {
	for _, a := range m.servers() {
		if a.stage != stageRegistered || now.Before(a.floor) {
			continue
		}
		sent = true
		m.updateNow(now, a, messages.SendUpdate{Epoch: a.epoch})
	}
	return sent
}

// updateNow sends an Update to a registered server. If an Update was postponed
// after a refusal, this is it, and it counts as an attempt: a server that refuses
// an Update and then asks for one gets it when the budget of attempts allows it.
func (m *Machine) updateNow(now time.Time, a *account, order messages.SendUpdate) {
	if !a.due.IsZero() {
		m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
		m.due(now, a)
		return
	}
	m.do(Order{Epoch: a.epoch, To: core.Owner, Message: order})
}

// bootstrapNow begins a bootstrap, or ends the delay of one that waits.
func (m *Machine) bootstrapNow(now time.Time) bool {
	b := m.accounts[messages.BootstrapPeer()]
	if b == nil || now.Before(b.floor) || b.stage != stageIdle && b.stage != stageWaiting {
		return false
	}
	m.begin(now, b)
	return true
}

// pause takes every link down and cancels every wait. Locations and failure
// counts are kept.
func (m *Machine) pause(now time.Time) {
	m.paused = true
	m.endLinger()
	m.lookAt = time.Time{}
	m.do(core.StopTimer{Timer: timerLoad})
	m.line, m.turn = nil, messages.Peer{}
	for _, a := range m.everyone() {
		if a.stage == stageRegistered && a.lostAt.IsZero() {
			a.lostAt = now
		}
		m.retire(a)
		m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
		a.stage, a.due, a.intent = stageIdle, time.Time{}, intentAttempt
	}
}

// resume begins every account at once; only the pauses that servers asked for
// stay in force.
func (m *Machine) resume(now time.Time) bool {
	m.paused = false
	if m.tree == nil || m.loads > 0 {
		m.load(now)
	}
	if m.tree == nil {
		return true
	}
	for _, a := range m.everyone() {
		if now.Before(a.floor) {
			a.stage = stageWaiting
			m.wait(now, a, a.floor.Sub(now), intentAttempt)
		}
	}
	m.startIdle(now, false)
	return true
}

// factoryReset removes what a bootstrap has stored. It is allowed in every state,
// being a person's last resort.
func (m *Machine) factoryReset(in messages.CallRequest) {
	m.reset++
	m.resets[m.reset] = in.Answer
	m.do(core.Tell{To: core.Store, Message: messages.ForgetCredentials{Token: m.reset}})
}

// forgotten ends a factory reset: everything begins anew from the factory's
// accounts.
func (m *Machine) forgotten(now time.Time, in messages.CredentialsForgotten) {
	answer, ok := m.resets[in.Token]
	if !ok {
		return
	}
	delete(m.resets, in.Token)
	if in.Err != nil {
		f := messages.Failure{Class: messages.ClassStoreWrite, Phase: messages.PhaseStore, Cause: in.Err}
		e := errorEvent(Lookup(&f, false), &f)
		e.Attempt, e.Action = 1, messages.ActionUser
		m.answer(answer, e.Code, in.Err)
		m.do(Emit{Event: e})
		return
	}
	m.answer(answer, 0, nil)
	if m.stop != nil {
		return
	}
	m.endLinger()
	for _, a := range m.everyone() {
		m.forget(a)
	}
	m.tree, m.loads, m.line, m.turn = nil, 0, nil, messages.Peer{}
	m.load(now)
}
