package supervisor

import (
	"slices"

	"github.com/holdfast-iot/holdfast/messages"
)

// settle says what a step has changed: the client's state, the sessions, and the
// snapshot.
func (m *Machine) settle() {
	if m.stop == nil && m.state != "" {
		m.enter(m.overall())
	}
	m.announceSessions()
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
// is not registered, else the first one. Those that their servers have disabled
// count only where all are.
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

// wanted returns the management accounts whose servers have not disabled them, or all
// of them where there is no other.
func (m *Machine) wanted() []*account {
	enabled := slices.DeleteFunc(m.servers(), func(a *account) bool { return a.disabled.is() })
	if len(enabled) == 0 {
		return m.servers()
	}
	return enabled
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
	s := messages.Snapshot{State: m.state}
	for _, a := range m.everyone() {
		s.Connections = append(s.Connections, a.status())
	}
	return s
}

func (a *account) status() messages.ConnectionStatus {
	s := messages.ConnectionStatus{
		Peer: a.Peer, Server: a.server(), State: a.state(), Failures: a.outage.failures,
		NextAttempt: a.pending.due, WaitsForTurn: a.pending.outOfTurn(), Shed: a.shed,
		Attempt: a.attemptStatus(), CertificateExpires: a.expires, DisabledUntil: a.disabled.until, QueueMode: a.reachable,
	}
	if a.registration != nil {
		s.Location = a.location
		s.Lifetime, s.RegisteredAt = a.registration.Lifetime, a.registration.Accepted
	}
	return s
}
