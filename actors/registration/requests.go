package registration

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

// maxTransmitWait is MAX_TRANSMIT_WAIT of RFC 7252 section 4.8.2 at the
// default parameters: an Update that starts this long before the lifetime
// ends is resent to exhaustion in time.
const maxTransmitWait = 93 * time.Second

// minUpdate is the shortest time between two Updates.
const minUpdate = time.Second

// UpdateAfter returns how long after an accepted Register or Update the next
// Update is sent: at lt/2 when the lifetime is below 186 s, else 93 s before
// its end, never sooner than 1 s (docs/design.md, The reconnection policy). It
// reports false when the lifetime is infinite (0).
func UpdateAfter(lifetime time.Duration) (time.Duration, bool) {
	switch {
	case lifetime <= 0:
		return 0, false
	case lifetime < 2*maxTransmitWait:
		return max(lifetime/2, minUpdate), true
	}
	return lifetime - maxTransmitWait, true
}

// register sends a Register (LwM2M Core section 6.2.1).
func (m *Machine) register() []core.Effect {
	m.state = Registering
	version := m.versions[m.version]
	m.sent = messages.Registration{Version: version, Lifetime: m.life, Queue: m.queue, Objects: m.objects}
	return m.send(requests.Register(m.server, m.endpoint, version, m.life, m.queue, Links(version, m.objects)))
}

// registerAgain sends a Register on a link that works, with a budget of its
// own.
func (m *Machine) registerAgain(now time.Time) []core.Effect {
	m.known = nil
	effects := []core.Effect{
		core.StopTimer{Timer: timerUpdate},
		core.SetTimer{Timer: timerAttempt, After: m.config.Budget},
	}
	return append(effects, m.register()...)
}

// updateAsked sends an Update that somebody asked for. A server gets at most one
// a second: without security, anybody can pose as the server.
func (m *Machine) updateAsked(now time.Time, in messages.SendUpdate) []core.Effect {
	if in.Triggered && m.state == Registered {
		if rest := m.known.Accepted.Add(minUpdate).Sub(now); rest > 0 {
			m.asked = true
			return []core.Effect{core.SetTimer{Timer: timerUpdate, After: rest}}
		}
	}
	return m.update(now, Updating)
}

// update sends an Update with what has changed since the server was last told
// (LwM2M Core section 6.2.2), or a Register where the lifetime has run out.
func (m *Machine) update(now time.Time, state State) []core.Effect {
	if m.known == nil {
		return m.registerAgain(now)
	}
	if at, finite := m.known.Expires(); finite && !now.Before(at) {
		return m.expiredRegistration(now, state)
	}
	m.state = state
	m.sent = *m.known
	m.sent.Lifetime, m.sent.Queue, m.sent.Objects = m.life, m.queue, m.objects
	return append([]core.Effect{core.StopTimer{Timer: timerUpdate}}, m.send(m.news())...)
}

// news returns an Update with what has changed.
func (m *Machine) news() messages.Request {
	var lifetime *time.Duration
	if m.life != m.known.Lifetime {
		lifetime = &m.life
	}
	var binding []string
	if m.queue != m.known.Queue {
		binding = requests.Binding(m.known.Version, m.queue)
	}
	var list []byte
	if !sameObjects(m.objects, m.known.Objects) {
		list = Links(m.known.Version, m.objects)
	}
	return requests.Update(m.known.Location, lifetime, binding, list)
}

// expiredRegistration registers anew: the server has forgotten us by now.
func (m *Machine) expiredRegistration(now time.Time, state State) []core.Effect {
	if state == Reconnecting { // the attempt's budget is running already
		m.known = nil
		return m.register()
	}
	return m.registerAgain(now)
}

// deregister sends the DELETE of LwM2M Core section 6.2.3. Without a Location
// there is nothing to send, but the supervisor gets its answer all the same: the
// server has forgotten us, or a Register is still under way.
func (m *Machine) deregister() []core.Effect {
	forgotten := m.state == Deferred
	m.state = Deregistering
	switch {
	case m.known == nil && forgotten:
		return m.deregistered()
	case m.known == nil:
		return m.fail(messages.Failure{Class: messages.ClassUnknown, Cause: errUnderWay})
	}
	effects := []core.Effect{core.StopTimer{Timer: timerAttempt}, core.StopTimer{Timer: timerUpdate}}
	effects = append(effects, m.giveUpSends()...)
	return append(effects, m.send(requests.Deregister(m.known.Location))...)
}

// send hands a request to coapresend under a new ID, so that an answer to the
// former one is dropped.
func (m *Machine) send(r messages.Request) []core.Effect {
	m.echoed = false
	return m.sendAs(r)
}

func (m *Machine) sendAs(r messages.Request) []core.Effect {
	m.request++
	r.Epoch, r.ID = m.epoch, m.request
	m.last = r
	return []core.Effect{core.Tell{To: core.Link, Message: m.last}}
}

// repeatWithEcho answers a freshness challenge, once (RFC 9175 section 2.3).
func (m *Machine) repeatWithEcho(echo []byte) []core.Effect {
	effects := m.sendAs(requests.WithEcho(m.last.(messages.Request), echo))
	m.echoed = true
	return effects
}

// stale reports whether what the server knows differs from what is to be
// announced.
func (m *Machine) stale() bool {
	return m.known != nil && (m.life != m.known.Lifetime || m.queue != m.known.Queue || !sameObjects(m.objects, m.known.Objects))
}

func sameObjects(a, b []messages.ObjectEntry) bool {
	return slices.EqualFunc(a, b, func(x, y messages.ObjectEntry) bool {
		return x.ID == y.ID && x.Version == y.Version && slices.Equal(x.Instances, y.Instances)
	})
}
