package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// recoverFrom does what the recovery table says about a failed attempt, and
// reports it in exactly one event.
func (m *Machine) recoverFrom(now time.Time, a *account, f messages.Failure, usable bool) {
	if m.stop != nil {
		m.failedWhileLeaving(a, f)
		return
	}
	row := Lookup(&f, a.twice(&f))
	a.failures++
	a.last = &f
	if a.lostAt.IsZero() && a.registration != nil && !usable {
		a.lostAt = now
	}
	schedule := m.schedule(a)
	delay, exhausted := schedule.Delay(a.failures - 1)
	sequences, oma := schedule.(Sequences)
	floor := max(floorOf(&f), a.floor.Sub(now)) // one that is pending is kept
	step := m.feasible(row.Step, a, &f, usable)
	switch {
	case exhausted && step == Retry && m.mayBootstrap(a):
		step = Bootstrap
	case step == Ladder && floor > 0:
		step = Retry
	case exhausted && oma && step != Bootstrap:
		delay = max(delay, sequences.anew())
	}
	delay = m.floored(a, step, &f, max(delay, floor))
	turn := m.turnAfter(now, a, delay)
	if step == Ladder && turn > 0 {
		step = Retry
	}
	if forgets(step, &f) {
		a.registration = nil
	}
	m.report(a, row, step, &f, delay, turn)
	m.carryOut(now, a, step, delay, floor)
	if a.bootstrap() {
		m.resumeServers(now)
	}
	if exhausted || !oma {
		m.lineMoves(now, a, false)
	}
}

// forgets reports whether the Location is void after f: the server has said so.
// What happens in a handshake, where an alert is forgeable, costs no Location.
func forgets(step Step, f *messages.Failure) bool {
	return step == RetryRegister || step == RepeatRegister || step == Bootstrap && f.Class == messages.ClassRejected
}

// feasible replaces a step that is not possible at present.
func (m *Machine) feasible(step Step, a *account, f *messages.Failure, usable bool) Step {
	switch {
	case step == Bootstrap && !m.mayBootstrap(a):
		if f.Class == messages.ClassRejected {
			return Retry
		}
		return Reload // own credentials are the problem: new ones can only come from files
	case step == RepeatUpdate && !usable:
		return Retry
	case step == RepeatRegister && !usable:
		return RetryRegister
	}
	return step
}

// floored applies the floors that are our own to a delay: the bootstrap
// hold-off time, and the decay of crashes.
func (m *Machine) floored(a *account, step Step, f *messages.Failure, delay time.Duration) time.Duration {
	if step == Ladder {
		return 0
	}
	var floor time.Duration
	if a.bootstrap() {
		floor = m.holdOff(a, a.failures)
	}
	if step == Bootstrap {
		b := m.accounts[messages.BootstrapPeer()]
		floor = max(floor, m.holdOff(b, b.failures))
	}
	if f.Class == messages.ClassCrash {
		floor = max(floor, m.crashDelay)
	}
	return Floored(delay, floor)
}

func (m *Machine) carryOut(now time.Time, a *account, step Step, delay, floor time.Duration) {
	a.floor = time.Time{}
	if floor > 0 {
		a.floor = now.Add(floor)
	}
	switch step {
	case Ladder:
		m.begin(now, a)
	case RepeatUpdate:
		m.keepLink(a)
		m.wait(now, a, delay, intentRepeatUpdate)
	case RepeatRegister:
		m.keepLink(a)
		a.stage = stageWaiting // the server has forgotten us
		m.wait(now, a, delay, intentRepeatRegister)
	case Bootstrap:
		m.retire(a)
		a.stage = stageWaiting
		m.wait(now, a, delay, intentBootstrap)
	case Reload:
		m.retire(a)
		a.stage = stageWaiting
		m.wait(now, a, delay, intentReload)
	default:
		m.retire(a)
		a.stage = stageWaiting
		m.wait(now, a, delay, intentAttempt)
	}
}

// keepLink keeps the incarnation, which waits for an order.
func (m *Machine) keepLink(a *account) {
	if a.stage != stageRegistered {
		a.stage = stageWaiting
	}
	m.do(core.StopTimer{Timer: guardTimer(a.Peer)})
}

// wait arms an account's next attempt: after delay, and within the budget.
func (m *Machine) wait(now time.Time, a *account, delay time.Duration, i intent) {
	turn := m.turnAfter(now, a, delay)
	a.intent, a.wanted, a.due = i, now.Add(delay), now.Add(turn)
	m.do(core.SetTimer{Timer: waitTimer(a.Peer), After: turn})
}

