package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/messages"
)

// Crashed reports that an actor panicked and was stopped. The shell, which is told
// by the supervision of actors, sends it to the machine.
type Crashed struct {
	Role   core.Role
	Peer   messages.Peer  // whose incarnation it belonged to; zero for a shared sibling
	Epoch  messages.Epoch // of that incarnation; 0 for a shared sibling
	Reason error
}

// shared reports whether the actor was one that all accounts share.
func (c Crashed) shared() bool { return c.Epoch == 0 }

// actor names the actor for a person.
func (c Crashed) actor() string {
	if c.shared() {
		return c.Role.String()
	}
	return c.Role.String() + " of " + c.Peer.String()
}

// Decay of the crashes of an account's actors: their score halves in an hour.
const (
	crashMin      = time.Second
	crashHalfLife = time.Hour
)

// crashed handles the panic of an actor: an incarnation is replaced as a whole,
// since nothing in it outlives its link, and a shared sibling alone. The decay of
// the crash count slows down a crash loop even if every cycle registers.
func (m *Machine) crashed(now time.Time, in Crashed) {
	if in.shared() {
		m.siblingCrashed(now, in)
		return
	}
	a := m.live(in.Epoch)
	if a == nil {
		m.fetchCrashed(now, in)
		m.proofFailed(now, messages.Failure{Class: messages.ClassCrash, Epoch: in.Epoch, Cause: in.Reason})
		return
	}
	delay, repeated := a.outage.crashed(now, m.config.Policy.Max)
	if suspect := m.suspectState(a.Peer); repeated || suspect {
		if a.registration != nil {
			a.outage.lost(now)
		}
		a.knows(nil) // the restored state may be the cause of the crash
		m.degraded(in.actor(), a.outage.crashes.Score(now), in.Reason.Error())
	}
	f := messages.Failure{Class: messages.ClassCrash, Phase: a.phase(), Peer: a.Peer, Epoch: in.Epoch, Cause: in.Reason}
	m.failed(now, messages.Failed{Failure: f}, delay)
}

// siblingCrashed has a shared sibling respawned after a delay that decays.
func (m *Machine) siblingCrashed(now time.Time, in Crashed) {
	crashes := m.siblings[in.Role]
	delay, repeated := crashes.Next(now)
	if m.siblings == nil { // as with most clients
		m.siblings = map[core.Role]decay.Decay{}
	}
	m.siblings[in.Role] = crashes
	m.do(core.SetTimer{Timer: respawnTimer(in.Role), After: delay})
	if in.Role == core.Update {
		m.updateCrashed(repeated)
	}
	if repeated {
		m.degraded(in.actor(), crashes.Score(now), in.Reason.Error())
	}
}

// respawn starts a shared sibling anew and tells it what it has to know.
func (m *Machine) respawn(now time.Time, role core.Role) {
	m.do(Respawn{Role: role})
	switch {
	case role == core.Store:
		m.askStoreAgain(now)
	case role == core.Update:
		m.updateDown = false
		m.announceAgain(role)
	case m.tree != nil:
		m.do(core.Tell{To: core.Management, Message: messages.ModelChanged{Tree: m.tree.Clone()}})
		m.announceAgain(role)
		m.answerWritesAgain()
		m.endUncollected()
		m.observingUnknown()
	}
}

// askStoreAgain repeats what the store may have lost in a crash.
func (m *Machine) askStoreAgain(now time.Time) {
	for _, token := range m.resets.tokens() {
		m.do(core.Tell{To: core.Store, Message: messages.ForgetCredentials{Token: token}})
	}
	if m.loader.asked && m.stop == nil {
		m.load(now)
	}
}

// degraded reports that an actor crashes again and again; score is its decayed
// count of crashes.
func (m *Machine) degraded(actor string, score float64, detail string) {
	m.do(Emit{Event: messages.Event{
		Type: messages.EventDegraded, Actor: actor, Restarts: uint64(score), Detail: detail,
	}})
}
