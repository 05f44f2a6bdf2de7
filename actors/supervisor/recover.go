package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// recoverFrom does what the recovery table says about a failed attempt, and
// reports it in exactly one event. The next attempt begins after least at the
// earliest, the delay after a crash.
func (m *Machine) recoverFrom(now time.Time, a *account, f messages.Failure, usable bool, least time.Duration) {
	if m.stop != nil {
		m.failedWhileLeaving(a, f)
		return
	}
	row := Lookup(&f, a.outage.twice(&f))
	a.outage.fail(&f)
	if a.registration != nil && !usable {
		a.outage.lost(now)
	}
	schedule := m.schedule(a)
	delay, exhausted := schedule.Delay(a.outage.failures - 1)
	sequences, oma := schedule.(Sequences)
	floor := max(floorOf(&f), a.pending.floor.Sub(now)) // one that is pending is kept
	step := m.feasible(row.Step, a, &f, usable)
	switch {
	case exhausted && step == Retry && m.mayBootstrap(a):
		step = Bootstrap
	case step == Ladder && floor > 0:
		step = Retry
	case exhausted && oma && step != Bootstrap:
		delay = max(delay, sequences.anew())
	}
	step, delay = m.byClock(now, a, &f, step, delay)
	delay = m.floored(a, step, max(delay, floor, least))
	turn := m.turnAfter(now, a, delay)
	if step == Ladder && turn > 0 {
		step = Retry
	}
	if forgets(step, &f) {
		a.knows(nil)
	}
	m.report(a, row, step, &f, delay, turn)
	a.silent = step == Ladder && f.Class == messages.ClassSilence
	m.carryOut(now, a, step, delay, floor)
	if a.bootstrap() {
		m.resumeServers(now)
	}
	if exhausted || !oma || step == Bootstrap { // the registration has failed
		m.turnOver(now, a, false)
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

// floored raises a delay to the bootstrap hold-off time. A Ladder has no delay.
func (m *Machine) floored(a *account, step Step, delay time.Duration) time.Duration {
	if step == Ladder {
		return 0
	}
	var floor time.Duration
	if a.bootstrap() {
		floor = m.holdOff(a, a.outage.failures)
	}
	if step == Bootstrap {
		b := m.bootstrapAccount()
		floor = max(floor, m.holdOff(b, b.outage.failures))
	}
	return Floored(delay, floor)
}

// carryOut does a step, now or when the delay is over.
func (m *Machine) carryOut(now time.Time, a *account, step Step, delay, floor time.Duration) {
	a.pending.floor, a.pending.first = time.Time{}, false
	if floor > 0 {
		a.pending.floor = now.Add(floor)
	}
	switch step {
	case Ladder:
		m.begin(now, a)
		return
	case RepeatUpdate:
		m.keepLink(a)
	case RepeatRegister:
		m.keepLink(a)
		a.stage = stageWaiting // the server has forgotten us
	default:
		m.retire(a)
		a.stage = stageWaiting
	}
	if step == RetryRegister {
		step = Retry // there is no Location any more
	}
	m.wait(now, a, delay, step)
}

// keepLink keeps the incarnation, which waits for an order.
func (m *Machine) keepLink(a *account) {
	if a.stage != stageRegistered {
		a.stage = stageWaiting
	}
	m.do(core.StopTimer{Timer: guardTimer(a.Peer)}, core.StopTimer{Timer: shareTimer(a.Peer)})
}