// resumeServers lets the management accounts that wait for a bootstrap try again
// themselves: a bootstrap server that is gone must not keep us from a management
// server that is back. An account whose delay ended during the bootstrap begins
// at once. With a new delay it might never begin: that could end during the next
// bootstrap, and so on.
func (m *Machine) resumeServers(now time.Time) {
	for _, a := range m.servers() {
		if a.stage != stageWaiting || !a.due.IsZero() || a.epoch != 0 {
			continue
		}
		switch a.intent {
		case intentAttempt:
			m.attempt(now, a)
		case intentBootstrap:
			m.wait(now, a, m.config.Policy.Delay(a.failures-1), intentAttempt)
		}
	}
}

// expired takes a timer that is due.
func (m *Machine) expired(now time.Time, timer core.Timer) {
	switch timer {
	case timerLoad:
		if !m.paused {
			m.lookAgain(now)
		}
	case timerLinger:
		m.endLinger()
	case timerStop:
		m.stopOverdue()
	case respawnTimer(core.Role(timer.Key)):
		m.respawn(now, core.Role(timer.Key))
	default:
		m.accountTimer(now, timer)
	}
}

func (m *Machine) accountTimer(now time.Time, timer core.Timer) {
	a := m.accounts[messages.PeerOfKey(timer.Key)]
	if a == nil {
		return
	}
	if timer.Name == timerGuard {
		m.failed(now, messages.Failed{Failure: messages.Failure{
			Class: messages.ClassUnknown, Phase: a.phase(), Peer: a.Peer, Epoch: a.epoch, Cause: errStranded,
		}})
		return
	}
	m.due(now, a)
}

// due does what an account has been waiting for.
func (m *Machine) due(now time.Time, a *account) {
	a.due, a.floor = time.Time{}, time.Time{}
	switch a.intent {
	case intentRepeatUpdate:
		m.useLink(now, a, messages.SendUpdate{Epoch: a.epoch})
	case intentRepeatRegister:
		m.useLink(now, a, messages.SendRegister{Epoch: a.epoch})
	case intentBootstrap:
		m.beginBootstrap(now)
		if b := m.accounts[messages.BootstrapPeer()]; b == nil || b.stage == stageWaiting {
			m.resumeServers(now) // a bootstrap waits for its own delay already
		}
	case intentReload:
		m.load(now)
	default:
		m.attempt(now, a)
	}
}

// useLink ends a wait on a link that works.
func (m *Machine) useLink(now time.Time, a *account, order any) {
	if !m.takeTurn(now, a, a.intent) {
		return
	}
	if a.stage == stageWaiting {
		a.stage = stageTalking
	}
	m.do(Order{Epoch: a.epoch, To: core.Owner, Message: order})
}

// attempt begins an attempt, unless a bootstrap is under way that will replace
// the account: then its outcome decides.
func (m *Machine) attempt(now time.Time, a *account) {
	if b := m.accounts[messages.BootstrapPeer()]; !a.bootstrap() && b != nil && b.epoch != 0 {
		return
	}
	m.begin(now, a)
}

// networkUp ends the present waits; what a server asked for is kept.
func (m *Machine) networkUp(now time.Time) {
	if m.paused || m.stop != nil || !m.hinted.IsZero() && now.Sub(m.hinted) < hintInterval {
		return
	}
	m.hinted = now
	for _, a := range m.everyone() {
		m.hurry(now, a, a.floor)
	}
	if !m.lookAt.IsZero() {
		m.load(now)
	}
}

// woke subtracts the time that the machine was suspended from every wait and from
// the pauses that servers asked for. Then it is a hint like NetworkUp: after a
// suspend the network has often changed.
func (m *Machine) woke(now time.Time, in messages.Woke) {
	if m.paused || m.stop != nil {
		return
	}
	m.budget.Slept(in.Slept)
	for _, a := range m.everyone() {
		if a.stage == stageRegistered && a.due.IsZero() {
			m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.SendUpdate{Epoch: a.epoch}})
			continue
		}
		if !a.floor.IsZero() {
			a.floor = a.floor.Add(-in.Slept)
		}
		m.hurry(now, a, a.due.Add(-in.Slept))
	}
	if !m.lookAt.IsZero() {
		m.lookIn(now, m.lookAt.Sub(now)-in.Slept)
	}
	m.networkUp(now)
}

// hurry moves the end of an account's wait forward to until, or to now, as far as
// the budget of attempts allows.
func (m *Machine) hurry(now time.Time, a *account, until time.Time) {
	if a.due.IsZero() || !a.due.After(until) {
		return
	}
	delay := max(until.Sub(now), 0)
	if m.turnAfter(now, a, delay) > 0 {
		m.wait(now, a, delay, a.intent)
		return
	}
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.due(now, a)
}

func (a *account) succeed() {
	a.failures, a.last, a.worst, a.lostAt, a.floor = 0, nil, nil, time.Time{}, time.Time{}
}
