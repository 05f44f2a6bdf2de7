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
	if m.state == "" && m.stop == nil { // the call has overtaken what begins the client's life
		m.start(now)
	}
	if m.stop == nil {
		if servers, ok := m.allowed(now, in.Call); ok {
			m.answer(in.Answer, messages.Answered{Servers: servers})
			return
		}
	}
	code := messages.ConnectNotAllowed
	m.answer(in.Answer, messages.Answered{Code: code})
	m.do(Emit{Event: messages.Event{
		Type: messages.EventError, Code: code, Name: code.String(), Phase: messages.PhaseAPI.String(), Attempt: 1,
		Action: messages.ActionNone, Detail: in.Call.String() + " is not possible while the client is " + string(m.state),
		Remedy: remedyNotAllowed,
	}})
}

// allowed carries out a call, if the state allows it, and returns the servers
// whose answers it waits for.
func (m *Machine) allowed(now time.Time, call messages.Call) (servers []string, ok bool) {
	if m.paused {
		return nil, call == messages.CallResume && m.resume(now)
	}
	switch call {
	case messages.CallUpdate:
		servers = m.update(now)
		return servers, len(servers) > 0
	case messages.CallReconnect:
		m.networkUp(now)
		return nil, true
	case messages.CallBootstrap:
		if !m.bootstrapNow(now) {
			return nil, false
		}
		return []string{m.bootstrapAccount().server()}, true
	case messages.CallPause:
		m.pause(now)
		return nil, true
	}
	return nil, false
}

// update sends an Update to every registered server that has not asked for a
// pause, and returns them.
func (m *Machine) update(now time.Time) (sent []string) {
	for _, a := range m.servers() {
		if a.stage != stageRegistered || now.Before(a.pending.floor) {
			continue
		}
		sent = append(sent, a.server())
		m.updateNow(now, a, messages.SendUpdate{Epoch: a.epoch})
	}
	return sent
}

// updateNow sends an Update to a registered server. If an Update was postponed
// after a refusal, this is it, and it counts as an attempt: a server that refuses
// an Update and then asks for one gets it when the budget of attempts allows it.
func (m *Machine) updateNow(now time.Time, a *account, order messages.SendUpdate) {
	if !a.pending.due.IsZero() {
		m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
		m.due(now, a)
		return
	}
	m.do(Order{Epoch: a.epoch, To: core.Owner, Message: order})
}

// updateTriggered handles /1/x/8 of a server.
func (m *Machine) updateTriggered(now time.Time, in messages.UpdateTriggered) {
	if a := m.live(in.Epoch); a != nil && a.stage == stageRegistered {
		m.updateNow(now, a, messages.SendUpdate{Epoch: a.epoch, Triggered: true})
	}
}

// bootstrapNow begins a bootstrap, or ends the delay of one that waits.
func (m *Machine) bootstrapNow(now time.Time) bool {
	b := m.bootstrapAccount()
	if b == nil || now.Before(b.pending.floor) || b.stage != stageIdle && b.stage != stageWaiting {
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
	m.loader.lookAt = time.Time{}
	m.do(core.StopTimer{Timer: timerLoad})
	m.order = order{}
	m.interruptFetch()
	m.tellPaused()
	for _, a := range m.accounts {
		if a.stage == stageRegistered {
			a.outage.lost(now)
		}
		m.retire(a)
		m.leaveRenewal(a)
		m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
		a.stage, a.pending = stageIdle, pending{floor: a.pending.floor}
	}
}

// resume begins every account at once; only the pauses that servers asked for
// stay in force.
func (m *Machine) resume(now time.Time) bool {
	m.paused = false
	m.tellPaused()
	if m.tree == nil || m.loader.failures > 0 {
		m.load(now)
	}
	if m.tree == nil {
		return true
	}
	for _, a := range m.accounts {
		m.heed(now, a)
	}
	m.startIdle(now)
	return true
}

// heed lets an idle account wait for what its server has asked for.
func (m *Machine) heed(now time.Time, a *account) {
	if now.Before(a.pending.floor) {
		a.stage = stageWaiting
		m.wait(now, a, a.pending.floor.Sub(now), Retry)
	}
}
