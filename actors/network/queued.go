package network

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// longestWait bounds how long a handshake waits for its turn. Turns end, so only a fault
// of this program's own can take as long.
const longestWait = time.Hour

// queued begins a wait for the turn to shake hands, which does not count.
func (m *Machine) queued(now time.Time) []core.Effect {
	if m.state != Connecting || !m.waits.IsZero() {
		return nil
	}
	m.waits = now
	return m.postpone(now, longestWait)
}

// admitted ends it.
func (m *Machine) admitted(now time.Time) []core.Effect {
	if m.state != Connecting || m.waits.IsZero() {
		return nil
	}
	waited := now.Sub(m.waits)
	m.waits = time.Time{}
	return m.postpone(now, waited-longestWait)
}

// postpone moves the end of the attempt, for all who have a timer for it.
func (m *Machine) postpone(now time.Time, by time.Duration) []core.Effect {
	m.request.Deadline = m.request.Deadline.Add(by)
	told := messages.Postponed{Epoch: m.epoch, By: by, Waits: !m.waits.IsZero()}
	return []core.Effect{
		m.watch(now, m.request.Deadline),
		core.Tell{To: core.Supervisor, Message: told},
		core.Tell{To: core.Owner, Message: told},
	}
}
