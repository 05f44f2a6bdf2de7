package management

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// storing has the model say whether notifications are stored.
func (d *desk) storing(yes bool) {
	tree := accountsModel()
	tree.PutResource(1, 0, lwm2m.Resource{ID: 6, Value: lwm2m.Boolean(yes)})
	d.step(messages.ModelChanged{Tree: tree})
}

// What happens while the server is away is stored, in order, and told when its
// registration goes on, the latest value last.
func TestStoredWhileTheServerIsAway(t *testing.T) {
	d, g := weighing(t, "pmax=100")
	d.now = d.now.Add(time.Second)
	d.outcome = 0 // the network has gone, and nobody knows yet
	d.set(g, 0, 1)
	d.set(g, 0, 2)
	wantTold(t, d, "1 a 1", "1 a 2")
	d.down(4, true)
	d.sleep(time.Second)
	d.set(g, 0, 3)
	d.sleep(100 * time.Second) // pmax
	d.set(g, 0, 4)
	wantTold(t, d)
	d.up(5, true)
	wantTold(t, d, "102 a 1")
	if d.set(g, 0, 5); len(d.notes) > 0 {
		t.Error("a newer value overtakes those that are stored")
	}
	for i, want := range []string{"2", "3", "3", "4", "5"} {
		d.step(messages.Notified{Epoch: 5, ID: d.m.lastNote, Observation: 1, Outcome: messages.NotifyAcknowledged})
		wantTold(t, d, "102 a "+want)
		if d.m.lastNote != uint64(i+4) {
			t.Fatalf("notification %d", d.m.lastNote)
		}
	}
	d.outcome = messages.NotifyAcknowledged
	d.step(messages.Notified{Epoch: 5, ID: d.m.lastNote, Observation: 1, Outcome: messages.NotifyAcknowledged})
	d.set(g, 0, 6)
	wantTold(t, d, "102 a 6")
}

// Of two values that coapresend gives back, the one that was to take the other's place
// is told last when the server is back.
func TestSilentNotificationsAreAllKept(t *testing.T) {
	d, g := weighing(t)
	d.now = d.now.Add(time.Second)
	d.outcome = 0
	d.set(g, 0, 1)
	d.set(g, 0, 2)
	for id := d.m.lastNote - 1; id <= d.m.lastNote; id++ {
		d.step(messages.Notified{Epoch: 4, ID: id, Observation: 1, Outcome: messages.NotifySilent})
	}
	d.down(4, true)
	d.notes = nil
	d.up(5, true)
	d.step(messages.Notified{Epoch: 5, ID: d.m.lastNote, Observation: 1, Outcome: messages.NotifyAcknowledged})
	if n := len(d.notes); n != 2 || string(d.notes[1].Payload) != "2" {
		t.Errorf("told %v", d.notes)
	}
}

// Where nothing is stored, the server is told what it does not know, once.
func TestNothingStored(t *testing.T) {
	d, g := weighing(t)
	d.observe("b", "/4000/7/1")
	d.storing(false)
	d.outcome = 0
	d.set(g, 0, 1)
	d.down(4, true)
	d.notified(now)
	d.set(g, 0, 2)
	d.set(g, 0, 3)
	d.sleep(30 * time.Hour)
	d.outcome = messages.NotifyAcknowledged
	wantTold(t, d)
	d.up(5, true)
	wantTold(t, d, "108000 a 3", "108000 b 2.5") // b: a day without a confirmation
	d.down(5, true)
	g.tree.DeleteInstance(shelfID, 0)
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID, 0)}})
	d.up(6, true)
	wantTold(t, d, "108000 a 4.04")
}

// The store is bounded: the oldest go, and are counted.
func TestStoredNotificationsAreBounded(t *testing.T) {
	d, g := weighing(t)
	d.down(4, true)
	for i := range reporting.MaxStored + 10 {
		d.set(g, 0, float64(i))
	}
	o := d.m.observers.of(server1)
	if o.outbox.backlog.Len() != reporting.MaxStored || o.outbox.backlog.Dropped() != 10 {
		t.Errorf("%d stored, %d dropped", o.outbox.backlog.Len(), o.outbox.backlog.Dropped())
	}
	d.up(5, true)
	told := d.notified(now)
	if len(told) != reporting.MaxStored || told[0] != "0 a 10" || told[len(told)-1] != "0 a "+strconv.Itoa(reporting.MaxStored+9) {
		t.Errorf("%d told, from %s", len(told), told[0])
	}
}

