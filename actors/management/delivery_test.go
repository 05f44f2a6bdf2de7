package management

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// What has been acknowledged is not told again: not when the session goes on, on another link
// or in another process, and not because a day has passed. What is owed is.
func TestNothingReportedIsToldTwice(t *testing.T) {
	d, r := newReporter(t)
	d.observe("a", "/5/0/3")
	d.ask(observingAll("b", "/5/0/3", "/5/0/5"))
	d.observe("w", weight)
	r.report(firmware.PathState, 1)
	d.notified(now)

	d.sleep(25 * time.Hour)
	if told := d.notified(now); !slices.Equal(told, []string{"86400 w 2.5"}) {
		t.Errorf("after a day: %q", told)
	}
	d.down(4, true)
	d.up(5, true)
	wantTold(t, d)
	d.restart()
	d.up(6, true)
	if told := d.notified(d.now); !slices.Equal(told, []string{"0 w 2.5"}) {
		t.Errorf("after a restart: %q", told)
	}

	d.down(6, true)
	r.report(firmware.PathState, 2, 3)
	d.sleep(time.Minute)
	d.restart()
	d.up(7, true)
	told := d.notified(d.now)
	if told = slices.DeleteFunc(told, func(s string) bool { return s == "0 w 2.5" }); len(told) != 4 ||
		told[0] != "0 a 2" || told[2] != "0 a 3" {
		t.Errorf("what was owed: %q", told)
	}
	if len(r.queue) > 0 {
		t.Errorf("owed still: %v", r.queue)
	}
}

// A value that was read in another process, and has been followed by the next one since, was
// told before: only the next one is.
func TestWhatIsFollowedSinceIsNotToldAgain(t *testing.T) {
	d, r := newReporter(t)
	d.ask(observing("a", "/5/0/3"))
	d.restart()
	d.notified(d.now)
	var said []any // behind what happens meanwhile
	r.meanwhile = func() {
		r.queue = []lwm2m.Node{state(1)}
		said = r.show()
	}
	d.up(5, true)
	if len(said) == 0 {
		t.Fatal("nobody has asked what the server has")
	}
	for _, in := range said {
		d.step(in)
	}
	d.sleep(time.Minute)
	if told := d.notified(d.now); len(told) != 1 || !strings.HasSuffix(told[0], " a 1") {
		t.Errorf("told %q", told)
	}
}

// While the server is away nothing is stored of what is reported, whatever it wants stored:
// it is told what it is owed.
func TestReportsAreNotStored(t *testing.T) {
	for _, storing := range []bool{true, false} {
		d, r := newReporter(t)
		d.storing(storing)
		d.observe("a", "/5/0/3")
		d.outcome = 0
		r.report(firmware.PathState, 1)
		wantTold(t, d, "0 a 1")
		d.down(4, true)
		d.set(r.scale, 0, 9)
		d.sleep(time.Hour)
		if stored := d.m.observers.of(server1).outbox.backlog.Len(); stored > 0 {
			t.Errorf("storing %t: %d stored", storing, stored)
		}
		d.outcome = messages.NotifyAcknowledged
		d.up(5, true)
		if told := d.notified(d.now); !slices.Equal(told, []string{"0 a 1"}) || len(r.queue) > 0 {
			t.Errorf("storing %t: told %q, owed %v", storing, told, r.queue)
		}
		d.down(5, true)
		d.up(6, true)
		wantTold(t, d)
	}
}

// A value whose notification is under way when the link is lost, and which arrives in another
// way meanwhile, is not told again.
func TestReportsThatArriveOtherwise(t *testing.T) {
	d, r := newReporter(t)
	d.observe("a", "/5/0/3")
	d.outcome = 0
	r.report(firmware.PathState, 1)
	d.ask(accepting("/5/0/3", text))
	d.notified(now)
	d.down(4, true)
	d.outcome = messages.NotifyAcknowledged
	d.up(5, true)
	wantTold(t, d)
}

