package supervisor

import (
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

// In queue mode a client may be off the air between two exchanges (LwM2M Core section
// 6.2.3): its server keeps requests until it hears from it. What the gateway does with
// its modem meanwhile is the application's; it is told when each link falls asleep and
// wakes up. Socket and DTLS session stay, and what comes all the same is answered.

// sleepsAt reports whether the client is in queue mode at a server that has not asked
// for it: where it always is, and the URI leaves room to say so.
func (m *Machine) sleepsAt(acct messages.Account) bool {
	return m.config.QueueMode && requests.CheckManagement(acct.URI, true) == nil
}

// toldQueueMode has the link of an account watch for silence, or not any more, as its
// server has just been told.
func (m *Machine) toldQueueMode(a *account) {
	on := a.registration.Queue
	if on == (a.reachable != messages.ReachableAlways) {
		return
	}
	if !on {
		m.linkAwake(messages.LinkAwake{Epoch: a.epoch})
	}
	a.reachable = messages.ReachableAlways
	if on {
		a.reachable = messages.ReachableNow
	}
	m.do(Order{Epoch: a.epoch, To: core.Link, Message: messages.QueueMode{Epoch: a.epoch, On: on}})
}

// linkAsleep says that the server of a link expects nothing to be heard there.
func (m *Machine) linkAsleep(in messages.LinkAsleep) {
	if a := m.live(in.Epoch); a != nil && a.reachable == messages.ReachableNow {
		a.reachable = messages.ReachableLater
		m.do(Emit{Event: messages.Event{Type: messages.EventAsleep, Server: a.server()}})
	}
}

// linkAwake says that something is sent or received on a link that was asleep, or that
// it is replaced.
func (m *Machine) linkAwake(in messages.LinkAwake) {
	if a := m.live(in.Epoch); a != nil && a.reachable == messages.ReachableLater {
		a.reachable = messages.ReachableNow
		m.do(Emit{Event: messages.Event{Type: messages.EventAwake, Server: a.server()}})
	}
}