// A Register ends what was asked for before it, and not what has overtaken the word of
// it.
func TestARegisterEndsObservations(t *testing.T) {
	d, g := weighing(t, "pmin=5")
	d.down(4, true)
	early := observing("b", "/4000/7/1")
	early.Epoch = 5
	if reply := d.ask(early); reply.Observe == nil {
		t.Fatal(reply.Code)
	}
	attributes := request(messages.PUT, "/4000/7/1")
	attributes.Epoch, attributes.Query = 5, []string{"pmin=3"}
	d.ask(attributes)
	d.up(5, false)
	d.set(g, 0, 1)
	d.set(g, 7, 1)
	d.sleep(time.Minute)
	wantTold(t, d, "3 b 1")
	if reply := d.ask(accepting(weight, links)); string(reply.Payload) != "<"+weight+">" {
		t.Errorf("attributes of before: %s", reply.Payload)
	}
	d.down(5, false)
	if d.m.observed.Len() != 0 || len(d.disk) != 0 || len(d.m.observations) != 0 {
		t.Errorf("%d observations, on the disk %v", d.m.observed.Len(), d.disk)
	}
}

// What has overtaken the word of a Register is told from then on as it would have been: after
// the longest period, say, and of what has changed meanwhile.
func TestAnObservationThatOvertakesTheRegisterGoesOn(t *testing.T) {
	for name, resumed := range map[string]bool{"a Register": false, "an Update": true} {
		d, g := weighing(t)
		d.storing(false)
		d.down(4, false)
		early := observing("b", weight)
		early.Epoch = 5
		d.ask(early)
		d.set(g, 0, 7)
		d.sleep(time.Minute)
		wantTold(t, d)
		d.up(5, resumed)
		wantTold(t, d, "60 b 7")

		d.down(5, false)
		attributes := request(messages.PUT, weight)
		attributes.Epoch, attributes.Query = 6, []string{"pmax=30"}
		d.ask(attributes)
		early.Epoch = 6
		d.ask(early)
		d.sleep(time.Minute)
		d.up(6, resumed)
		d.notified(d.now)
		start := d.now
		d.sleep(45 * time.Second)
		if told := d.notified(start); len(told) != 1 {
			t.Errorf("%s: told %q in 45 s of a longest period of 30", name, told)
		}
	}
}

// What a server has asked for outlives the process, with rising numbers.
func TestObservationsOutliveTheProcess(t *testing.T) {
	d, g := weighing(t, "pmin=5", "gt=10")
	d.observe("b", "/4000/7/1")
	last := *d.replies[len(d.replies)-1].Observe
	d.restart()
	d.now = d.now.Add(time.Second)
	d.up(1, true)
	if n := d.notes[0]; n.Sequence <= last || n.Key != "GET "+weight || !n.Confirmable {
		t.Errorf("%+v", n)
	}
	wantTold(t, d, "1 a 2.5", "1 b 2.5") // at once: nobody knows what was told last
	d.set(g, 0, 11)
	d.sleep(10 * time.Second)
	wantTold(t, d, "6 a 11")
	d.restart()
	d.up(1, false)
	d.set(g, 0, 1)
	wantTold(t, d)
	if len(d.disk) != 0 {
		t.Error("a new registration leaves the record of the old one")
	}
}

// After a crash of the actor the server is told on, although its session is the one that
// began with a Register.
func TestObservationsOutliveACrash(t *testing.T) {
	d, _ := weighing(t)
	d.restart()
	d.step(messages.SessionUp{Peer: server1, Epoch: 4, Version: "1.1", Again: true})
	wantTold(t, d, "0 a 2.5")
}

// What cannot be read may be what the server counts on: only a Register helps.
func TestUnreadableRecords(t *testing.T) {
	for name, spoil := range map[string]func(d *desk){
		"damaged": func(d *desk) { d.disk["observations-1"] = d.disk["observations-1"][1:] },
		"of another client": func(d *desk) {
			d.config.Endpoint = "other"
			d.m = New(d.config)
			d.step(messages.ModelChanged{Tree: accountsModel()})
		},
		"of a later version": func(d *desk) { d.disk["observations-1"][1]++ },
		"not to be had":      func(d *desk) { d.unloaded = true },
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := weighing(t)
			d.restart()
			spoil(d)
			d.up(1, true)
			d.sleep(time.Minute)
			if d.lost != 1 {
				t.Fatalf("said %d times", d.lost)
			}
			wantTold(t, d)
			d.down(1, false)
			d.up(1, false)
			d.observe("c", weight)
			d.unloaded = false
			d.restart()
			d.up(1, true)
			if wantTold(t, d, strconv.FormatFloat(d.now.Sub(now).Seconds(), 'f', -1, 64)+" c 2.5"); d.lost != 1 {
				t.Error("the record that follows is not read")
			}
		})
	}
}

