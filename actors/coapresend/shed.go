package coapresend

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// shedInterval is the least time between two reports of what was dropped.
const shedInterval = 10 * time.Second

// overflowed is the input that says how many datagrams the full mailbox has
// refused since the last one.
type overflowed struct{ datagrams uint64 }

// reportShed reports what was dropped since the last report: the first at
// once, the others together when the interval is over.
func (m *Machine) reportShed() {
	if m.shed == (messages.Shed{}) || m.shedding {
		return
	}
	m.tell(core.Supervisor, messages.Overloaded{Epoch: m.cfg.Epoch, Shed: m.shed})
	m.shed = messages.Shed{}
	m.shedding = true
	m.setTimer(shedTimer, shedInterval)
}
