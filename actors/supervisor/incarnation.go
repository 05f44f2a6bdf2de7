package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// guardGrace is how long after the end of its attempt's budget a silent
// incarnation is given up: no lost message may strand an account.
const guardGrace = 30 * time.Second

// begin starts an attempt with a fresh budget of time, as soon as the client's
// budget of attempts allows it.
func (m *Machine) begin(now time.Time, a *account) {
	m.enable(a)
	m.retire(a)
	if !m.takeTurn(now, a, Retry) {
		a.stage = stageWaiting
		return
	}
	a.attempt = a.attempt.next(now.Add(m.config.Budget))
	a.attempt.began, a.attempt.afresh = now, a.silent
	a.silent = false
	a.pending = pending{step: Retry}
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.spawn(now, a)
}

// spawn starts an incarnation within the present attempt, towards the address
// after the one that was tried last. A bootstrap waits for a Write that is at the
// disk, which the shell bounds.
func (m *Machine) spawn(now time.Time, a *account) {
	if a.bootstrap() && m.writes.underWay() {
		a.stage = stageResolving
		return
	}
	if a.Credentials.Mode == messages.SecurityEST {
		m.enrol(now, a)
		return
	}
	a.epoch, a.stage, a.attempt.divided = m.memory.nextEpoch(), stageResolving, false
	a.answered()
	end := a.attempt.share(now)
	m.do(
		Spawn{Peer: a.Peer, Epoch: a.epoch, FirstMID: m.takeMessageIDs(a.Peer)},
		Order{Epoch: a.epoch, To: core.Owner, Message: m.beginning(now, a, end)},
		Order{Epoch: a.epoch, To: core.Network, Message: messages.Connect{
			Peer: a.Peer, Epoch: a.epoch, URI: a.URI, Credentials: a.Credentials,
			Deadline: end, Known: m.known(), Addresses: a.attempt.addresses, After: a.attempt.chosen,
			Resume: m.resuming(a), CID: m.offersCID(a), Reserve: a.management() && m.config.KeepSessions,
		}},
		core.SetTimer{Timer: guardTimer(a.Peer), After: a.attempt.deadline.Sub(now) + guardGrace},
	)
}

