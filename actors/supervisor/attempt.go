package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// begin starts an attempt with a fresh budget of time, as soon as the client's
// budget of attempts allows it.
func (m *Machine) begin(now time.Time, a *account) {
	m.retire(a)
	if !m.takeTurn(now, a, intentAttempt) {
		a.stage = stageWaiting
		return
	}
	a.deadline = now.Add(m.config.Budget)
	a.addresses, a.tried, a.worst, a.started = nil, 0, nil, false
	a.intent, a.due, a.floor = intentAttempt, time.Time{}, time.Time{}
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.spawn(now, a)
}

// spawn starts an incarnation within the present attempt, towards the address
// after the one that was tried last.
func (m *Machine) spawn(now time.Time, a *account) {
	m.epoch++
	a.epoch, a.stage = m.epoch, stageResolving
	end := a.share(now)
	m.do(
		Spawn{Peer: a.Peer, Epoch: a.epoch},
		Order{Epoch: a.epoch, To: core.Owner, Message: m.beginning(now, a, end)},
		Order{Epoch: a.epoch, To: core.Network, Message: messages.Connect{
			Peer: a.Peer, Epoch: a.epoch, URI: a.URI, Credentials: a.Credentials,
			Deadline: end, Addresses: a.addresses, After: a.chosen,
		}},
		core.SetTimer{Timer: guardTimer(a.Peer), After: a.deadline.Sub(now) + guardGrace},
	)
}

// beginning is the first message of an incarnation's owner.
func (m *Machine) beginning(now time.Time, a *account, end time.Time) any {
	if a.bootstrap() {
		return messages.BeginBootstrap{
			Account: a.Account, Epoch: a.epoch, Endpoint: m.config.Endpoint,
			Deadline: end, Version: m.config.Versions[0], Tree: m.tree.Clone(),
		}
	}
	b := messages.BeginRegistration{
		Account: a.Account, Epoch: a.epoch, Endpoint: m.config.Endpoint, Deadline: end,
		Mode: a.mode(now), Versions: m.config.Versions, Objects: m.config.Objects(m.tree),
	}
	if b.Mode == messages.ModeUpdate {
		b.Previous = new(*a.registration)
	}
	return b
}

// retire stops the present incarnation, if there is one.
func (m *Machine) retire(a *account) {
	if a.epoch == 0 {
		return
	}
	m.do(Retire{Epoch: a.epoch}, core.StopTimer{Timer: guardTimer(a.Peer)})
	a.epoch = 0
}

func (m *Machine) progress(in messages.Progress) {
	a := m.live(in.Epoch)
	if a == nil {
		return
	}
	m.moved = true
	switch in.Stage {
	case messages.StageResolving:
		a.stage = stageResolving
	case messages.StageConnecting:
		a.stage = stageConnecting
		if len(a.addresses) == 0 {
			a.addresses = slices.Clone(in.Addresses)
		}
		a.chosen = in.Chosen
		a.tried++
	case messages.StageUp:
		a.stage = stageTalking
	}
}

// failed takes the one report of an incarnation's owner. While the attempt has
// another address to try, it goes on there; else it has failed.
func (m *Machine) failed(now time.Time, in messages.Failed) {
	a := m.live(in.Failure.Epoch)
	if a == nil {
		return
	}
	if in.LinkUsable {
		if m.stop == nil { // otherwise the de-registration is in progress on this link
			m.recoverFrom(now, a, in.Failure, true)
		}
		return
	}
	a.note(in.Failure)
	if a.attempting() && a.hasNextAddress(now, &in.Failure) {
		m.retire(a)
		m.spawn(now, a)
		return
	}
	f := *a.worst
	a.worst = nil
	m.recoverFrom(now, a, f, false)
}

func (m *Machine) bootstrapStarted(in messages.BootstrapStarted) {
	if a := m.live(in.Epoch); a != nil {
		// From here on the session has its own timer: a long bootstrap is not a
		// failure.
		a.started = true
		m.do(core.StopTimer{Timer: guardTimer(a.Peer)})
	}
}

// registered ends an outage: the server said 2.01, or it accepted an Update on
// a new link.
func (m *Machine) registered(now time.Time, in messages.Registered) {
	a := m.live(in.Epoch)
	if a == nil || m.stop != nil {
		return
	}
	m.do(core.StopTimer{Timer: guardTimer(a.Peer)}, core.StopTimer{Timer: waitTimer(a.Peer)})
	a.stage, a.registration, a.due = stageRegistered, &in.Registration, time.Time{}
	attempts := a.failures + 1
	lost := a.lostAt
	a.succeed()
	m.succeeded(now, a)
	m.lineMoves(now, a, true)
	m.settleBootstrap()
	m.enter(m.overall())
	if in.ByUpdate {
		m.do(Emit{Event: messages.Event{Type: messages.EventRegistrationUpdated, Server: a.server()}})
	}
	m.do(Emit{Event: registeredEvent(a, attempts, lost, now)})
}

