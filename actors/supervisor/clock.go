package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// What waits for a certificate to become valid waits for the wall clock
// (docs/design.md, Clocks), and for nothing else here does that clock count.

// leastUntilValid is the least wait for a certificate: where the clock is being
// slowed down, what is left of it could take many attempts.
const leastUntilValid = time.Second

// known returns the latest instant that has passed, whatever the clock shows: when
// this was built, a server last accepted something, a certificate at hand became
// valid. It is worked out anew each time, so that a record which a wrong clock has
// left counts no longer than until the next one.
func (m *Machine) known() time.Time {
	known := validity.Later(m.config.Built, m.recorded())
	for _, a := range m.accounts {
		known = validity.Later(known, accounts.NewestCertificate([]messages.Account{*a.Account}))
	}
	return known
}

// recorded returns the time of the newest record of state.
func (m *Machine) recorded() time.Time {
	var accepted []time.Time
	for _, d := range m.states.peers {
		accepted = append(accepted, d.accepted)
	}
	return accounts.Newest(accepted, m.config.Built)
}

// byClock changes what is done about a failure that hangs on the wall clock. The next
// attempt comes when a certificate becomes valid, where that is earlier; and as soon as
// may be where the clock was set after this one had begun, which was then judged by a
// clock that is no more.
func (m *Machine) byClock(now time.Time, a *account, f *messages.Failure, step Step, delay time.Duration) (Step, time.Duration) {
	switch {
	case !judgedByClock(f):
		return step, delay
	case !m.rates.told.IsZero() && !m.rates.told.Before(a.attempt.began):
		return Reload, m.rates.step(now).Sub(now)
	case f.ValidIn > 0:
		return step, min(delay, max(f.ValidIn, leastUntilValid))
	}
	return step, delay
}

// judgedByClock reports whether another time would lead to another judgement. Also a
// clock that was too late makes certificates expire.
func judgedByClock(f *messages.Failure) bool {
	return f.Class == messages.ClassClock || f.Class == messages.ClassOwnCertificate || f.Class == messages.ClassServerCertificate
}

// onClock reports whether an account waits because of what the wall clock showed.
func (a *account) onClock() bool {
	return a.stage == stageWaiting && a.outage.last != nil && judgedByClock(a.outage.last)
}

// clockStepped ends the waits that hang on the wall clock, at most once in 5 s; a
// step within them is not lost, nor is one while an attempt is under way. What a
// server asked for is kept.
func (m *Machine) clockStepped(now time.Time) {
	if m.paused || m.stop != nil {
		return
	}
	m.rates.told = now
	m.disabledByClock(now)
	waiting := m.accounts.those((*account).onClock)
	if len(waiting) == 0 && m.loader.lookAt.IsZero() {
		return
	}
	at := m.rates.step(now)
	for _, a := range waiting {
		m.judgeAgain(now, a, later(a.pending.floor, at))
	}
	if m.loader.lookAt.After(at) {
		m.lookIn(now, at.Sub(now))
	}
}

// judgeAgain has an account try at an instant. Its certificate may be good, so that
// it waits for no bootstrap any more.
func (m *Machine) judgeAgain(now time.Time, a *account, at time.Time) {
	if a.pending.due.IsZero() {
		if a.pending.step == Bootstrap {
			m.wait(now, a, at.Sub(now), Reload)
		}
		return
	}
	a.pending.step = Reload
	m.hurry(now, a, at)
}
