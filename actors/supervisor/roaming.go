package supervisor

import (
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// What this machine can reach others by changes, and links with it (docs/design.md,
// Roaming). A link that has to move is no failure: nothing is counted, and the next attempt
// begins at once, but never sooner after the one before than a hint allows.

// timerHint heeds a hint of the link watch that came too early.
var timerHint = core.Timer{Name: "hint"}

// roaming is what is known of the machine's network. It is not changed, only replaced.
type roaming struct {
	uplink    messages.Uplink
	addresses []messages.LocalAddress
	hint      time.Time // when a hint is heeded; zero for none
}

// nowhere is what is known before a link watch has told anything, which most never do. It is
// not changed.
var nowhere = &roaming{}

// heeded returns the same with another instant at which a hint is heeded.
func (r *roaming) heeded(at time.Time) *roaming {
	if at.Equal(r.hint) {
		return r
	}
	return &roaming{uplink: r.uplink, addresses: r.addresses, hint: at}
}

// networkChanged takes what the link watch tells.
func (m *Machine) networkChanged(now time.Time, in messages.NetworkChanged) {
	was := m.roaming.uplink
	m.roaming = &roaming{uplink: in.Uplink, addresses: in.Addresses, hint: m.roaming.hint}
	if in.Uplink != was {
		m.do(Emit{Event: messages.Event{Type: messages.EventNetwork, Interface: in.Uplink.Interface, Detail: in.Uplink.Reason}})
	}
	if m.stop != nil {
		return // the de-registration is under way on links as they are
	}
	m.checkLinks(in.Back)
	if in.Back {
		m.hintLater(now)
	}
}

// checkLinks has every link say whether it is where a new one would be. When the network is
// back, those that have not been heard of for a while begin anew.
func (m *Machine) checkLinks(back bool) {
	for _, a := range m.accounts {
		if a.epoch != 0 {
			m.checkLink(a.epoch, back && a.attempt.step.Resent > 0 && a.attempt.step.Heard == messages.HeardNothing)
		}
	}
	if f := m.fetch; f != nil && f.link != 0 {
		m.checkLink(f.link, false)
	}
}

func (m *Machine) checkLink(epoch messages.Epoch, anew bool) {
	m.do(Order{Epoch: epoch, To: core.Network, Message: messages.CheckLink{
		Epoch: epoch, Addresses: m.roaming.addresses, Anew: anew,
	}})
}

// hintLater heeds a hint, now or, where one was heeded lately, as soon as the next one is
// allowed: what has come may not come again.
func (m *Machine) hintLater(now time.Time) {
	if !m.roaming.hint.IsZero() {
		return // one is to be heeded yet, and this one with it
	}
	if at := m.rates.hinted.Add(hintInterval); !m.rates.hinted.IsZero() && at.After(now) {
		m.roaming = m.roaming.heeded(at)
		m.do(core.SetTimer{Timer: timerHint, After: at.Sub(now)})
		return
	}
	m.hinted(now, hasTried)
}

// hasTried reports whether an account waits after a failure. The delay before a first attempt
// (/1/x/14) spreads those of a fleet, which may all start when its network comes.
func hasTried(a *account) bool { return !a.pending.first }

// hintDue heeds a hint that came too early.
func (m *Machine) hintDue(now time.Time) {
	if !m.roaming.hint.IsZero() {
		m.roaming = m.roaming.heeded(time.Time{})
		m.hinted(now, hasTried)
	}
}

// moved begins an attempt on a new link, since the present one is not where that would be.
func (m *Machine) moved(now time.Time, a *account, f *messages.Failure) {
	if a.registration != nil {
		a.outage.lost(now)
	}
	floor := a.pending.floor.Sub(now)
	delay := m.floored(a, Retry, max(a.settled().Sub(now), floor, 0))
	turn, step := m.turnAfter(now, a, delay), Ladder
	if turn > 0 {
		step = Retry
	}
	e := movedEvent(a.server(), f, turn)
	e.WaitsForTurn = turn > delay
	m.do(Emit{Event: e})
	a.moved, a.attempt.worst = now.Add(turn), nil
	a.attempt.chosen = netip.AddrPort{} // nothing is wrong with the one that was used
	m.carryOut(now, a, step, delay, floor)
	if a.bootstrap() {
		m.resumeServers(now)
	}
}

// settled is when an attempt may begin that a move asks for, and when a hint may end the
// wait for it: not before the interval of hints has passed since the move before.
func (a *account) settled() time.Time {
	if a.moved.IsZero() {
		return a.moved
	}
	return a.moved.Add(hintInterval)
}

// fetchMoved is moved for the link of a download.
func (m *Machine) fetchMoved(now time.Time, f *fetch, failure *messages.Failure) {
	begin := later(now, f.pending.floor)
	if !f.moved.IsZero() {
		begin = later(begin, f.moved.Add(hintInterval))
	}
	f.moved = begin
	m.do(Emit{Event: movedEvent(f.server(), failure, begin.Sub(now))})
	m.leaveFetch()
	m.waitFetch(now, begin)
}

// movedEvent says that a link has to move, and when the next attempt begins. It is no error:
// where the attempt succeeds there was no outage to speak of.
func movedEvent(server string, f *messages.Failure, in time.Duration) messages.Event {
	e := messages.Event{
		Type: messages.EventMoved, Server: server, Phase: f.Phase.String(),
		Action: messages.ActionRetry, RetryInMS: new(in.Milliseconds()),
	}
	if f.Cause != nil {
		e.Detail = oneLine(f.Cause.Error())
	}
	return e
}