// A server that asks while the record is still being read loses nothing of what it
// asked for before.
func TestRequestsBeforeTheRecordIsRead(t *testing.T) {
	d, _ := weighing(t, "gt=10")
	d.restart()
	d.unloaded = true
	d.up(1, true)
	in := observing("b", "/4000/7/1")
	in.Epoch = 1
	n := len(d.replies)
	d.step(in)
	if len(d.replies) != n {
		t.Fatal("it is answered before it is durable")
	}
	d.step(messages.RecordLoaded{Token: server1.Key(), Stored: messages.StoredState{Data: d.disk["observations-1"]}})
	if len(d.replies) != n+1 || d.m.observed.Len() != 2 {
		t.Errorf("%d replies, %d observations", len(d.replies)-n, d.m.observed.Len())
	}
	d.unloaded = false
	d.restart()
	d.up(1, true)
	if d.m.observed.Len() != 2 || d.m.observers.of(server1).attributes.Len() != 1 {
		t.Errorf("after a restart: %d observations", d.m.observed.Len())
	}
}

// An Observe is durable before it is answered, and what comes while one is being written
// shares the next write.
func TestDurableBeforeItIsAnswered(t *testing.T) {
	g := newGauge(0, 7)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	first := d.m.Step(d.now, observing("a", weight))
	if at := slices.IndexFunc(first, isPersist); at < 0 || !slices.ContainsFunc(first[at:], isReply) || slices.ContainsFunc(first[:at], isReply) {
		t.Fatalf("%v", first)
	}
	for _, token := range []string{"b", "c", "d"} {
		if effects := d.m.Step(d.now, observing(token, weight)); slices.ContainsFunc(effects, isReply) || slices.ContainsFunc(effects, isPersist) {
			t.Fatalf("%v", effects)
		}
	}
	next := d.m.Step(d.now, core.Persisted{Token: server1.Key()})
	if n := count(next, isReply); n != 3 || count(next, isPersist) != 1 || slices.IndexFunc(next, isPersist) > slices.IndexFunc(next, isReply) {
		t.Errorf("%d replies: %v", n, next)
	}
	if last := d.m.Step(d.now, core.Persisted{Token: server1.Key()}); len(last) > 0 {
		t.Errorf("%v", last)
	}
}

func isPersist(e core.Effect) bool { _, is := e.(core.Persist); return is }

func isReply(e core.Effect) bool {
	tell, is := e.(core.Tell)
	if is {
		_, is = tell.Message.(messages.Reply)
	}
	return is
}

func count(effects []core.Effect, is func(core.Effect) bool) (n int) {
	for _, e := range effects {
		if is(e) {
			n++
		}
	}
	return n
}

// A disk that fails keeps nobody from observing; the record is written when it can be.
func TestFailingDisk(t *testing.T) {
	g := newGauge(0, 7)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	d.failing = true
	d.observe("a", weight)
	d.sleep(5 * time.Minute)
	if len(d.disk) != 0 {
		t.Fatal("the disk works")
	}
	d.failing = false
	d.sleep(time.Minute)
	if len(d.disk) != 1 || d.writes != 1 {
		t.Errorf("%d writes", d.writes)
	}
	d.sleep(time.Hour)
	if d.writes != 1 {
		t.Errorf("%d writes", d.writes)
	}
}

