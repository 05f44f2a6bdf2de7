package update

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

const (
	// tellBound is how long a restart of the machine waits until the server knows of it. What
	// it does not know by then it is told afterwards.
	tellBound = time.Minute
	// rebootEvery is after how long a restart is asked for again that has not come.
	rebootEvery = 10 * time.Minute
)

// verify has the Installer look at the image.
func (m *Machine) verify() { m.ask(CallVerify) }

// readAgain has the image read once more, and then what belongs to the phase done: it may have
// been a while, and the disk may have failed since.
func (m *Machine) readAgain() { m.prepare(false) }

func (m *Machine) confirm() { m.ask(CallConfirm) }

// rollBack has the Installer go back. Why is kept: the process may end in the middle of it.
func (m *Machine) rollBack() {
	m.record.Verdict = m.verdict()
	m.rollBackAgain()
}

func (m *Machine) rollBackAgain() { m.ask(CallRollBack) }

// called takes what an Installer has said.
func (m *Machine) called(in Called) {
	if in.ID != m.call {
		return
	}
	m.call = 0
	if in.Err != nil {
		m.installerFailed(in)
		return
	}
	switch in.Method {
	case CallVerify:
		m.on(Verified)
	case CallInstall:
		m.installDone(in.Done)
	case CallConfirm:
		m.on(Confirmed)
	case CallRollBack:
		m.on(RolledBack)
	case CallReboot: // it is on its way
	}
}

func (m *Machine) installDone(done firmware.Installed) {
	switch done {
	case firmware.InstallDone:
		m.on(Installed)
	case firmware.InstallNeedsReboot:
		m.on(NeedsReboot)
	default:
		m.failWith(firmware.CauseInstallationFailed, errInstalled)
	}
}

var errInstalled = errors.New("the Installer has returned neither InstallDone nor InstallNeedsReboot")

// installerFailed ends the update, with the result that the Installer names where it does.
func (m *Machine) installerFailed(in Called) {
	cause := installerCauses[in.Method]
	if in.Panicked {
		cause = firmware.CauseInternal
	}
	switch in.Method {
	case CallRollBack:
		m.log(firmware.CauseRollBackFailed, in.Err) // what has led here is what is reported
		m.on(Failed)
		return
	case CallReboot:
		m.record.Asked = false
	}
	m.failure = firmware.Error{Cause: cause, Err: in.Err}
	if v := m.verdict(); v.Object5 == firmware.Object5IntegrityFailed || v.Object5 == firmware.Object5UnsupportedPackage {
		m.spoiledWith(cause, in.Err) // it would be no better another time
		return
	}
	m.on(Failed)
}

var installerCauses = map[Method]firmware.Cause{
	CallVerify: firmware.CauseVerifyFailed, CallInstall: firmware.CauseInstallationFailed, CallReboot: firmware.CauseInstallationFailed,
	CallConfirm: firmware.CauseNotConfirmed,
}

// reboot has the machine restarted as soon as the server knows, or after a while.
func (m *Machine) reboot() {
	m.record.Asked = false
	m.do(core.SetTimer{Timer: timerReboot, After: tellBound})
}

// rebootWhenTold asks for the restart when everything has been reported.
func (m *Machine) rebootWhenTold() {
	if !m.record.Asked && len(m.record.Outbox) == 0 && m.call == 0 {
		m.rebootNow()
	}
}

// rebootNow asks for the restart. That it was asked for is durable before: the next start is
// that of a new version then.
func (m *Machine) rebootNow() {
	m.record.Asked, m.dirty = true, true
	m.ask(CallReboot)
	m.do(core.SetTimer{Timer: timerReboot, After: rebootEvery})
}

// rebootAgain asks once more for a restart that has not come, unless the Installer is still
// at it.
func (m *Machine) rebootAgain() {
	switch {
	case m.record.Phase != Rebooting:
	case m.call != 0:
		m.do(core.SetTimer{Timer: timerReboot, After: rebootEvery})
	default:
		m.rebootNow()
	}
}
