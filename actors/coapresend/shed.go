package coapresend

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// shedInterval is the least time between two reports of what was dropped.
const shedInterval = 10 * time.Second

// dropped is the input that says how many datagrams were lost outside of the
// machine since the last one.
type dropped struct {
	queue  uint64 // that the full mailbox has refused
	unsent uint64 // of ours that the socket had no room for
}

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
