package supervisor

import (
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// report emits the one event of a failed attempt. The next attempt begins after
// turn, which the budget can make longer than the policy's delay.
func (m *Machine) report(a *account, row Row, step Step, f *messages.Failure, delay, turn time.Duration) {
	e := errorEvent(row, f)
	e.Remedy = remedyOf(row, f, a.Credentials.Mode)
	e.Server, e.Attempt, e.Action = a.server(), a.outage.failures, actionOf(step, a)
	e.RetryInMS, e.WaitsForTurn = new(turn.Milliseconds()), turn > delay
	m.do(Emit{Event: e})
}

func errorEvent(row Row, f *messages.Failure) messages.Event {
	return messages.Event{
		Type: messages.EventError, Code: row.Code, Name: row.Code.String(), Phase: f.Phase.String(),
		Detail: oneLine(f.Error()), CoAP: answerText(f.Answer), TLSAlert: f.Alert, Remedy: rowRemedy(row, f),
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

// troubleEvent is the event about a store or a file that cannot be read or used.
func (m *Machine) troubleEvent(t trouble) messages.Event {
	f := messages.Failure{Class: t.class, Phase: messages.PhaseStore, Cause: t.cause}
	e := errorEvent(Lookup(&f, false), &f)
	e.Attempt, e.Action = max(uint64(m.loader.failures), 1), t.action
	return e
}

// undecodable reports an undecodable message, at most once a second; the link
// goes on.
func (m *Machine) undecodable(now time.Time, in messages.Malformed) {
	if f := m.fetchOver(in.Epoch); f != nil && m.rates.undecodable(now) {
		e := fetchEvent(f, &messages.Failure{
			Class: messages.ClassMalformed, Phase: messages.PhaseFirmware, Peer: fetchPeer, Cause: in.Cause, Foreign: in.Foreign,
		})
		e.Attempt, e.Action = 1, messages.ActionIgnore
		m.do(Emit{Event: e})
	}
	a := m.live(in.Epoch)
	if a == nil || !m.rates.undecodable(now) {
		return
	}
	f := messages.Failure{Class: messages.ClassMalformed, Phase: a.phase(), Peer: a.Peer, Cause: in.Cause, Foreign: in.Foreign}
	row := Lookup(&f, false)
	e := errorEvent(row, &f)
	e.Remedy = remedyOf(row, &f, a.Credentials.Mode)
	e.Server, e.Attempt, e.Action = a.server(), 1, messages.ActionIgnore
	m.do(Emit{Event: e})
}

func registeredEvent(a *account, attempts uint64, lost, now time.Time) messages.Event {
	e := messages.Event{
		Type: messages.EventRegistered, Server: a.server(),
		Location: a.location, LifetimeS: int64(a.registration.Lifetime / time.Second),
		LwM2M: a.registration.Version, Attempts: attempts,
	}
	if !lost.IsZero() {
		e.OfflineMS = new(now.Sub(lost).Milliseconds())
	}
	return e
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

// shedding is what the links of an account have dropped.
type shedding struct {
	total messages.Shed
	said  time.Time // when that was last logged
}

// dropped returns what has been dropped so far; nil is nothing.
func (s *shedding) dropped() messages.Shed {
	if s == nil {
		return messages.Shed{}
	}
	return s.total
}

// overloaded adds up what the links of an account drop.
func (m *Machine) overloaded(now time.Time, in messages.Overloaded) {
	a := m.live(in.Epoch)
	if a == nil {
		return
	}
	if a.shed == nil {
		a.shed = &shedding{}
	}
	a.shed.total = a.shed.total.Plus(in.Shed)
	if a.shed.said.IsZero() || now.Sub(a.shed.said) >= warnInterval {
		a.shed.said = now
		m.do(Warn{Server: a.server(), Shed: a.shed.total})
	}
}
