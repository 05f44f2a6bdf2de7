package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Every wait of an account is booked with the client's budget of attempts: it ends
// at the first instant at or after the policy's at which the budget allows an
// attempt, the account's turn. So the end is known when a failure is reported, no
// account is overtaken, and none starves: a booking only ever moves to an earlier
// instant.

// plan holds the attempts that have begun, and the bookings of all other
// accounts.
func (m *Machine) plan(except *account) Plan {
	var booked []time.Time
	for _, a := range m.accounts {
		if a != except && !a.due.IsZero() {
			booked = append(booked, a.due)
		}
	}
	return m.budget.Plan(booked)
}

// turnAfter returns how long an account has to wait for its turn, at least delay.
func (m *Machine) turnAfter(now time.Time, a *account, delay time.Duration) time.Duration {
	return m.plan(a).Earliest(now.Add(delay)).Sub(now)
}

// takeTurn uses the budget for an attempt of the account now. When it is
// exhausted, the account waits for its turn and the result is false.
func (m *Machine) takeTurn(now time.Time, a *account, i intent) bool {
	if m.turnAfter(now, a, 0) > 0 {
		m.wait(now, a, 0, i)
		return false
	}
	a.due = time.Time{}
	m.budget.Begin(now, a.server())
	return true
}

// outOfTurn reports whether the budget makes an account wait longer than the
// policy does.
func (a *account) outOfTurn() bool { return !a.due.IsZero() && a.due.After(a.wanted) }

// succeeded frees the budget that the attempts at the account's server have used
// and, at the first success since a bootstrap, those at the bootstrap server too.
// The accounts that wait for a turn move forward.
func (m *Machine) succeeded(now time.Time, a *account) {
	m.budget.Succeeded(a.server())
	if b := m.accounts[messages.BootstrapPeer()]; b != nil && m.unproven {
		m.budget.Succeeded(b.server())
	}
	m.closeRanks(now)
}

// closeRanks renews the bookings of the accounts that wait for a turn, in order.
func (m *Machine) closeRanks(now time.Time) {
	waiting := slices.DeleteFunc(m.everyone(), func(a *account) bool { return !a.outOfTurn() })
	slices.SortStableFunc(waiting, func(a, b *account) int { return a.due.Compare(b.due) })
	for _, a := range waiting {
		a.due = time.Time{}
	}
	p := m.plan(nil)
	for _, a := range waiting {
		a.due = p.Earliest(later(a.wanted, now))
		p = p.With(a.due)
		m.do(core.SetTimer{Timer: waitTimer(a.Peer), After: a.due.Sub(now)})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
