package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// settle says what a step has changed: the client's state, the sessions, and the
// snapshot.
func (m *Machine) settle(now time.Time) {
	if m.stop == nil && m.state != "" {
		m.enter(m.overall())
	}
	m.announceServers()
	m.announceSessions()
	m.driveFetch(now)
	m.driveRenewals(now)
	m.endSends()
	m.publish()
}

// enter reports a change of the client's state.
func (m *Machine) enter(s messages.State) {
	if s == m.state {
		return
	}
	event := messages.Event{Type: messages.EventState, State: s, Previous: m.state}
	if a := m.leading(); a != nil {
		event.Server = a.server()
	}
	m.state = s
	m.do(Emit{Event: event})
}

// overall derives the client's state from those of its accounts: registered when
// every management account is, else the state of the leading account.
func (m *Machine) overall() messages.State {
	if m.paused {
		return messages.StatePaused
	}
	if a := m.leading(); a != nil {
		return a.state()
	}
	if m.loader.failures > 0 {
		return messages.StateWaiting
	}
	return messages.StateStarting
}

// leading returns the account that the client's state is about: a bootstrap
// under way while nobody is registered, else the first management account that
// is not registered, else the first one. Those that their servers have disabled, and
// those that wait for the turn of another one, count only where there is no other.
func (m *Machine) leading() *account {
	servers := m.wanted()
	bootstrap := m.bootstrapAccount()
	busy := bootstrap != nil && bootstrap.stage != stageIdle
	for _, a := range servers {
		if a.stage != stageRegistered {
			if busy && (a.stage == stageWaiting || a.stage == stageIdle) {
				return bootstrap
			}
			return a
		}
	}
	if len(servers) > 0 {
		return servers[0]
	}
	return bootstrap
}

// wanted returns the management accounts that a registration is sought for: those that
// their servers have not disabled and that do not wait for the turn of another one, or
// all of them where there is no such.
func (m *Machine) wanted() []*account {
	sought := m.servers().those(func(a *account) bool { return !a.disabled.is() && !m.order.holds(a.Peer) })
	if len(sought) == 0 {
		return m.servers()
	}
	return sought
}

// publish publishes a snapshot where it differs from the last one.
func (m *Machine) publish() {
	s := m.snapshot()
	if s.Equal(m.published) {
		return
	}
	m.published = s
	m.do(Publish{Snapshot: s})
}

func (m *Machine) snapshot() messages.Snapshot {
	s := messages.Snapshot{State: m.state, Firmware: m.firmware, Uplink: m.uplink()}
	if len(m.accounts) > 0 {
		s.Connections = make([]messages.ConnectionStatus, len(m.accounts))
		for i, a := range m.accounts {
			s.Connections[i] = m.status(a)
		}
	}
	return s
}

// uplink is what has been told of the interface that is used; nil where nothing has been.
func (m *Machine) uplink() *messages.Uplink {
	if m.roaming.uplink == (messages.Uplink{}) {
		return nil
	}
	return &m.roaming.uplink
}

// status is what is known of an account, with what it waits for.
func (m *Machine) status(a *account) messages.ConnectionStatus {
	s := a.status()
	if m.order.holds(a.Peer) {
		s.State, s.NextAttempt, s.Behind = messages.StateWaiting, m.order.blocked, m.order.current
	}
	s.WaitsFor = m.waitsFor(a)
	if a.renewal != nil && m.bootstrapAccount() != nil { // which enrols, too
		s.CertificateRenewal = a.renewal.at
	}
	return s
}

// waitsFor says what keeps an account from being tried now.
func (m *Machine) waitsFor(a *account) messages.WaitReason {
	switch {
	case a.attempting() && !a.attempt.step.Turn.IsZero():
		return messages.WaitsForAdmission
	case m.order.holds(a.Peer) && !m.order.blocked.IsZero():
		return messages.WaitsForBlock
	case m.order.holds(a.Peer):
		return messages.WaitsForOrder
	case a.disabled.is():
		return messages.WaitsForEnabling
	case a.pending.due.IsZero() && a.stage == stageWaiting && a.pending.step != Reload:
		return messages.WaitsForBootstrap
	case a.pending.due.IsZero():
		return messages.WaitsForNothing
	}
	return a.pending.reason()
}

// reason says why a wait is as long as it is.
func (p *pending) reason() messages.WaitReason {
	switch {
	case p.outOfTurn():
		return messages.WaitsForBudget
	case p.first:
		return messages.WaitsForFirst
	case !p.floor.IsZero() && !p.wanted.After(p.floor):
		return messages.WaitsForServer
	}
	return messages.WaitsForPolicy
}

func (a *account) status() messages.ConnectionStatus {
	s := messages.ConnectionStatus{
		Peer: a.Peer, Server: a.server(), State: a.state(), Failures: a.outage.failures,
		NextAttempt: a.pending.due, WaitsForTurn: a.pending.outOfTurn(), Shed: a.shed.dropped(),
		Attempt: a.attemptStatus(), CertificateExpires: a.expires, Epoch: a.epoch, Session: a.secured.shown, DisabledUntil: a.disabled.until, QueueMode: a.reachable,
	}
	if a.counts != nil {
		s.Observing, s.Sends = a.counts.observing, a.counts.sends
	}
	if a.registration != nil {
		s.Location = a.location
		s.Lifetime, s.RegisteredAt = a.registration.Lifetime, a.registration.Accepted
	}
	return s
}
