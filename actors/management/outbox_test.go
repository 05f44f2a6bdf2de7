package management

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// acknowledge has the notification that was sent last arrive on a link.
func (d *desk) acknowledge(epoch messages.Epoch) {
	d.t.Helper()
	d.step(messages.Notified{Epoch: epoch, ID: d.m.lastNote, Outcome: messages.NotifyAcknowledged})
}

// gone removes an instance of a gauge.
func (d *desk) gone(g *gauge, inst uint16) {
	g.tree.DeleteInstance(shelfID, inst)
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID)}})
}

// What waits under a token that is observed anew, the same or another target, is older
// than the answer, and never told behind it.
func TestNothingOlderFollowsTheAnswer(t *testing.T) {
	for name, again := range map[string]string{"the same": weight, "another": "/4000/7/1"} {
		d, g := weighing(t)
		d.observe("b", "/4000/7/1")
		d.down(4, true)
		d.set(g, 0, 10)
		d.set(g, 0, 11)
		d.outcome = 0
		d.up(5, true)
		d.set(g, 0, 12)
		if wantTold(t, d, "0 a 10"); len(d.ended) > 0 {
			t.Fatalf("%s: ended %v", name, d.ended)
		}
		in := observing("a", again)
		in.Epoch = 5
		if d.ask(in).Observe == nil {
			t.Fatal(name)
		}
		d.acknowledge(5)
		wantTold(t, d)
		if want := []uint64{1}; !slices.Equal(d.ended, want) || len(d.m.observations) != 2 {
			t.Errorf("%s: ended %v, %d observations", name, d.ended, len(d.m.observations))
		}
		d.outcome = messages.NotifyAcknowledged
		d.set(g, 0, 13)
		d.set(g, 7, 14)
		want := []string{"0 a 13", "0 b 14"}
		if again != weight {
			want = []string{"0 b 14", "0 a 14"}
		}
		wantTold(t, d, want...)
	}
}

// The end of an observation is not taken for that of the one that has its token since.
func TestAnEndIsOfOneObservation(t *testing.T) {
	d, g := weighing(t)
	d.outcome = 0
	d.gone(g, 0)
	wantTold(t, d, "0 a 4.04")
	d.observe("a", "/4000/7/1")
	if !slices.Equal(d.ended, []uint64{1}) {
		t.Errorf("ended %v: the end is still being sent", d.ended)
	}
	d.down(4, true)
	d.up(5, true)
	wantTold(t, d)
}

// A server waits for ever for what has ended without its knowing: it is told, whatever
// comes between, as long as it is the same registration.
func TestEndsAreTold(t *testing.T) {
	ended := func(t *testing.T) (*desk, *gauge) {
		d, g := weighing(t)
		d.outcome = 0
		d.gone(g, 0)
		wantTold(t, d, "0 a 4.04")
		return d, g
	}
	t.Run("a link that is lost, with nothing stored", func(t *testing.T) {
		d, _ := ended(t)
		d.storing(false)
		d.down(4, true)
		d.up(5, true)
		wantTold(t, d, "0 a 4.04")
	})
	t.Run("a restart", func(t *testing.T) {
		d, _ := ended(t)
		d.restart()
		d.up(1, true)
		wantTold(t, d, "0 a 4.04")
		d.step(messages.Notified{Epoch: 1, ID: 1, Outcome: messages.NotifyAcknowledged})
		if len(d.disk) != 0 {
			t.Error("it is still on the disk")
		}
	})
	t.Run("an answer that the server does not want it", func(t *testing.T) {
		d, _ := ended(t)
		d.step(messages.Notified{Epoch: 4, ID: d.m.lastNote, Observation: 1, Outcome: messages.NotifyReset})
		if wantTold(t, d); len(d.disk) != 0 {
			t.Errorf("on the disk: %v", d.disk)
		}
	})
	t.Run("more than can be stored", func(t *testing.T) {
		d, g := weighing(t)
		d.observe("b", "/4000/7/1")
		d.down(4, true)
		d.gone(g, 0)
		for i := range reporting.MaxStored + 1 {
			d.set(g, 7, float64(i))
		}
		d.up(5, true)
		if told := d.notified(now); len(told) != reporting.MaxStored+1 || told[len(told)-1] != "0 a 4.04" {
			t.Errorf("%d told", len(told))
		}
	})
	t.Run("no room in coapresend", func(t *testing.T) {
		d, _ := ended(t)
		d.step(messages.Notified{Epoch: 4, ID: d.m.lastNote, Outcome: messages.NotifyDropped})
		d.sleep(time.Minute)
		wantTold(t, d, "1 a 4.04")
	})
	t.Run("another registration", func(t *testing.T) {
		d, _ := ended(t)
		d.down(4, true)
		d.up(5, false)
		d.observe("a", "/4000/7/1")
		if wantTold(t, d); len(d.disk) != 1 {
			t.Errorf("on the disk: %v", d.disk)
		}
	})
	t.Run("no registration any more", func(t *testing.T) {
		d, _ := ended(t)
		d.down(4, false)
		d.up(5, false)
		if wantTold(t, d); len(d.disk) != 0 {
			t.Errorf("on the disk: %v", d.disk)
		}
	})
}

