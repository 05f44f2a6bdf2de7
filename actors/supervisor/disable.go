package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// A server may disable its account by /1/x/4 (LwM2M Core, Server object): it has its
// answer, and the client writes the pause down, de-registers, closes the link and stays
// away from that server until the pause is over. Then it registers anew.

// Bounds of /1/x/5. The least one keeps a server that disables us at each registration,
// for no time, from making a busy loop; more than a week nobody may put a device off.
const (
	defaultDisabled = 24 * time.Hour
	leastDisabled   = time.Second
	longestDisabled = Week
)

// recordDrift is how far the end of a pause in its record may be off, after the wall
// clock was set, without a write.
const recordDrift = time.Minute

// disabling is the pause of an account that its server has disabled. The zero value is
// that of an account that is not.
type disabling struct {
	until   time.Time     // zero without a pause
	pause   time.Duration // the whole of it
	leaving bool          // the de-registration has been ordered
	// guessed says that the rest of the pause is not known, because the wall clock
	// could not be trusted at the start; the whole pause is waited for.
	guessed bool
}

func (d *disabling) is() bool { return !d.until.IsZero() }

// disableTriggered handles /1/x/4 of a server.
func (m *Machine) disableTriggered(now time.Time, in messages.DisableTriggered) {
	a := m.live(in.Epoch)
	if a == nil || m.stop != nil || a.disabled.is() {
		return
	}
	pause := min(max(or(a.Disable, defaultDisabled), leastDisabled), longestDisabled)
	if !a.changes.take(now) { // each pause is written down, and removed
		pause = max(pause, changeEvery)
		a.changes.take(now.Add(pause)) // that of the next one
	}
	known := a.stage == stageRegistered
	a.outage.lost(now)
	a.knows(nil)
	m.disable(now, a, pause, pause)
	m.writeDisabled(now, a)
	if known {
		a.stage = stageDisabling
		m.do(core.SetTimer{Timer: guardTimer(a.Peer), After: m.config.Linger + guardGrace})
		return
	}
	m.part(a) // it was just being registered
	a.stage = stageWaiting
}

// disable has an account wait for the rest of a pause.
func (m *Machine) disable(now time.Time, a *account, pause, rest time.Duration) {
	a.disabled = disabling{until: now.Add(rest), pause: pause}
	a.pending.floor, a.pending.first = a.disabled.until, false
	m.do(Emit{Event: messages.Event{
		Type: messages.EventDisabled, Server: a.server(), Action: messages.ActionRegister, RetryInMS: new(rest.Milliseconds()),
	}})
	m.wait(now, a, rest, Retry)
}

// disabledWritten de-registers, now that the pause is durable or cannot be made so: a
// server that sees us leave can rely on it.
func (m *Machine) disabledWritten(p messages.Peer) {
	if a := m.accounts.of(p); a != nil && a.stage == stageDisabling {
		m.deregisterDisabled(a)
	}
}

func (m *Machine) deregisterDisabled(a *account) {
	if !a.disabled.leaving {
		a.disabled.leaving = true
		m.do(Order{Epoch: a.epoch, To: core.Owner, Message: messages.Deregister{Epoch: a.epoch}})
	}
}

// disabledLeft closes the link once the de-registration has ended, in whatever way.
func (m *Machine) disabledLeft(a *account, f *messages.Failure) {
	event := messages.Event{Type: messages.EventUnregistered, Server: a.server()}
	if f != nil {
		event = unregistrationFailed(a, f)
	}
	m.do(Emit{Event: event})
	m.part(a)
	a.stage = stageWaiting
}

// enable ends the pause of an account, if it has one. Its record goes: a wrong clock
// must not bring it back.
func (m *Machine) enable(a *account) {
	if !a.disabled.is() {
		return
	}
	a.disabled = disabling{}
	m.forgetState(a.Peer)
	if a.stage == stageDisabling { // the de-registration took longer than the pause
		m.part(a)
		a.stage = stageWaiting
	}
}

// tokenDisabled marks the token of a record that a de-registration waits for.
const tokenDisabled = 1 << 32

// writeDisabled writes down that an account is disabled, and until when.
func (m *Machine) writeDisabled(now time.Time, a *account) {
	d := m.durableOf(a.Peer)
	until := now.Add(a.disabled.until.Sub(now) + time.Second - 1) // whole seconds, and none too few
	state := accounts.State{
		Owner: accounts.OwnerOf(m.config.Endpoint, *a.Account), Accepted: time.Unix(now.Unix(), 0),
		NextMID:  d.reserve(),
		Disabled: accounts.Disabled{Until: time.Unix(until.Unix(), 0), For: a.disabled.pause},
	}
	data, err := accounts.EncodeState(state)
	if err != nil {
		return // no account is such
	}
	d.written, d.onDisk, d.accepted = &state, true, state.Accepted
	m.states.writing++
	m.states.effects = append(m.states.effects, core.Persist{
		Token: a.Peer.Key() | tokenDisabled, Record: messages.StateRecord(a.Peer), Data: data,
	})
}

// takeUpDisabled goes on with a pause that a record tells of, as far as it is not over.
func (m *Machine) takeUpDisabled(now time.Time, a *account, state *accounts.State) {
	rest, sure := restOf(now, state)
	if rest == 0 {
		m.forgetState(a.Peer)
		return
	}
	m.disable(now, a, state.Disabled.For, rest)
	a.disabled.guessed = !sure
	a.stage = stageWaiting
}

// restOf returns what is left of a recorded pause, never more than the whole of it.
// Where the wall clock cannot be trusted that is not known, and the whole of it counts.
func restOf(now time.Time, state *accounts.State) (rest time.Duration, sure bool) {
	whole, rest := state.Disabled.For, state.Disabled.Until.Sub(now)
	if now.Before(clockSet) || state.Accepted.Before(clockSet) || rest > whole || rest < -longestOff {
		return whole, false
	}
	return max(rest, 0), true
}

// disabledByClock is called when the wall clock was set: a pause whose rest was not
// known is judged anew, and the record of any other gets the time that is right now.
// No pause becomes longer.
func (m *Machine) disabledByClock(now time.Time) {
	for _, a := range m.servers() {
		if a.disabled.is() && now.Before(a.disabled.until) {
			m.judgePause(now, a)
		}
	}
}

func (m *Machine) judgePause(now time.Time, a *account) {
	written := m.durableOf(a.Peer).written
	if written == nil || written.Disabled.For == 0 || now.Before(clockSet) {
		return
	}
	if a.disabled.guessed {
		if rest, sure := restOf(now, written); sure {
			a.disabled.guessed = false
			m.shorten(now, a, now.Add(rest))
			return
		}
	}
	if off := a.disabled.until.Sub(now) - written.Disabled.Until.Sub(now); off.Abs() > recordDrift {
		m.writeDisabled(now, a)
	}
}

// shorten lets a pause end at an instant where that is before its present end.
func (m *Machine) shorten(now time.Time, a *account, until time.Time) {
	if !until.Before(a.disabled.until) {
		return
	}
	a.disabled.until, a.pending.floor = until, until
	m.hurry(now, a, until)
}
