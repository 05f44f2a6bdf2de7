package supervisor

import (
	"slices"
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
		known = validity.Later(known, accounts.NewestCertificate([]messages.Account{a.Account}))
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

// untilValid shortens the delay of an attempt that can succeed earlier: when a
// certificate becomes valid.
func untilValid(delay time.Duration, f *messages.Failure) time.Duration {
	if f.Class != messages.ClassClock || f.ValidIn <= 0 {
		return delay
	}
	return min(delay, max(f.ValidIn, leastUntilValid))
}

// judgedByClock lists the failures about which another time leads to another
// judgement. Also a clock that was too late makes certificates expire.
var judgedByClock = []messages.Class{
	messages.ClassClock, messages.ClassOwnCertificate, messages.ClassServerCertificate,
}

// onClock reports whether an account waits because of what the wall clock showed.
func (a *account) onClock() bool {
	return a.stage == stageWaiting && a.outage.last != nil && slices.Contains(judgedByClock, a.outage.last.Class)
}

// clockStepped ends the waits that hang on the wall clock, at most once in 5 s; a
// step within them is not lost. What a server asked for is kept.
func (m *Machine) clockStepped(now time.Time) {
	if m.paused || m.stop != nil {
		return
	}
	at := m.rates.step(now)
	for _, a := range m.everyone() {
		if a.onClock() {
			m.judgeAgain(now, a, later(a.pending.floor, at))
		}
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
