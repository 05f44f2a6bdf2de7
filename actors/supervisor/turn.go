package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
)

// Every wait of an account is booked with the client's budget of attempts: it ends
// at the first instant at or after the policy's at which the budget allows an
// attempt, the account's turn. So the end is known when a failure is reported, no
// account is overtaken, and none starves: a booking only ever moves to an earlier
// instant.

// plan holds the attempts that have begun, and the bookings of all other
// accounts.
func (m *Machine) plan(except *account) Plan {
	booked := make([]time.Time, 0, len(m.accounts))
	for _, a := range m.accounts {
		if a != except && !a.pending.due.IsZero() {
			booked = append(booked, a.pending.due)
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
func (m *Machine) takeTurn(now time.Time, a *account, step Step) bool {
	if m.turnAfter(now, a, 0) > 0 {
		m.wait(now, a, 0, step)
		return false
	}
	a.pending.due = time.Time{}
	m.budget.Begin(now, a.server())
	return true
}

// succeeded frees the budget that the attempts at the account's server have used
// and, at the first success since a bootstrap, those at the bootstrap server too.
// The accounts that wait for a turn move forward.
func (m *Machine) succeeded(now time.Time, a *account) {
	m.budget.Succeeded(a.server())
	if b := m.bootstrapAccount(); b != nil && m.order.unproven {
		m.budget.Succeeded(b.server())
	}
	m.closeRanks(now)
}

// closeRanks renews the bookings of the accounts that wait for a turn, in order.
func (m *Machine) closeRanks(now time.Time) {
	waiting := m.accounts.those(func(a *account) bool { return a.pending.outOfTurn() })
	slices.SortStableFunc(waiting, func(a, b *account) int { return a.pending.due.Compare(b.pending.due) })
	for _, a := range waiting {
		a.pending.due = time.Time{}
	}
	p := m.plan(nil)
	for _, a := range waiting {
		a.pending.due = p.Earliest(later(a.pending.wanted, now))
		p = p.With(a.pending.due)
		m.do(core.SetTimer{Timer: waitTimer(a.Peer), After: a.pending.due.Sub(now)})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
