package management

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/messages"
)

// bereft is a desk whose server observes an instance that was removed; the word of it is
// under way.
func bereft(t *testing.T) (*desk, *gauge) {
	d, g := weighing(t)
	d.observe("b", "/4000/7/1")
	d.outcome = 0
	d.gone(g, 0)
	wantTold(t, d, "0 a 4.04")
	return d, g
}

// askAgain has the server ask about what is gone, on the next link.
func (d *desk) askAgain(observe uint32) {
	again := observing("a", weight)
	again.Epoch, again.Observe = 5, &observe
	d.ask(again)
}

// recorded are the tokens in the record on the disk.
func (d *desk) recorded() (tokens string) {
	d.t.Helper()
	if d.disk["observations-1"] == nil {
		return ""
	}
	r, err := reporting.DecodeRecord(server1, d.disk["observations-1"])
	if err != nil {
		d.t.Fatal(err)
	}
	for _, spec := range r.Observations {
		tokens += spec.Token
	}
	return tokens
}

// The word that an observation has ended is told again on the next link, whether anything
// is stored or not, and behind what is.
func TestTheEndIsToldAgain(t *testing.T) {
	for _, storing := range []bool{true, false} {
		d, g := bereft(t)
		d.storing(storing)
		d.down(4, true)
		for i := range reporting.MaxStored + 1 {
			d.set(g, 7, float64(i))
		}
		d.outcome = messages.NotifyAcknowledged
		d.up(5, true)
		ends := 0
		for _, n := range d.notes {
			if n.Code == messages.NotFound && string(n.Token) == "a" {
				ends++
			}
		}
		if ends != 1 || d.recorded() != "b" {
			t.Errorf("storing %t: told %d times, recorded %q", storing, ends, d.recorded())
		}
	}
}

// The record has the observation until the server knows that it has ended: a process that
// begins with it tells that.
func TestTheEndIsDurable(t *testing.T) {
	d, _ := bereft(t)
	if d.recorded() != "ab" {
		t.Fatalf("recorded %q", d.recorded())
	}
	d.restart()
	d.up(1, true)
	wantTold(t, d, "0 a 4.04", "0 b 2.5")
	d.step(messages.Notified{Epoch: 1, ID: 1, Observation: 1, Outcome: messages.NotifyAcknowledged})
	if d.recorded() != "b" {
		t.Errorf("recorded %q", d.recorded())
	}
}

// Coapresend has no room for it: it comes when there is some.
func TestTheEndIsNotDropped(t *testing.T) {
	d, g := bereft(t)
	d.set(g, 7, 1)
	d.step(messages.Notified{Epoch: 4, ID: d.m.lastNote - 1, Observation: 1, Outcome: messages.NotifyDropped})
	d.notified(now)
	d.step(messages.Notified{Epoch: 4, ID: d.m.lastNote, Observation: 2, Outcome: messages.NotifyAcknowledged})
	wantTold(t, d, "0 a 4.04")
}

// It is not told where the server knows by itself: after a Register, and once it observes
// anew under the same token.
func TestTheEndThatIsKnownIsNotTold(t *testing.T) {
	for name, know := range map[string]func(*desk){
		"registered anew":          func(d *desk) { d.down(4, true); d.up(5, false) },
		"the registration is over": func(d *desk) { d.down(4, false); d.up(5, true) },
		"observed anew": func(d *desk) {
			d.down(4, true)
			again := observing("a", "/4000/7/1")
			again.Epoch = 5
			d.ask(again)
			d.up(5, true)
		},
		"refused anew": func(d *desk) { d.down(4, true); d.askAgain(observeBegin); d.up(5, true) },
		"cancelled":    func(d *desk) { d.down(4, true); d.askAgain(observeEnd); d.up(5, true) },
	} {
		d, _ := bereft(t)
		know(d)
		d.sleep(time.Minute)
		for _, n := range d.notes {
			if n.Code == messages.NotFound {
				t.Errorf("%s: it is told", name)
			}
		}
	}
}

// A server that is away has missed the end of an observation whose last value is stored.
func TestTheEndComesBehindWhatIsStored(t *testing.T) {
	d, g := weighing(t)
	d.outcome = 0
	d.down(4, true)
	d.now = d.now.Add(time.Second)
	d.set(g, 0, 1)
	d.set(g, 0, 2)
	d.gone(g, 0)
	d.up(5, true)
	wantTold(t, d, "1 a 1")
	d.acknowledge(5)
	wantTold(t, d, "1 a 2")
	d.acknowledge(5)
	wantTold(t, d, "1 a 4.04")
	if d.recorded() != "a" {
		t.Errorf("recorded %q", d.recorded())
	}
	d.acknowledge(5)
	if d.recorded() != "" {
		t.Errorf("recorded %q", d.recorded())
	}
}

// What a server sets before its session is announced leaves in the record what it observes:
// the process may end before it is known that the registration goes on.
func TestTheRecordOutlivesWhatOvertakesTheSession(t *testing.T) {
	d, _ := weighing(t, "pmin=7")
	d.restart()
	in := request(messages.PUT, "/4000/7/1")
	in.Query, in.Epoch = []string{"pmin=9"}, 5
	d.ask(in)
	if d.recorded() != "a" {
		t.Errorf("recorded %q", d.recorded())
	}
	d.restart()
	d.up(6, true)
	wantTold(t, d, "0 a 2.5")
	set := d.m.observers.of(server1).attributes
	if set.Len() != 2 {
		t.Errorf("attributes at %v", set.Paths())
	}
	d.restart()
	in.Epoch = 7
	d.ask(in)
	if d.up(7, false); d.recorded() != "" {
		t.Errorf("recorded %q of a registration that is over", d.recorded())
	}
}
