package update

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// left is for how long the download may still bring nothing. Restarts do not make that longer;
// and there is a while to bring something, however long the gateway was off.
func (m *Machine) left() time.Duration {
	return max(remaining(m.record.Deadline, m.now, m.config.GiveUp), m.config.GiveUp/deadlineSteps)
}

// deadlineSteps is how often the deadline is written anew in the time that a download has.
const deadlineSteps = 24

// moved notes that the download has come further: the time that it may bring nothing begins
// anew.
func (m *Machine) moved() {
	if p := m.pull; p.paused { // it was on its way to the disk
		p.left = m.config.GiveUp
		return
	}
	m.do(core.SetTimer{Timer: timerGiveUp, After: m.config.GiveUp})
	deadline := m.now.Add(m.config.GiveUp)
	if deadline.Sub(m.record.Deadline).Abs() >= m.config.GiveUp/deadlineSteps {
		m.record.Deadline, m.dirty = deadline, true
	}
}

// paused stops the clock of a download that is not tried, or lets it go on.
func (m *Machine) paused(in messages.DownloadPaused) {
	p := m.pull
	if p == nil || in.ID != p.download || in.Paused == p.paused {
		return
	}
	p.paused, m.dirty = in.Paused, true
	if p.paused {
		p.left, m.record.Deadline = m.left(), time.Time{}
		m.do(core.StopTimer{Timer: timerGiveUp})
		return
	}
	m.record.Deadline = m.now.Add(p.left)
	m.do(core.SetTimer{Timer: timerGiveUp, After: p.left})
}

// giveUp ends a download that has brought nothing for too long, for the reason that the last
// attempt had.
func (m *Machine) giveUp() {
	switch p := m.pull; {
	case m.record.Phase != Downloading:
	case p != nil && p.failure != nil:
		m.failWith(firmware.CauseConnectionLost, p.failure)
	default:
		m.failWith(firmware.CauseConnectionLost, nil)
	}
}
