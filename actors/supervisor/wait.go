package supervisor

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

var errStranded = errors.New("the attempt ended without a report")

var errShareOver = errors.New("the time of this address is over: another one was resolved meanwhile")

// wait arms an account's next attempt: after delay, and within the budget.
func (m *Machine) wait(now time.Time, a *account, delay time.Duration, step Step) {
	turn := m.turnAfter(now, a, delay)
	a.pending.step, a.pending.wanted, a.pending.due = step, now.Add(delay), now.Add(turn)
	m.do(core.SetTimer{Timer: waitTimer(a.Peer), After: turn})
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
	case timerOrder:
		m.unblock(now)
	case timerHint:
		m.hintDue(now)
	case timerFetch:
		m.fetchDue(now)
	case timerFetchGuard:
		m.fetchStranded(now)
	case respawnTimer(core.Role(timer.Key)):
		m.respawn(now, core.Role(timer.Key))
	default:
		m.accountTimer(now, timer)
	}
}

func (m *Machine) accountTimer(now time.Time, timer core.Timer) {
	a := m.accounts.of(messages.PeerOfKey(timer.Key))
	if a == nil {
		return
	}
	switch timer.Name {
	case timerShare:
		m.shareOver(now, a)
	case timerRenew:
		if a.renewal != nil {
			a.renewal.due = time.Time{} // settle looks
		}
	case timerRenewGuard:
		m.renewalStranded(now, a)
	case timerGuard:
		m.failed(now, messages.Failed{Failure: messages.Failure{
			Class: messages.ClassUnknown, Phase: a.phase(), Peer: a.Peer, Epoch: a.epoch, Cause: errStranded,
		}}, 0)
	default:
		m.allDue(now, a)
	}
}

// allDue does what the accounts have been waiting for whose waits are over by now,
// expired among them. Timers of one instant expire in any order; what becomes of the
// accounts must not depend on that: who has waited for the earlier instant begins,
// then the bootstrap account, then the servers by their short IDs.
func (m *Machine) allDue(now time.Time, expired *account) {
	over := m.accounts.those(func(a *account) bool {
		return a == expired || !a.pending.due.IsZero() && !a.pending.due.After(now)
	})
	slices.SortStableFunc(over, func(a, b *account) int { return a.pending.due.Compare(b.pending.due) })
	for _, a := range over {
		if a == expired || !a.pending.due.IsZero() { // it has not begun with another one
			m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
			m.due(now, a)
		}
	}
}

// due does what an account has been waiting for.
func (m *Machine) due(now time.Time, a *account) {
	a.pending.over()
	m.enable(a)
	switch a.pending.step {
	case RepeatUpdate:
		m.useLink(now, a, messages.SendUpdate{Epoch: a.epoch})
	case RepeatRegister:
		m.useLink(now, a, messages.SendRegister{Epoch: a.epoch})
	case Bootstrap:
		m.beginBootstrap(now)
		if b := m.bootstrapAccount(); b == nil || b.stage == stageWaiting {
			m.resumeServers(now) // a bootstrap waits for its own delay already
		}
	case Reload:
		m.load(now)
	default:
		m.retry(now, a)
	}
}

// useLink ends a wait on a link that works.
func (m *Machine) useLink(now time.Time, a *account, order any) {
	if !m.takeTurn(now, a, a.pending.step) {
		return
	}
	if a.stage == stageWaiting {
		a.stage = stageTalking
	}
	m.do(Order{Epoch: a.epoch, To: core.Owner, Message: order})
}

// retry begins an attempt, unless a bootstrap is under way that will replace
// the account: then its outcome decides.
func (m *Machine) retry(now time.Time, a *account) {
	if b := m.bootstrapAccount(); !a.bootstrap() && b != nil && b.epoch != 0 {
		return
	}
	m.begin(now, a)
}

// resumeServers lets the management accounts that wait for a bootstrap try again
// themselves: a bootstrap server that is gone must not keep us from a management
// server that is back. An account whose delay ended during the bootstrap begins
// at once. With a new delay it might never begin: that could end during the next
// bootstrap, and so on.
func (m *Machine) resumeServers(now time.Time) {
	for _, a := range m.servers() {
		if a.stage != stageWaiting || !a.pending.due.IsZero() || a.epoch != 0 {
			continue
		}
		switch a.pending.step {
		case Retry:
			m.retry(now, a)
		case Bootstrap:
			m.wait(now, a, m.afterBootstrap(a), Retry)
		}
	}
}

// afterBootstrap is the delay after which an account tries again itself that was to
// bootstrap: that of its own policy, without the bootstrap that would end a series.
func (m *Machine) afterBootstrap(a *account) time.Duration {
	schedule := m.schedule(a)
	delay, exhausted := schedule.Delay(a.outage.failures - 1)
	if sequences, oma := schedule.(Sequences); exhausted && oma {
		delay = max(delay, sequences.anew())
	}
	return delay
}

// networkUp ends the present waits; what a server asked for is kept.
func (m *Machine) networkUp(now time.Time) {
	m.hinted(now, func(*account) bool { return true })
}

// hinted heeds a hint, unless it comes too early, for the accounts that it is about.
func (m *Machine) hinted(now time.Time, about func(*account) bool) {
	if m.paused || m.stop != nil || !m.rates.hint(now) {
		return
	}
	for _, a := range m.accounts {
		if about(a) {
			m.hurry(now, a, later(a.pending.floor, a.settled()))
		}
	}
	m.hurryFetch(now, now)
	if !m.loader.lookAt.IsZero() {
		m.load(now)
	}
}

// woke subtracts the time that the machine was suspended from every wait and from
// the pauses that servers asked for. Then it is a hint like NetworkUp: after a
// suspend the network has often changed.
func (m *Machine) woke(now time.Time, in messages.Woke) {
	m.tellSiblings(in)
	if m.paused || m.stop != nil {
		return
	}
	m.budget.Slept(in.Slept)
	m.blockUntil(now, m.order.blocked.Add(-in.Slept))
	for _, a := range m.accounts {
		if a.stage == stageRegistered && a.pending.due.IsZero() {
			m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.SendUpdate{Epoch: a.epoch}})
			continue
		}
		a.slept(in.Slept)
		m.hurry(now, a, a.pending.due.Add(-in.Slept))
	}
	m.fetchSlept(now, in.Slept)
	if !m.loader.lookAt.IsZero() {
		m.lookIn(now, m.loader.lookAt.Sub(now)-in.Slept)
	}
	m.networkUp(now)
}

// slept subtracts the time of a suspend from what the server has asked for.
func (a *account) slept(d time.Duration) {
	if !a.pending.floor.IsZero() {
		a.pending.floor = a.pending.floor.Add(-d)
	}
	if a.disabled.is() {
		a.disabled.until = a.disabled.until.Add(-d)
	}
}

// hurry moves the end of an account's wait forward to until, or to now, as far as
// the budget of attempts allows.
func (m *Machine) hurry(now time.Time, a *account, until time.Time) {
	if a.pending.due.IsZero() || !a.pending.due.After(until) {
		return
	}
	delay := max(until.Sub(now), 0)
	if m.turnAfter(now, a, delay) > 0 {
		m.wait(now, a, delay, a.pending.step)
		return
	}
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.due(now, a)
}