func registeredEvent(a *account, attempts uint64, lost, now time.Time) messages.Event {
	e := messages.Event{
		Type: messages.EventRegistered, Server: a.server(),
		Location: location(a.registration), LifetimeS: int64(a.registration.Lifetime / time.Second),
		LwM2M: a.registration.Version, Attempts: attempts,
	}
	if !lost.IsZero() {
		e.OfflineMS = new(now.Sub(lost).Milliseconds())
	}
	return e
}

func (m *Machine) updated(in messages.Updated) {
	a := m.live(in.Epoch)
	if a == nil || m.stop != nil {
		return
	}
	a.registration, a.due = &in.Registration, time.Time{}
	a.succeed()
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.do(Emit{Event: messages.Event{Type: messages.EventRegistrationUpdated, Server: a.server()}})
}

// reregistering notes that the Location is void; the Register is on its way.
func (m *Machine) reregistering(in messages.Reregistering) {
	if a := m.live(in.Epoch); a != nil && m.stop == nil {
		a.registration, a.stage = nil, stageTalking
	}
}

// triggerQuiet is the longest delay of a bootstrap that a server asks for, and
// the pause after which the count of such requests starts again.
const triggerQuiet = time.Hour

// bootstrapTriggered handles /1/x/9 of a server. A server that executes it at
// every registration, or somebody who poses as the server where there is no
// security, gets bootstraps spaced by the policy, up to an hour apart, and no
// busy loop.
func (m *Machine) bootstrapTriggered(now time.Time, in messages.BootstrapTriggered) {
	b := m.accounts[messages.BootstrapPeer()]
	if m.live(in.Epoch) == nil || m.stop != nil || b == nil || b.stage != stageIdle {
		return
	}
	if now.Sub(m.triggered) >= triggerQuiet {
		m.triggers = 0
	}
	rest := b.floor.Sub(now)
	if m.triggers > 0 {
		distance := min(m.config.Policy.Delay(m.triggers-1), triggerQuiet)
		rest = max(rest, m.triggered.Add(distance).Sub(now))
	}
	m.triggered, m.triggers = now.Add(max(rest, 0)), m.triggers+1
	m.startAfter(now, b, rest)
}

// beginBootstrap starts a bootstrap, unless one is under way or waits for its
// own delay; what the bootstrap server asked for is kept.
func (m *Machine) beginBootstrap(now time.Time) {
	b := m.accounts[messages.BootstrapPeer()]
	if b == nil || b.stage != stageIdle {
		return
	}
	m.startAfter(now, b, b.floor.Sub(now))
}

// settleBootstrap cancels a bootstrap that was meant as a recovery, once every
// management account has registered without it.
func (m *Machine) settleBootstrap() {
	b := m.accounts[messages.BootstrapPeer()]
	if b == nil || b.stage != stageWaiting {
		return
	}
	for _, a := range m.servers() {
		if a.stage != stageRegistered {
			return
		}
	}
	floor := b.floor // what its server asked for stays in force
	b.succeed()
	b.stage, b.due, b.floor = stageIdle, time.Time{}, floor
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
	b.stage, b.due = stageIdle, time.Time{}
	b.succeed()
	failures, lost := m.outage()
	for _, a := range m.servers() {
		m.forget(a)
	}
	m.adopt(in.Tree)
	m.do(Emit{Event: messages.Event{Type: messages.EventBootstrapped, Server: b.server(), Accounts: len(m.servers())}})
	for _, a := range m.servers() {
		a.failures, a.lostAt = failures, lost
	}
	m.startIdle(now, true)
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

// outage returns the highest failure count of the management accounts, and when
// the first of them lost its link.
func (m *Machine) outage() (failures uint64, lost time.Time) {
	for _, a := range m.servers() {
		failures = max(failures, a.failures)
		if lost.IsZero() || !a.lostAt.IsZero() && a.lostAt.Before(lost) {
			lost = a.lostAt
		}
	}
	return failures, lost
}

// forget drops an account with all that belongs to it.
func (m *Machine) forget(a *account) {
	m.retire(a)
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	delete(m.accounts, a.Peer)
}
