package update

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// AnswerCall answers what the gateway has decided.
type AnswerCall struct {
	core.Marker
	To chan<- messages.Answered // has room for the one answer
	messages.Answered
}

// askDownload asks the gateway whether to download, unless it grants everything.
func (m *Machine) askDownload() { m.question = m.orGrant(messages.AsksDownload) }

// askInstall asks the gateway whether to install, unless it grants everything, or has put that
// off for as long as the server allows.
func (m *Machine) askInstall() {
	if m.overdue() {
		m.on(Granted)
		return
	}
	m.question = m.orGrant(messages.AsksInstall)
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
		m.do(AnswerCall{To: in.Answer, Answered: messages.Answered{Code: messages.ConnectNotAllowed, Cause: errNothingAsked}})
		return
	}
	m.later(AnswerCall{To: in.Answer})
}

// decide carries a decision out; false where there is nothing to decide.
func (m *Machine) decide(in messages.AuthoriseFirmware) bool {
	install := m.record.Phase == AskingInstall || m.record.Phase == DeferredInstall
	switch in.Decision {
	case messages.FirmwareGrant:
		return m.on(Granted)
	case messages.FirmwareRefuse:
		m.failure.Cause, m.failure.Err = firmware.CauseDownloadRefused, nil
		if install {
			m.failure.Cause = firmware.CauseInstallRefused
		}
		return m.on(Refused)
	case messages.FirmwareDefer:
		if install && m.record.MaxDefer != nil && *m.record.MaxDefer == 0 {
			return false
		}
		until := m.record.Until
		m.record.Until = time.Time{}
		if period := max(in.Period, 0); period > 0 {
			m.record.Until = m.now.Add(period)
		} else if m.config.Defer > 0 {
			m.record.Until = m.now.Add(m.config.Defer)
		}
		if m.on(Deferred) {
			return true
		}
		m.record.Until = until
	}
	return false
}

// putOff waits until what was put off is due. That an installation was put off the server is
// told by /5/0/5.
func (m *Machine) putOff() {
	if m.record.Phase == DeferredInstall && m.record.Face == FaceUpdate {
		m.record.Object5 = firmware.CauseInstallDeferred.Object5()
	}
	m.log(firmware.CauseDeferred, nil)
	m.awaitDue()
}

func (m *Machine) awaitDue() {
	due := m.record.Until
	if latest := m.record.Latest; !latest.IsZero() && (due.IsZero() || latest.Before(due)) && m.record.Phase == DeferredInstall {
		due = latest
	}
	if !due.IsZero() {
		m.do(core.SetTimer{Timer: timerDue, After: due.Sub(m.now)})
	}
}

func (m *Machine) due() { m.on(Due) }