// beginning is the first message of an incarnation's owner.
func (m *Machine) beginning(now time.Time, a *account, end time.Time) any {
	if a.bootstrap() {
		return messages.BeginBootstrap{
			Account: *a.Account, Epoch: a.epoch, Endpoint: m.config.Endpoint,
			Deadline: end, Known: m.known(), Version: m.config.Versions[0], Tree: m.tree.Clone(),
		}
	}
	b := messages.BeginRegistration{
		Account: *a.Account, Epoch: a.epoch, Endpoint: m.config.Endpoint, Deadline: end,
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
	if !m.paused {
		m.linkAwake(messages.LinkAwake{Epoch: a.epoch}) // what comes next takes the network
	}
	a.reachable = messages.ReachableAlways
	m.do(Retire{Epoch: a.epoch, Keep: a.keeps()}, core.StopTimer{Timer: guardTimer(a.Peer)}, core.StopTimer{Timer: shareTimer(a.Peer)})
	a.epoch = 0
}

// forget drops an account with all that belongs to it.
func (m *Machine) forget(a *account) {
	m.part(a)
	m.leaveRenewal(a)
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.dismiss(a)
}

func (m *Machine) progress(now time.Time, in messages.Progress) {
	a := m.live(in.Epoch)
	if a == nil {
		m.fetchProgress(in)
		m.renewalProgress(in)
		return
	}
	a.answered()
	switch in.Stage {
	case messages.StageResolving:
		a.stage = stageResolving
		a.attempt.step = messages.Step{Sent: messages.SentQuery, Since: now, Last: now}
	case messages.StageConnecting:
		a.stage = stageConnecting
		a.attempt.connecting(slices.Clone(in.Addresses), in.Chosen)
	case messages.StageUp:
		a.stage = stageTalking
		m.linkSecured(a, in)
	}
}

// joined takes addresses that were resolved late. The one that is being tried has had
// the whole attempt to itself: it shares what is left with them.
func (m *Machine) joined(now time.Time, in messages.Joined) {
	a := m.live(in.Epoch)
	if f := m.fetchOver(in.Epoch); f != nil {
		f.attempt.join(in.Addresses) // they are tried after this one
	}
	if r := m.renewalOver(in.Epoch); r != nil {
		r.renewal.attempt.join(in.Addresses)
	}
	if a != nil && a.attempt.join(in.Addresses) && a.attempting() {
		a.attempt.divided = true
		m.do(core.SetTimer{Timer: shareTimer(a.Peer), After: a.attempt.remainder(now).Sub(now)})
	}
}

// postponed moves the end of an attempt: while its link waits for its turn to shake hands
// no time of it passes.
func (m *Machine) postponed(now time.Time, in messages.Postponed) {
	if f := m.fetchOver(in.Epoch); f != nil {
		f.attempt.deadline = f.attempt.deadline.Add(in.By)
		m.do(core.SetTimer{Timer: timerFetchGuard, After: f.attempt.deadline.Sub(now) + guardGrace})
	}
	a := m.live(in.Epoch)
	if a == nil || a.stage != stageConnecting {
		return
	}
	a.attempt.deadline = a.attempt.deadline.Add(in.By)
	a.attempt.step.Turn = time.Time{}
	if in.Waits {
		a.attempt.step.Turn = now
	}
	m.do(core.SetTimer{Timer: guardTimer(a.Peer), After: a.attempt.deadline.Sub(now) + guardGrace})
	if a.attempt.divided {
		m.do(core.SetTimer{Timer: shareTimer(a.Peer), After: a.attempt.remainder(now).Sub(now)})
	}
}

// shareOver goes on with an address that was resolved late.
func (m *Machine) shareOver(now time.Time, a *account) {
	f := messages.Failure{Class: messages.ClassTimeout, Phase: a.phase(), Peer: a.Peer, Epoch: a.epoch, Cause: errShareOver}
	if a.attempting() && a.attempt.goesOn(now, &f) {
		m.failed(now, messages.Failed{Failure: f}, 0)
	}
}

// failed takes the one report of an incarnation's owner. While the attempt has
// another address to try, it goes on there; else it has failed. The next one
// begins no sooner than after least.
func (m *Machine) failed(now time.Time, in messages.Failed, least time.Duration) {
	a := m.live(in.Failure.Epoch)
	if a == nil {
		m.proofFailed(now, in.Failure)
		return
	}
	a.answered()
	if a.stage == stageDisabling {
		m.disabledLeft(a, &in.Failure)
		return
	}
	if in.LinkUsable {
		if m.stop == nil { // otherwise the de-registration is in progress on this link
			m.recoverFrom(now, a, in.Failure, true, least)
		}
		return
	}
	if in.Failure.Class == messages.ClassMoved && m.stop == nil {
		m.moved(now, a, &in.Failure)
		return
	}
	if m.sessionFailed(now, a, &in.Failure) {
		return
	}
	a.attempt.note(in.Failure)
	if a.attempting() && a.attempt.goesOn(now, &in.Failure) {
		m.retire(a)
		m.spawn(now, a)
		return
	}
	m.recoverFrom(now, a, a.attempt.outcome(), false, least)
}

// registered ends an outage: the server said 2.01, or it accepted an Update on
// a new link.
func (m *Machine) registered(now time.Time, in messages.Registered) {
	a := m.live(in.Epoch)
	if a == nil || m.stop != nil {
		return
	}
	if a.disabled.is() { // it follows an Update that was under way: the client leaves all the same
		a.answered()
		return
	}
	m.do(core.StopTimer{Timer: guardTimer(a.Peer)}, core.StopTimer{Timer: shareTimer(a.Peer)}, core.StopTimer{Timer: waitTimer(a.Peer)})
	a.answered()
	a.knows(&in.Registration)
	a.stage, a.resumed, a.pending.due = stageRegistered, in.ByUpdate, time.Time{}
	a.observed = m.owed(a.Peer, in.ByUpdate)
	a.attempt = a.attempt.next(time.Time{}) // a later Register on this link has no other addresses to try
	attempts, lost := a.outage.failures+1, a.outage.since
	a.succeed()
	m.succeeded(now, a)
	m.turnOver(now, a, true)
	m.settleBootstrap()
	m.enter(m.overall())
	cost := a.cost().String()
	if in.ByUpdate {
		m.do(Emit{Event: updatedEvent(a, cost)})
	}
	e := registeredEvent(a, attempts, lost, now)
	e.Session = cost
	m.do(Emit{Event: e})
	m.toldQueueMode(a)
	m.confirmed(a)
}

func (m *Machine) updated(in messages.Updated) {
	a := m.live(in.Epoch)
	if a == nil || m.stop != nil {
		return
	}
	a.answered()
	if a.disabled.is() { // it was under way: the pause has its timer, and a Register follows it
		m.do(Emit{Event: updatedEvent(a, a.cost().String())})
		return
	}
	a.knows(&in.Registration)
	a.pending.due = time.Time{}
	a.succeed()
	m.do(core.StopTimer{Timer: waitTimer(a.Peer)})
	m.do(Emit{Event: updatedEvent(a, a.cost().String())})
	m.toldQueueMode(a)
	m.confirmed(a)
}

func updatedEvent(a *account, cost string) messages.Event {
	return messages.Event{Type: messages.EventRegistrationUpdated, Server: a.server(), Session: cost}
}

// reregistering notes that the Location is void; the Register is on its way.
func (m *Machine) reregistering(in messages.Reregistering) {
	if a := m.live(in.Epoch); a != nil && m.stop == nil && !a.disabled.is() {
		a.knows(nil)
		a.stage = stageTalking
		m.durableOf(a.Peer).restored = false
	}
}