// Coapresend gets a few at a time. What waits here is replaced by what is newer, and
// what it has no room for comes again.
func TestOutbox(t *testing.T) {
	g := newGauge(0, 1, 2, 3, 4, 5)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	for i := range 6 {
		d.observe(strconv.Itoa(i), "/4000/"+strconv.Itoa(i)+"/1")
	}
	d.outcome = 0
	for i := range uint16(6) {
		d.set(g, i, 1)
	}
	wantTold(t, d, "0 0 1", "0 1 1", "0 2 1", "0 3 1")
	d.set(g, 5, 2)
	d.set(g, 0, 2) // is on its way: the newer follows at once
	wantTold(t, d, "0 0 2")
	answer := func(id uint64, outcome messages.NotifyOutcome) {
		d.step(messages.Notified{Epoch: 4, ID: id, Observation: id, Outcome: outcome})
	}
	answer(1, messages.NotifySuperseded)
	wantTold(t, d)
	answer(2, messages.NotifyAcknowledged)
	wantTold(t, d, "0 4 1")
	answer(3, messages.NotifyDropped)
	wantTold(t, d)
	answer(4, messages.NotifyAcknowledged)
	answer(5, messages.NotifyAcknowledged)
	wantTold(t, d, "0 2 1", "0 5 2")
	for id := uint64(6); id < 9; id++ {
		answer(id, messages.NotifyAcknowledged)
	}
	d.set(g, 1, 7)
	answer(9, messages.NotifyDropped) // the only one: nothing will make room
	d.notified(now)
	d.sleep(time.Second)
	wantTold(t, d, "1 1 7")
}

// A record of before a Register does not come back with a later session, readable or
// not, read early or late.
func TestRecordsOfBeforeARegisterAreVoid(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		for _, late := range []bool{false, true} {
			d, _ := weighing(t)
			stored := messages.StoredState{Data: d.disk["observations-1"]}
			if damaged {
				stored.Data = stored.Data[1:]
			}
			d.restart()
			d.unloaded = true
			loaded := messages.RecordLoaded{Token: server1.Key(), Stored: stored}
			if !late { // a request has overtaken the word of the session
				d.ask(request(messages.GET, weight))
				d.step(observing("x", "/4000/9/1"))
				early := request(messages.PUT, weight)
				early.Query = []string{"pmin"}
				d.step(early)
				d.step(loaded)
			}
			d.up(1, false)
			if late {
				d.step(loaded)
			}
			d.down(1, true)
			d.up(2, true)
			d.sleep(time.Minute)
			wantTold(t, d)
			if d.lost > 0 || d.m.observed.Len() > 0 || len(d.disk) > 0 {
				t.Errorf("damaged %t, late %t: lost %d, %d observations, disk %v", damaged, late, d.lost, d.m.observed.Len(), d.disk)
			}
		}
	}
}

// A change of the Server object that does not concern whose the record is writes nothing.
func TestModelChangesWriteNothing(t *testing.T) {
	d, _ := weighing(t)
	writes := d.writes
	d.storing(false)
	if d.writes != writes {
		t.Errorf("%d writes", d.writes-writes)
	}
	tree := accountsModel()
	tree.PutResource(0, 1, lwm2m.Resource{ID: 0, Value: lwm2m.String("coap://elsewhere")})
	d.step(messages.ModelChanged{Tree: tree})
	if d.writes != writes+1 {
		t.Errorf("%d writes for another owner", d.writes-writes)
	}
}

// A record that the state speaks of and that is not there was lost with what the server
// counts on: only a Register helps. Where the state says nothing, nothing is missed.
func TestALostRecordIsMissed(t *testing.T) {
	for _, c := range []struct {
		name                       string
		observed, again, registers bool
		want                       int
	}{
		{name: "there was one", observed: true, want: 1},
		{name: "there was none"},
		{name: "after a crash of this actor only", observed: true, again: true},
		{name: "registered anew", observed: true, registers: true},
	} {
		d, _ := weighing(t)
		delete(d.disk, "observations-1")
		d.restart()
		d.step(messages.SessionUp{Peer: server1, Epoch: 1, Version: "1.1", Resumed: !c.registers, Observed: c.observed, Again: c.again})
		d.down(1, true)
		d.up(2, true)
		if d.lost != c.want {
			t.Errorf("%s: said %d times", c.name, d.lost)
		}
	}
}

// The supervisor is told what the disk has: for each session, and when it changes.
func TestWhatIsKeptIsSaid(t *testing.T) {
	g := newGauge(0)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	want := func(what string, want ...messages.ObservationsKept) {
		t.Helper()
		for i := range want {
			want[i].Peer = server1
		}
		if !slices.Equal(d.kept, want) {
			t.Errorf("%s: %+v, want %+v", what, d.kept, want)
		}
		d.kept = nil
	}
	want("registered", messages.ObservationsKept{})
	d.observe("a", weight)
	d.observe("b", weight)
	want("observed", messages.ObservationsKept{Record: true})
	d.failing = true
	d.observe("c", weight)
	d.sleep(3 * time.Minute)
	want("the disk fails", messages.ObservationsKept{Record: true, Behind: true})
	d.failing = false
	d.sleep(time.Minute)
	want("it works again", messages.ObservationsKept{Record: true})
	d.up(5, true)
	want("resumed", messages.ObservationsKept{Record: true})
	d.up(6, false)
	want("registered anew", messages.ObservationsKept{})
}

