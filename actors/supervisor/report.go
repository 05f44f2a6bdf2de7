package supervisor

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/messages"
)

// report emits the one event of a failed attempt. The next attempt begins after
// turn, which the budget can make longer than the policy's delay.
func (m *Machine) report(a *account, row Row, step Step, f *messages.Failure, delay, turn time.Duration) {
	e := errorEvent(row, f)
	e.Server, e.Attempt, e.Action = a.server(), a.failures, actionOf(step, a)
	e.RetryInMS, e.WaitsForTurn = new(turn.Milliseconds()), turn > delay
	a.lastSaid = &e
	m.do(Emit{Event: e})
}

func errorEvent(row Row, f *messages.Failure) messages.Event {
	return messages.Event{
		Type: messages.EventError, Code: row.Code, Name: row.Code.String(), Phase: f.Phase.String(),
		Detail: oneLine(f.Error()), CoAP: answerText(f.Answer), TLSAlert: f.Alert, Remedy: row.Remedy,
		Cause: f.Cause,
	}
}

// oneLine makes one line of a text of several, such as a list of faults.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": ")
}

// actionOf names a step as events do.
func actionOf(step Step, a *account) messages.Action {
	switch step {
	case Bootstrap:
		return messages.ActionBootstrap
	case RepeatRegister:
		return messages.ActionRegister
	case RetryRegister:
		if a.bootstrap() {
			return messages.ActionRetry
		}
		return messages.ActionRegister
	case Ignore:
		return messages.ActionIgnore
	}
	return messages.ActionRetry
}

func answerText(c messages.CoAPCode) string {
	if c == messages.Empty {
		return ""
	}
	return c.String()
}

// undecodable reports an undecodable message, at most once a second; the link
// goes on.
func (m *Machine) undecodable(now time.Time, in messages.Malformed) {
	a := m.live(in.Epoch)
	if a == nil || !m.malformed.IsZero() && now.Sub(m.malformed) < malformedInterval {
		return
	}
	m.malformed = now
	f := messages.Failure{Class: messages.ClassMalformed, Phase: a.phase(), Peer: a.Peer, Cause: in.Cause}
	e := errorEvent(Lookup(&f, false), &f)
	e.Server, e.Attempt, e.Action = a.server(), 1, messages.ActionIgnore
	m.do(Emit{Event: e})
}

// phase returns what an account is doing, for reports that do not come from its
// owner.
func (a *account) phase() messages.Phase {
	switch {
	case a.bootstrap():
		return messages.PhaseBootstrap
	case a.stage == stageRegistered:
		return messages.PhaseRegistered
	case a.stage == stageLeaving:
		return messages.PhaseClose
	}
	return messages.PhaseRegister
}

func (a *account) status() messages.ConnectionStatus {
	s := messages.ConnectionStatus{
		Peer: a.Peer, Server: a.server(), State: a.state(), Failures: a.failures,
		NextAttempt: a.due, WaitsForTurn: a.outOfTurn(), LastError: a.lastSaid, Shed: a.shed,
	}
	if a.registration != nil {
		s.Location = location(a.registration)
		s.Lifetime, s.RegisteredAt = a.registration.Lifetime, a.registration.Accepted
	}
	return s
}

// location is a Location as a URI writes it (RFC 7252 section 6.5):
// unambiguous, and without control characters, whatever the server has chosen.
func location(r *messages.Registration) string {
	var path strings.Builder
	for _, segment := range r.Location {
		path.WriteByte('/')
		path.WriteString(url.PathEscape(segment))
	}
	return path.String()
}

// overloaded adds up what the links of an account drop.
func (m *Machine) overloaded(now time.Time, in messages.Overloaded) {
	a := m.live(in.Epoch)
	if a == nil {
		return
	}
	a.shed, m.moved = a.shed.Plus(in.Shed), true
	if a.shedSaid.IsZero() || now.Sub(a.shedSaid) >= warnInterval {
		a.shedSaid = now
		m.do(Warn{Server: a.server(), Shed: a.shed})
	}
}

// updateTriggered handles /1/x/8 of a server.
func (m *Machine) updateTriggered(now time.Time, in messages.UpdateTriggered) {
	if a := m.live(in.Epoch); a != nil && a.stage == stageRegistered {
		m.updateNow(now, a, messages.SendUpdate{Epoch: a.epoch, Triggered: true})
	}
}

// crashed handles the panic of an actor: an incarnation is replaced as a whole,
// since nothing in it outlives its link, and a shared sibling alone. The decay of
// the crash count slows down a crash loop even if every cycle registers.
func (m *Machine) crashed(now time.Time, in messages.Crashed) {
	if in.Shared {
		m.sharedCrashed(now, in)
		return
	}
	a := m.live(in.Epoch)
	if a == nil {
		return
	}
	a.crashes.Min, a.crashes.Max, a.crashes.HalfLife = crashMin, m.config.Policy.Max, crashHalfLife
	delay, repeated := a.crashes.Next(now)
	m.crashDelay = delay
	if repeated {
		if a.registration != nil && a.lostAt.IsZero() {
			a.lostAt = now
		}
		a.registration = nil // the restored state may be the cause of the crash
		m.do(Emit{Event: degradedEvent(in, uint64(a.crashes.Score(now)))})
	}
	m.failed(now, messages.Failed{Failure: messages.Failure{
		Class: messages.ClassCrash, Phase: a.phase(), Peer: a.Peer, Epoch: in.Epoch, Cause: in.Reason,
	}})
}

// sharedCrashed respawns a shared sibling after a delay that decays.
func (m *Machine) sharedCrashed(now time.Time, in messages.Crashed) {
	role := sharedRole(in.Actor)
	if m.crashes[role] == nil {
		m.crashes[role] = &decay.Decay{}
	}
	delay, repeated := m.crashes[role].Next(now)
	m.do(core.SetTimer{Timer: respawnTimer(role), After: delay})
	if repeated {
		m.do(Emit{Event: degradedEvent(in, uint64(m.crashes[role].Score(now)))})
	}
}

// Decay of the crashes of an account's actors: two within an hour count more
// than one.
const (
	crashMin      = time.Second
	crashHalfLife = time.Hour
)

func sharedRole(actor string) core.Role {
	if actor == core.Store.String() {
		return core.Store
	}
	return core.Management
}

// respawn starts a shared sibling anew and tells it what it has to know.
func (m *Machine) respawn(now time.Time, role core.Role) {
	m.do(Respawn{Role: role})
	switch {
	case role == core.Store:
		m.askStoreAgain(now)
	case m.tree != nil:
		m.do(core.Tell{To: core.Management, Message: messages.ModelChanged{Tree: m.tree.Clone()}})
	}
}

// askStoreAgain repeats what the store may have lost in a crash.
func (m *Machine) askStoreAgain(now time.Time) {
	for _, token := range slices.Sorted(maps.Keys(m.resets)) {
		m.do(core.Tell{To: core.Store, Message: messages.ForgetCredentials{Token: token}})
	}
	if m.asked && m.stop == nil {
		m.load(now)
	}
}

func degradedEvent(in messages.Crashed, restarts uint64) messages.Event {
	return messages.Event{Type: messages.EventDegraded, Actor: in.Actor, Restarts: restarts, Detail: in.Reason.Error()}
}
