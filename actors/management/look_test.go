package management

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// teller is a shelf that tells of changes, and is read by handlers.
type teller struct{ *shelf }

func (teller) Watch(func(lwm2m.Path)) (stop func()) { return func() {} }

// telling is a desk whose handlers return when done is called, with what they have read
// when they began.
func telling(t *testing.T) (d *desk, set func(float64), done func()) {
	s := newShelf(shelfID, 0)
	d = newDesk(t, Config{Objects: []object.Object{teller{s}}}).registered()
	var under []Returned
	d.hang = func(c Call) bool {
		run(context.Background(), c, func(out Returned) { under = append(under, out) })
		return true
	}
	set = func(weight float64) {
		s.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(weight)})
		d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID, 0, 1)}})
	}
	return d, set, func() {
		t.Helper()
		if len(under) != 1 {
			t.Fatalf("%d handlers are under way", len(under))
		}
		out := under[0]
		under = nil
		d.step(out)
	}
}

// A change while the values are being read may have come too late for them, whether they
// are the first answer, are only looked at, or are told all the same.
func TestChangesWhileValuesAreRead(t *testing.T) {
	d, set, done := telling(t)
	d.step(observing("a", weight))
	set(3)
	done()
	if first := d.replies[len(d.replies)-1]; string(first.Payload) != "2.5" || first.Observe == nil {
		t.Fatalf("the first answer is %s", first.Payload)
	}
	done()
	wantTold(t, d, "0 a 3")
	set(4)
	set(5)
	done()
	done()
	wantTold(t, d, "0 a 4", "0 a 5")
	d.attributes(weight, "pmax=10")
	d.sleep(10 * time.Second)
	set(6)
	done()
	done()
	wantTold(t, d, "10 a 5", "10 a 6")
}

// What was being read when the server went is no reason to store anything for one that
// does not want it.
func TestNothingStoredOfWhatWasBeingRead(t *testing.T) {
	d, set, done := telling(t)
	d.step(observing("a", weight))
	done()
	d.storing(false)
	done() // what a server may read can have changed
	set(3)
	d.down(4, true)
	done()
	set(4)
	d.sleep(time.Minute)
	d.up(5, true)
	done()
	wantTold(t, d, "60 a 4")
}

// paced is a gauge whose weights change without a word.
type paced struct{ *gauge }

func (paced) Sample(target lwm2m.Path) time.Duration {
	if target.Resource() == 1 {
		return 5 * time.Second
	}
	return 0
}

// Of an object, also the values are looked at that come while it is observed.
func TestSamplingOfWhatComesLater(t *testing.T) {
	g := newGauge()
	d := newDesk(t, Config{Objects: []object.Object{paced{g}}}).registered()
	in := observing("o", "/4000")
	in.Accept = new(messages.Format(tlvF))
	d.ask(in)
	weigh := func(f float64) { g.tree.PutResource(shelfID, 3, lwm2m.Resource{ID: 1, Value: lwm2m.Float(f)}) }
	g.tree.PutInstance(shelfID, lwm2m.Instance{ID: 3})
	weigh(1)
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID)}})
	d.notified(now)
	d.sleep(7 * time.Second)
	weigh(2)
	d.sleep(7 * time.Second)
	if n := len(d.notes); n != 1 || !d.at[0].Equal(now.Add(10*time.Second)) {
		t.Fatalf("told %d times, at %v", n, d.at)
	}
	d.gone(g, 3)
	if next := d.timers[timerObserve].Sub(d.now); next < time.Hour {
		t.Errorf("what has gone is looked at in %v", next)
	}
}
