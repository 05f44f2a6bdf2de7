package management

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// tallyInterval is the least time between two reports of what servers observe.
const tallyInterval = 10 * time.Second

// timerTally ends the time in which nothing is reported.
var timerTally = core.Timer{Name: "tally"}

// tally counts what has become of the notifications for a server.
type tally struct {
	notified, acknowledged uint64             // not reported yet
	reported               messages.Observing // last; Dropped in all
	unsaid                 bool               // a supervisor that has crashed may not know it any more
}

// count notes the outcome of a notification.
func (t *tally) count(outcome messages.NotifyOutcome) {
	switch outcome {
	case messages.NotifyAcknowledged:
		t.acknowledged++
		t.notified++
	case messages.NotifySent, messages.NotifySilent:
		t.notified++
	}
}

// reportTallies says what servers observe where that has changed: the first change at
// once, and what follows together when the interval is over.
func (m *Machine) reportTallies() (effects []core.Effect) {
	if m.tallied {
		return nil
	}
	for _, o := range m.observers {
		if changed, is := m.tallyOf(o); is {
			effects = append(effects, tell(messages.ObservingChanged{Peer: o.peer, Observing: changed}))
		}
	}
	if len(effects) == 0 {
		return nil
	}
	m.tallied = true
	return append(effects, core.SetTimer{Timer: timerTally, After: tallyInterval})
}

// tallyOf returns what is to be reported of a server; false for nothing.
func (m *Machine) tallyOf(o *observer) (messages.Observing, bool) {
	now := messages.Observing{
		Observations: m.observed.Count(o.peer), Stored: o.outbox.backlog.Len(), Dropped: o.outbox.backlog.Dropped(),
	}
	again := o.tally.unsaid && (now.Observations > 0 || now.Stored > 0)
	if now == o.tally.reported && o.tally.notified == 0 && !again {
		return messages.Observing{}, false
	}
	report := now
	report.Notified, report.Acknowledged = o.tally.notified, o.tally.acknowledged
	report.Dropped -= o.tally.reported.Dropped
	o.tally = tally{reported: now}
	return report, true
}