// What the server is told once more because it wants that, and not confirmably, says nothing
// that it does not have: it is not made sure of when the session goes on.
func TestRepeatedReportsAreNotMadeSureOf(t *testing.T) {
	d, r := newReporter(t)
	d.observe("a", "/5/0/3")
	d.attributes("/5/0/3", "con=0", "pmax=60")
	r.report(firmware.PathState, 1)
	d.sleep(60 * time.Second)
	wantTold(t, d, "0 a 1", "60 a 1")
	d.down(4, true)
	d.up(5, true)
	wantTold(t, d)
}

// An update that was started anew may not have heard that a value has arrived: it hears it
// again, and the server does not.
func TestReportsThatHaveArrivedAreSaidAgainWhenAsked(t *testing.T) {
	for _, observe := range observingReports() {
		d, r := newReporter(t)
		d.ask(observe)
		r.deaf = true
		r.report(firmware.PathState, 1)
		if len(d.notes) != 1 || len(r.queue) != 1 {
			t.Fatalf("%v: %d notifications, owed %v", observe.Path, len(d.notes), r.queue)
		}
		r.deaf, d.notes = false, nil
		d.step(messages.ReportsAsked{})
		if len(d.notes) > 0 || len(r.queue) > 0 {
			t.Errorf("%v: %d notifications, owed %v", observe.Path, len(d.notes), r.queue)
		}
	}
}

// What is owed when an update is started anew is told, once, though nothing was said of a
// change.
func TestReportsAreToldWhenAsked(t *testing.T) {
	for _, observe := range observingReports() {
		d, r := newReporter(t)
		d.ask(observe)
		r.report(firmware.PathState, 1)
		d.notes, d.outcome = nil, 0
		r.queue = []lwm2m.Node{{Path: firmware.PathState, Value: lwm2m.Integer(2)}}
		r.show()
		d.step(messages.ReportsAsked{})
		d.step(messages.ReportsAsked{})
		if len(d.notes) != 1 || len(r.queue) != 1 {
			t.Errorf("%v: %d notifications, owed %v", observe.Path, len(d.notes), r.queue)
		}
		d.acknowledge(4)
		if len(r.queue) > 0 {
			t.Errorf("%v: owed still", observe.Path)
		}
		d.step(messages.ReportsAsked{})
		if len(d.notes) != 1 {
			t.Errorf("%v: told again what is not owed", observe.Path)
		}
	}
}

func observingReports() []messages.Inbound {
	return []messages.Inbound{observing("a", "/5/0/3"), senML(observing("a", "/5/0")), observingAll("a", "/5/0/3", "/5/0/5")}
}

// delivery drives management with a reporter through everything that may happen between.
type delivery struct {
	*desk
	*reporter
	rt       *rapid.T
	epoch    messages.Epoch // 0 while the server is away
	last     messages.Epoch
	reported int64
	way      []messages.Notify // notifications that are neither acknowledged nor given up
	seen     int               // how many of desk.notes were looked at
}

// sent judges the notifications that have left, as the server sees them: each says what it
// is owed at that moment and nothing else.
func (d *delivery) sent() {
	for ; d.seen < len(d.notes); d.seen++ {
		n := d.notes[d.seen]
		want := firmware.PathState
		if string(n.Token) == "b" {
			want = firmware.PathResult
		}
		v, err := strconv.ParseInt(string(n.Payload), 10, 64)
		if len(d.queue) == 0 || d.queue[0] != (lwm2m.Node{Path: want, Value: lwm2m.Integer(v)}) || err != nil || !n.Confirmable {
			d.rt.Fatalf("told %s %s, owed is %v", n.Token, n.Payload, d.queue)
		}
		for _, older := range d.way {
			if older.Observation == n.Observation && older.Epoch == n.Epoch {
				d.rt.Fatalf("told %s %s while that is under way", n.Token, n.Payload)
			}
		}
		d.way = append(d.way, n)
	}
}

