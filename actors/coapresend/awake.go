package coapresend

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// wakefulness is whether the peer of a link in queue mode may expect to be heard: for
// MAX_TRANSMIT_WAIT after the last message in either direction, 93 s by default (LwM2M
// Core section 6.2.3).
//
//	        QueueMode                     silence
//	off ──────────────▶ on, awake ───────────────────▶ on, asleep
//	 ▲                   │     ▲      any message           │
//	 └── QueueMode off ──┴─────┴────────────────────────────┘
type wakefulness struct {
	on, awake bool
	last      time.Time // of the last message, while awake
}

// queueMode begins or ends to watch for silence.
func (m *Machine) queueMode(in messages.QueueMode) {
	if in.Epoch != m.cfg.Epoch || in.On == m.wake.on {
		return
	}
	if m.wake.awake {
		m.stopTimer(awakeTimer)
	}
	m.wake = wakefulness{on: in.On, awake: in.On, last: m.now}
	if in.On {
		m.setTimer(awakeTimer, m.cfg.MaxTransmitWait())
	}
}

// stirred notes that a message was sent or received. The timer is left running: one in
// each window costs less than one for every message.
func (m *Machine) stirred() {
	if !m.wake.on {
		return
	}
	m.wake.last = m.now
	if !m.wake.awake {
		m.wake.awake = true
		m.tell(core.Supervisor, messages.LinkAwake{Epoch: m.cfg.Epoch})
		m.setTimer(awakeTimer, m.cfg.MaxTransmitWait())
	}
}

// awakeExpired ends the window, unless there was a message within it, or there is
// something to wait for, whose end is a message.
func (m *Machine) awakeExpired() {
	switch rest := m.wake.last.Add(m.cfg.MaxTransmitWait()).Sub(m.now); {
	case rest > 0:
		m.setTimer(awakeTimer, rest)
	case m.expectant():
		m.setTimer(awakeTimer, m.cfg.MaxTransmitWait())
	default:
		m.wake.awake = false
		m.tell(core.Supervisor, messages.LinkAsleep{Epoch: m.cfg.Epoch})
	}
}

// expectant reports whether something is under way: a message of ours that has no
// answer yet, or a request of the peer that its handler has not answered.
func (m *Machine) expectant() bool {
	for _, e := range m.entries {
		if e.job != nil {
			return true
		}
	}
	return m.calls > 0 || len(m.active) > 0
}