// Once the server is back, a newer value takes the place of one that waits: a server that
// is slower than the values change is told the latest in the end, and nothing is dropped.
func TestOnlyWhatIsToldToNobodyIsStored(t *testing.T) {
	d, g := weighing(t)
	d.down(4, true)
	for i := range 3 {
		d.set(g, 0, float64(i))
	}
	d.outcome = 0
	d.up(5, true)
	for i := range 2 * reporting.MaxStored {
		d.set(g, 0, float64(100+i))
	}
	for range 5 {
		d.acknowledge(5)
	}
	wantTold(t, d, "0 a 0", "0 a 1", "0 a 2", "0 a 2147")
	if n := d.m.observers.of(server1).outbox.backlog.Dropped(); n != 0 {
		t.Errorf("%d dropped", n)
	}
}

// When the link is lost while what was stored is being sent, what has come meanwhile is
// stored behind the rest of it.
func TestLostAgainWhileTheStoredIsSent(t *testing.T) {
	d, g := weighing(t)
	d.down(4, true)
	for i := range 3 {
		d.set(g, 0, float64(i))
	}
	d.outcome = 0
	d.up(5, true)
	d.acknowledge(5)
	d.set(g, 0, 3)
	wantTold(t, d, "0 a 0", "0 a 1")
	d.down(5, true)
	d.set(g, 0, 4)
	d.outcome = messages.NotifyAcknowledged
	d.up(6, true)
	wantTold(t, d, "0 a 1", "0 a 2", "0 a 3", "0 a 4")
}

// What was stored and finds no room in coapresend is tried again.
func TestStoredNotificationsWithoutRoom(t *testing.T) {
	d, g := weighing(t)
	d.down(4, true)
	d.set(g, 0, 1)
	d.set(g, 0, 2)
	d.outcome = 0
	d.up(5, true)
	d.outcome = messages.NotifyAcknowledged
	d.step(messages.Notified{Epoch: 5, ID: d.m.lastNote, Outcome: messages.NotifyDropped})
	d.sleep(time.Minute)
	wantTold(t, d, "0 a 1", "1 a 1", "1 a 2")
}

// What is not confirmable may have been lost before the server was known to be away. It
// is told when it is back, unless what was stored says it.
func TestUnconfirmedValuesAreToldAgain(t *testing.T) {
	d, g := weighing(t, "con=0", "pmin=1")
	d.observe("b", "/4000/7/1")
	d.sleep(time.Second)
	d.outcome = messages.NotifySent
	d.set(g, 0, 1)
	wantTold(t, d, "1 a 1")
	d.down(4, true)
	d.sleep(time.Minute)
	d.up(5, true)
	wantTold(t, d, "61 a 1") // b was told last by the answer to the request
	d.sleep(time.Minute)
	d.down(5, true)
	d.set(g, 0, 2)
	d.sleep(time.Minute)
	d.up(6, true)
	d.sleep(time.Minute)
	wantTold(t, d, "181 a 2")
}