// On a link on which a server has said nothing of an observation yet, a RST may mean that
// it does not take this client for the one that it observes. Once it has acknowledged a
// notification there, or asked there, a RST only means that the observation is over. The
// first notification on a link is confirmable whatever the server prefers.
func TestRejectedOnANewLink(t *testing.T) {
	g := newGauge(0, 7)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	d.attributes(weight, "con=0")
	d.observe("a", weight)
	d.observe("b", "/4000/7/1")
	d.down(4, true)
	d.set(g, 0, 1)
	d.up(5, true)
	d.set(g, 0, 2)
	if n := d.notes; len(n) != 2 || !n[0].Confirmable || n[1].Confirmable {
		t.Fatalf("%+v", n)
	}
	d.outcome = messages.NotifyReset
	if d.set(g, 0, 3); d.lost != 0 || d.m.observed.Len() != 1 {
		t.Errorf("a server that knew of it: %d Registers, %d observations", d.lost, d.m.observed.Len())
	}
	if d.set(g, 7, 3); d.lost != 1 || d.m.observed.Len() != 0 {
		t.Errorf("the first word on the link: %d Registers, %d observations", d.lost, d.m.observed.Len())
	}
}

// The same holds for what is told after a restart.
func TestRejectedAfterARestart(t *testing.T) {
	g := newGauge(0, 7)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	d.observe("a", weight)
	d.restart()
	d.outcome = messages.NotifyReset
	if d.up(1, true); d.lost != 1 || d.m.observed.Len() != 0 || len(d.disk) != 0 {
		t.Errorf("%d Registers, %d observations, %d records", d.lost, d.m.observed.Len(), len(d.disk))
	}
}

// An observation that ends with an error on a new link is no different: the server would
// wait for what comes no more.
func TestRejectedErrorOnANewLink(t *testing.T) {
	for _, c := range []struct {
		link  messages.Epoch
		wants int
	}{{4, 0}, {5, 1}} {
		g := newGauge(0, 7)
		d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
		d.observe("a", "/4000/7/1")
		d.outcome = messages.NotifyReset
		if c.link != 4 {
			d.down(4, true)
		}
		g.tree.DeleteInstance(shelfID, 7)
		d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID)}})
		if c.link != 4 {
			d.up(c.link, true)
		}
		if len(d.notes) != 1 || d.notes[0].Code != messages.NotFound || d.lost != c.wants {
			t.Errorf("on link %d: %+v, %d Registers, want %d", c.link, d.notes, d.lost, c.wants)
		}
	}
}

// What is said while the record is being read has numbers behind those in it all the same
// (RFC 7641 section 3.4).
func TestNumbersRiseBeforeTheRecordIsRead(t *testing.T) {
	d, g := weighing(t)
	first := *d.replies[len(d.replies)-1].Observe
	d.restart()
	d.unloaded = true
	d.up(1, true)
	in := observing("a", weight)
	in.Epoch = 1
	d.step(in)
	d.set(g, 0, 9)
	wantTold(t, d)
	d.step(messages.RecordLoaded{Token: server1.Key(), Stored: messages.StoredState{Data: d.disk["observations-1"]}})
	again := *d.replies[len(d.replies)-1].Observe
	if again <= first || len(d.notes) != 1 || d.notes[0].Sequence <= again {
		t.Errorf("%d is followed by %d and %v", first, again, d.notes)
	}
	wantTold(t, d, "0 a 9")
}

// What a link says of a notification of before a crash is of no observation of after it.
func TestACrashReusesNoIDs(t *testing.T) {
	d, g := weighing(t)
	d.outcome = 0
	d.set(g, 0, 1)
	d.config = d.config.ofNext()
	d.restart()
	d.outcome = messages.NotifyAcknowledged
	d.step(messages.SessionUp{Peer: server1, Epoch: 4, Version: "1.1", Again: true})
	d.step(messages.Notified{Epoch: 4, ID: 1, Observation: 1, Outcome: messages.NotifyReset})
	if d.m.observed.Len() != 1 {
		t.Error("the observation is over")
	}
	if next := d.config.ofNext(); next.UsedIDs < d.config.UsedIDs+idsOfOne {
		t.Errorf("from %d on, after %d", next.UsedIDs, d.config.UsedIDs)
	}
}