// do does something, and judges what comes of it.
func (d *delivery) do(in ...any) {
	for _, in := range in {
		d.step(in)
	}
	d.sent()
}

// lose ends the session.
func (d *delivery) lose() {
	if d.epoch != 0 {
		epoch := d.epoch
		d.epoch, d.way = 0, nil
		d.do(messages.SessionLost{Peer: server1, Epoch: epoch, StillRegistered: true})
	}
}

// resume has the session go on.
func (d *delivery) resume(again bool) {
	if d.epoch == 0 {
		d.last++
		d.epoch = d.last
		d.do(messages.SessionUp{Peer: server1, Epoch: d.epoch, Version: "1.1", Resumed: !again, Again: again})
	}
}

// settle has the notifications that are under way come to something.
func (d *delivery) settle(outcome messages.NotifyOutcome) {
	way := d.way
	d.way = nil
	for _, n := range way {
		d.do(messages.Notified{Epoch: n.Epoch, ID: n.ID, Observation: n.Observation, Outcome: outcome})
	}
}

// crash has update crash while it is told what has arrived: the server is not told that again.
func (d *delivery) crash() {
	d.deaf = true
	owed := slices.Clone(d.queue)
	arrived := slices.ContainsFunc(d.way, func(n messages.Notify) bool { return n.Epoch == d.epoch })
	d.settle(messages.NotifyAcknowledged)
	d.deaf = false
	d.do(messages.ReportsAsked{})
	if arrived && slices.Equal(d.queue, owed) {
		d.rt.Fatalf("owed still: %v", owed)
	}
}

func (d *delivery) act(rt *rapid.T) {
	switch rapid.SampledFrom([]string{
		"report", "report", "acknowledge", "acknowledge", "drop", "lose", "resume", "resume", "process", "management", "update", "crash", "sleep", "storing", "attributes",
	}).Draw(rt, "action") {
	case "report":
		d.reported++
		d.report(rapid.SampledFrom(reportedHere).Draw(rt, "path"), d.reported)
		d.sent()
	case "acknowledge":
		d.settle(messages.NotifyAcknowledged)
	case "drop":
		d.settle(messages.NotifyDropped)
	case "lose":
		d.lose()
	case "resume":
		d.resume(false)
	case "process":
		d.epoch, d.way = 0, nil
		d.restart()
	case "management":
		d.epoch, d.way = 0, nil
		d.restart()
		d.resume(true)
	case "update":
		d.do(messages.ReportsAsked{})
	case "crash":
		d.crash()
	case "sleep":
		d.sleep(time.Duration(rapid.SampledFrom([]int{1, 7, 600, 90_000}).Draw(rt, "seconds")) * time.Second)
		d.sent()
	case "storing":
		d.storing(rapid.Bool().Draw(rt, "stores"))
	case "attributes":
		in := request(messages.PUT, "/5/0/3")
		in.Query = []string{rapid.SampledFrom([]string{"pmin=5", "pmin=0", "lt=1000", "st=40", "con=0"}).Draw(rt, "query")}
		in.Epoch = cmp.Or(d.epoch, d.last+1) // it overtakes the announcement of the session
		d.do(in)
	}
}

// Whatever is lost, resent, restarted or kept waiting: each value is told until it is
// acknowledged, before the next one, and never after that.
func TestReportsProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		desk, r := newReporter(t)
		d := &delivery{desk: desk, reporter: r, rt: rt, epoch: 4, last: 4}
		d.observe("a", "/5/0/3")
		d.observe("b", "/5/0/5")
		d.outcome = 0
		for range rapid.IntRange(1, 40).Draw(rt, "actions") {
			d.act(rt)
		}
		d.resume(false)
		for range 100 {
			d.settle(messages.NotifyAcknowledged)
			d.sleep(5 * time.Second)
			d.sent()
		}
		if len(d.queue) > 0 {
			rt.Fatalf("owed still: %v", d.queue)
		}
	})
}
