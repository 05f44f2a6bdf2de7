package management

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/messages"
)

// tallies returns what was reported since the last call, for server 1.
func (d *desk) tallies() []messages.Observing {
	d.t.Helper()
	var some []messages.Observing
	for _, in := range d.observing {
		if in.Peer != server1 {
			d.t.Errorf("reported of %v", in.Peer)
		}
		some = append(some, in.Observing)
	}
	d.observing = nil
	return some
}

// wantTallies demands what was reported since the last call.
func (d *desk) wantTallies(want ...messages.Observing) {
	d.t.Helper()
	if got := d.tallies(); !slices.Equal(got, want) {
		d.t.Fatalf("reported %+v, want %+v", got, want)
	}
}

// The first change is reported at once, and what follows after 10 s, together.
func TestTallies(t *testing.T) {
	d, g := weighing(t)
	d.wantTallies(messages.Observing{Observations: 1})
	d.set(g, 0, 1)
	d.set(g, 0, 2)
	d.observe("b", weight)
	d.sleep(tallyInterval - time.Second)
	d.wantTallies()
	d.sleep(time.Second)
	d.wantTallies(messages.Observing{Observations: 2, Notified: 2, Acknowledged: 2})
	d.sleep(time.Hour)
	d.wantTallies()
	d.outcome = messages.NotifySent
	d.set(g, 0, 3)
	d.wantTallies(messages.Observing{Observations: 2, Notified: 1}) // of two, the first
	d.sleep(tallyInterval)
	d.wantTallies(messages.Observing{Observations: 2, Notified: 1})
	d.sleep(tallyInterval)
	cancel := observing("b", weight)
	cancel.Observe = new(uint32(1))
	d.ask(cancel)
	d.wantTallies(messages.Observing{Observations: 1})
}

// What is stored while the server is away is reported, and what there was no room for
// once.
func TestTalliesOfStoredNotifications(t *testing.T) {
	d, g := weighing(t)
	d.sleep(tallyInterval)
	d.tallies()
	d.down(4, true)
	for i := range reporting.MaxStored + 10 {
		d.set(g, 0, float64(i))
	}
	d.sleep(tallyInterval)
	d.wantTallies(messages.Observing{Observations: 1, Stored: 1}, messages.Observing{Observations: 1, Stored: reporting.MaxStored, Dropped: 10})
	d.sleep(tallyInterval)
	d.up(5, true)
	d.wantTallies(messages.Observing{Observations: 1, Stored: reporting.MaxStored - 1}) // one leaves, and the rest follows
	d.sleep(tallyInterval)
	d.wantTallies(messages.Observing{Observations: 1, Notified: reporting.MaxStored, Acknowledged: reporting.MaxStored})
	d.sleep(tallyInterval)
	d.up(6, true) // of a supervisor, perhaps, that has crashed
	d.wantTallies(messages.Observing{Observations: 1})
	d.sleep(tallyInterval)
	d.up(7, false)
	d.wantTallies(messages.Observing{})
}

// A client that nobody observes reports nothing.
func TestNoTallies(t *testing.T) {
	d := newDesk(t, Config{}).registered()
	d.up(5, true)
	d.up(6, false)
	d.down(6, false)
	d.wantTallies()
	if len(d.timers) > 0 {
		t.Errorf("timers: %v", d.timers)
	}
}
