package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// bootstrapAccount returns the account of the bootstrap server; nil when there is
// none.
func (m *Machine) bootstrapAccount() *account { return m.accounts.of(messages.BootstrapPeer()) }

func (m *Machine) bootstrapStarted(now time.Time, in messages.BootstrapStarted) {
	if a := m.live(in.Epoch); a != nil {
		// From here on the session has its own timers: a long bootstrap is not a
		// failure.
		a.attempt.answered = true
		a.attempt.step = messages.Step{Sent: messages.SentBootstrapRequest, Since: now, Last: now, Heard: messages.HeardAccepted}
		m.do(core.StopTimer{Timer: guardTimer(a.Peer)})
	}
}

// bootstrapTriggered handles /1/x/9 of a server. A server that executes it at
// every registration, or somebody who poses as the server where there is no
// security, gets bootstraps spaced by the policy, up to an hour apart, and no
// busy loop.
func (m *Machine) bootstrapTriggered(now time.Time, in messages.BootstrapTriggered) {
	b := m.bootstrapAccount()
	if m.live(in.Epoch) == nil || m.stop != nil || b == nil || b.stage != stageIdle {
		return
	}
	m.startAfter(now, b, m.rates.trigger(now, m.config.Policy, b.pending.floor.Sub(now)))
}

// beginBootstrap starts a bootstrap, unless one is under way or waits for its
// own delay; what the bootstrap server asked for is kept.
func (m *Machine) beginBootstrap(now time.Time) {
	b := m.bootstrapAccount()
	if b == nil || b.stage != stageIdle {
		return
	}
	m.startAfter(now, b, b.pending.floor.Sub(now))
}

// settleBootstrap cancels a bootstrap that was meant as a recovery, once every
// management account has registered without it.
func (m *Machine) settleBootstrap() {
	b := m.bootstrapAccount()
	if b == nil || b.stage != stageWaiting {
		return
	}
	for _, a := range m.servers() {
		if a.stage != stageRegistered && !a.disabled.is() || m.renewing {
			return
		}
	}
	floor := b.pending.floor // what its server asked for stays in force
	b.succeed()
	b.stage, b.pending = stageIdle, pending{floor: floor}
	m.do(core.StopTimer{Timer: waitTimer(b.Peer)})
}

// bootstrapped adopts what a bootstrap has delivered. It resets the bootstrap
// account's count only; the management accounts keep counting until one of
// them registers, so that refused, bootstrap, refused never cycles faster than
// the policy.
func (m *Machine) bootstrapped(now time.Time, in messages.Bootstrapped) {
	b := m.live(in.Epoch)
	if b == nil || m.stop != nil {
		return
	}
	m.linger(b)
	b.stage, b.pending.due = stageIdle, time.Time{}
	b.succeed()
	before := m.servers()
	heirs := m.heirs(in.Tree)
	m.renewing = false
	m.dropRefused(before)
	for _, a := range before {
		if !slices.Contains(heirs, a) {
			m.enable(a) // the bootstrap server has the say
			m.forget(a)
		}
	}
	m.kept, m.order = nil, order{unproven: true}
	m.adopt(in.Tree, fromStore)
	m.loader.outdated = true
	m.held(now, in.Held)
	m.forgetOthers()
	m.voidWritten()
	m.do(Emit{Event: messages.Event{Type: messages.EventBootstrapped, Server: b.server(), Accounts: len(m.servers())}})
	for _, a := range m.servers() {
		a.outage.failures, a.outage.since = inherited(before, a)
	}
	m.inheritedBy(now, heirs)
	m.startIdle(now)
}

// held says that what a bootstrap has delivered is in memory only; each look at the
// store tries to write it.
func (m *Machine) held(now time.Time, why error) {
	if why == nil {
		return
	}
	m.states.failed = true // the disk has been reported
	m.loader.failures++
	m.loadTroubles(now, []trouble{{messages.ClassStoreWrite, &heldError{why}, messages.ActionRetry, true}})
}

// linger keeps the finished bootstrap link for a grace period.
func (m *Machine) linger(b *account) {
	m.endLinger()
	m.lingering, b.epoch = b.epoch, 0
	m.do(core.StopTimer{Timer: guardTimer(b.Peer)}, core.SetTimer{Timer: timerLinger, After: m.config.Linger})
}

func (m *Machine) endLinger() {
	if m.lingering != 0 {
		m.do(Retire{Epoch: m.lingering}, core.StopTimer{Timer: timerLinger})
		m.lingering = 0
	}
}

// inherited returns from which count a delivered account goes on, and since when it
// has been offline: its own where the same server had its number before, so that an
// outage of one server does not slow down another, else the worst of all, so that no
// bootstrap resets a count by giving servers other numbers or URIs.
func inherited(before []*account, a *account) (failures uint64, lost time.Time) {
	for _, b := range before {
		if b.Peer == a.Peer && b.URI.String() == a.URI.String() {
			return b.outage.failures, b.outage.since
		}
	}
	return worstOutage(before)
}

// worstOutage returns the highest failure count of accounts, and when the first of
// them lost its link.
func worstOutage(all []*account) (failures uint64, lost time.Time) {
	for _, a := range all {
		failures = max(failures, a.outage.failures)
		if lost.IsZero() || !a.outage.since.IsZero() && a.outage.since.Before(lost) {
			lost = a.outage.since
		}
	}
	return failures, lost
}
