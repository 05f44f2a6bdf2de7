package update

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// askDownload asks the gateway whether to download, unless it grants everything.
func (m *Machine) askDownload() { m.question = m.orGrant(messages.AsksDownload) }

// askInstall asks the gateway whether to install, unless it grants everything, or has put that
// off for as long as the server allows.
func (m *Machine) askInstall() {
	if m.overdue() {
		m.on(Granted)
		return
	}
	if m.question = m.orGrant(messages.AsksInstall); m.question != messages.AsksNothing {
		m.awaitDue()
	}
}

func (m *Machine) orGrant(q messages.FirmwareQuestion) messages.FirmwareQuestion {
	if m.config.Ask {
		return q
	}
	m.on(Granted)
	return messages.AsksNothing
}

// overdue reports whether an installation may not be put off any longer (/5/0/13).
func (m *Machine) overdue() bool {
	return !m.record.Latest.IsZero() && !m.now.Before(m.record.Latest)
}

// authorise takes a decision of the gateway.
func (m *Machine) authorise(in messages.AuthoriseFirmware) {
	if !m.loaded || !m.decide(in) {
		m.do(tell(messages.FirmwareDecided{
			Answered: messages.Answered{Code: messages.ConnectNotAllowed, Cause: errNothingAsked}, Answer: in.Answer,
		}))
		return
	}
	m.decided = in.Answer
}

// decide carries a decision out; false where there is nothing to decide.
func (m *Machine) decide(in messages.AuthoriseFirmware) bool {
	switch in.Decision {
	case messages.FirmwareGrant:
		return m.on(Granted)
	case messages.FirmwareRefuse:
		return m.on(Refused)
	case messages.FirmwareDefer:
		if m.record.Phase.installs() && m.record.MaxDefer != nil && *m.record.MaxDefer == 0 {
			return false
		}
		if m.period = in.Period; m.period <= 0 {
			m.period = m.config.Defer
		}
		return m.on(Deferred)
	}
	return false
}

// putOff waits until what was put off is due. That an installation was put off the server is
// told by /5/0/5.
func (m *Machine) putOff() {
	if m.record.Phase == DeferredInstall && m.record.Face == FaceUpdate {
		m.record.Object5 = firmware.CauseInstallDeferred.Object5()
	}
	if m.period > 0 {
		m.record.Until, m.record.Period = m.now.Add(m.period), m.period
	}
	m.log(firmware.CauseDeferred, nil)
	m.awaitDue()
}

// awaitDue sets a timer for the end of what was put off, and for that of what the server
// allows.
func (m *Machine) awaitDue() {
	var waits []time.Duration
	if r := &m.record; !r.Until.IsZero() {
		waits = append(waits, remaining(r.Until, m.now, r.Period))
	}
	if r := &m.record; !r.Latest.IsZero() && r.Phase.installs() {
		waits = append(waits, remaining(r.Latest, m.now, deferral(r.MaxDefer)))
	}
	if len(waits) > 0 {
		m.do(core.SetTimer{Timer: timerDue, After: slices.Min(waits)})
	}
}

// woke makes up for the time for which the machine was suspended: no timer has run.
func (m *Machine) woke() {
	switch m.record.Phase {
	case DeferredDownload, AskingInstall, DeferredInstall:
		m.awaitDue()
	}
}

// remaining is how long it is until an instant that was that of a wait: never longer than the
// wait was, for the clock may have been set since.
func remaining(until, now time.Time, wait time.Duration) time.Duration {
	return min(max(until.Sub(now), 0), wait)
}

// due goes on with what was put off. An installation that nobody has decided about for as
// long as the server allows begins. While many reports wait for their server, nothing makes
// more of them.
func (m *Machine) due() {
	switch {
	case m.full():
		m.do(core.SetTimer{Timer: timerDue, After: fullAgain})
	case m.record.Phase == AskingInstall:
		m.on(Granted)
	default:
		m.on(Due)
	}
}

// fullAgain is when what is due is tried again while too many reports wait.
const fullAgain = time.Minute
