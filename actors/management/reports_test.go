package management

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// updateDef is the part of the Firmware Update object that the tests need.
func updateDef() lwm2m.ObjectDef {
	r, w, e := lwm2m.OpRead, lwm2m.OpWrite, lwm2m.OpExecute
	return lwm2m.ObjectDef{ID: 5, Name: "Firmware Update", Version: "1.1", Resources: []lwm2m.ResourceDef{
		{ID: 0, Name: "Package", Kind: lwm2m.KindOpaque, Operations: w, Mandatory: true},
		{ID: 1, Name: "Package URI", Kind: lwm2m.KindString, Operations: r | w, Mandatory: true},
		{ID: 2, Name: "Update", Operations: e, Mandatory: true},
		{ID: 3, Name: "State", Kind: lwm2m.KindInteger, Operations: r, Mandatory: true},
		{ID: 5, Name: "Update Result", Kind: lwm2m.KindInteger, Operations: r, Mandatory: true},
		{ID: 6, Name: "PkgName", Kind: lwm2m.KindString, Operations: r},
		{ID: 9, Name: "Delivery Method", Kind: lwm2m.KindInteger, Operations: r, Mandatory: true},
	}}
}

// updateObject is object 5 in memory, which tells of every change.
type updateObject struct{ gauge }

func newUpdateObject() *updateObject {
	s := newShelf(5)
	s.tree.PutInstance(5, lwm2m.Instance{ID: 0, Resources: []lwm2m.Resource{
		{ID: 1, Value: lwm2m.String("")},
		{ID: 3, Value: lwm2m.Integer(0)},
		{ID: 5, Value: lwm2m.Integer(0)},
		{ID: 6, Value: lwm2m.String("")},
		{ID: 9, Value: lwm2m.Integer(2)},
	}})
	return &updateObject{gauge{memory: memory{s}}}
}

func (o *updateObject) Definition() lwm2m.ObjectDef { return updateDef() }

// reporter is what actors/update is to management: it shows one value after the other, each
// until it is delivered.
type reporter struct {
	d      *desk
	object *updateObject
	scale  *gauge       // another object
	queue  []lwm2m.Node // reports, the first of which is shown
	deaf   bool         // what it hears is lost
	// meanwhile is what happens between a reading and the question what of it a server has.
	meanwhile func()
}

var reportedHere = []lwm2m.Path{firmware.PathState, firmware.PathResult}

// newReporter returns a desk whose server is registered, and what reports there.
func newReporter(t *testing.T) (*desk, *reporter) {
	r := &reporter{object: newUpdateObject(), scale: newGauge(0)}
	r.d = newDesk(t, Config{Objects: []object.Object{r.object, r.scale}, Updates: &Updates{Reported: reportedHere, Owed: r.owed, Has: r.has}})
	r.d.update = r.take
	return r.d.registered(), r
}

func (r *reporter) owed(_ messages.Peer, path lwm2m.Path) bool {
	return len(r.queue) > 0 && r.queue[0].Path == path
}

func (r *reporter) has(peer messages.Peer, n lwm2m.Node) bool {
	if r.meanwhile != nil {
		r.meanwhile()
		r.meanwhile = nil
	}
	return !r.owed(peer, n.Path) || r.queue[0].Value.Int() != n.Value.Int()
}

// report has values reported, in order.
func (r *reporter) report(path lwm2m.Path, values ...int64) {
	r.d.t.Helper()
	idle := len(r.queue) == 0
	for _, v := range values {
		r.queue = append(r.queue, lwm2m.Node{Path: path, Value: lwm2m.Integer(v)})
	}
	if idle {
		for _, in := range r.show() {
			r.d.step(in)
		}
	}
}

// show shows the first value.
func (r *reporter) show() []any {
	if len(r.queue) == 0 {
		return nil
	}
	n := r.queue[0]
	r.object.tree.PutResource(5, 0, lwm2m.Resource{ID: n.Path.Resource(), Value: n.Value})
	return []any{Changed{Paths: []lwm2m.Path{n.Path}}}
}

// take takes what management says.
func (r *reporter) take(message any) []any {
	in, is := message.(messages.ReportsDelivered)
	if !is || r.deaf || len(r.queue) == 0 || !slices.Contains(in.Nodes, r.queue[0]) {
		return nil
	}
	r.queue = r.queue[1:]
	return r.show()
}

// heardOf returns what of one type was said to update since it was last asked for anything.
func heardOf[T any](d *desk) (said []T) {
	for _, message := range d.heard {
		if m, is := message.(T); is {
			said = append(said, m)
		}
	}
	d.heard = nil
	return said
}

// senML asks for an answer in a format that has several values.
func senML(in messages.Inbound) messages.Inbound {
	in.Accept = new(jsonF)
	return in
}

// observingAll is a request to observe several paths.
func observingAll(token string, paths ...string) messages.Inbound {
	in := fetch(`[{"n":"` + strings.Join(paths, `"},{"n":"`) + `"}]`)
	in.Observe, in.Token, in.Key = new(uint32(observeBegin)), []byte(token), "FETCH"
	return in
}

// ending ends an observation.
func ending(token, path string) messages.Inbound {
	in := senML(observing(token, path))
	in.Observe = new(uint32(observeEnd))
	return in
}

// observationOf is the ID of the observation that a token names.
func observationOf(d *desk, token string) uint64 { return d.m.observed.Get(server1, token).ID }

func toUpdate(e core.Effect) bool {
	told, is := e.(core.Tell)
	return is && told.To == core.Update
}

func toLink(e core.Effect) bool {
	told, is := e.(core.Tell)
	return is && told.To == core.Link
}

func persists(e core.Effect) bool {
	_, is := e.(core.Persist)
	return is
}

func state(v int64) lwm2m.Node {
	return lwm2m.Node{Path: firmware.PathState, Value: lwm2m.Integer(v)}
}

func result(v int64) lwm2m.Node {
	return lwm2m.Node{Path: firmware.PathResult, Value: lwm2m.Integer(v)}
}

// wantDelivered fails where update was not told exactly these values.
func wantDelivered(t *testing.T, d *desk, asked bool, nodes ...lwm2m.Node) {
	t.Helper()
	said := heardOf[messages.ReportsDelivered](d)
	if len(nodes) == 0 && len(said) == 0 {
		return
	}
	want := []messages.ReportsDelivered{{Peer: server1, Nodes: nodes, Asked: asked}}
	if !reflect.DeepEqual(said, want) {
		t.Errorf("delivered %v, want %v", said, want)
	}
}

// What has arrived is said with the values of the notification that has, in every form in
// which a server can observe them; of other notifications nothing is.
func TestDeliveredReports(t *testing.T) {
	tests := []struct {
		observe messages.Inbound
		want    []lwm2m.Node
	}{
		{observing("a", "/5/0/3"), []lwm2m.Node{state(1)}},
		{senML(observing("a", "/5/0")), []lwm2m.Node{state(1), result(0)}},
		{senML(observing("a", "/5")), []lwm2m.Node{state(1), result(0)}},
		{observingAll("a", "/5/0/3", "/4000/0/1"), []lwm2m.Node{state(1)}},
	}
	for i, test := range tests {
		d, r := newReporter(t)
		if reply := d.ask(test.observe); reply.Observe == nil {
			t.Fatalf("%d: %v %s", i, reply.Code, reply.Payload)
		}
		wantDelivered(t, d, true) // nobody acknowledges an answer
		d.outcome = 0
		r.report(firmware.PathState, 1, 2)
		wantDelivered(t, d, false)
		d.acknowledge(4)
		wantDelivered(t, d, false, test.want...)
		test.want[0] = state(2)
		d.acknowledge(4)
		wantDelivered(t, d, false, test.want...)
		d.outcome = messages.NotifyAcknowledged
		d.observe("w", weight)
		d.set(r.scale, 0, 8)
		if len(test.observe.Payload) == 0 { // it tells of nothing else
			wantDelivered(t, d, false)
		}
	}
}

// What asks for a value has it with the answer, which leaves before that is said.
func TestReadReports(t *testing.T) {
	d, _ := newReporter(t)
	d.ask(accepting("/5/0/3", text))
	wantDelivered(t, d, true, state(0))
	d.ask(senML(request(messages.GET, "/5")))
	wantDelivered(t, d, true, state(0), result(0))
	d.ask(fetch(`[{"n":"/5/0/5"}]`))
	wantDelivered(t, d, true, result(0))
	d.ask(accepting("/5/0/6", text))
	d.ask(accepting("/5/0/3", messages.FormatOpaque)) // 4.06
	d.ask(accepting("/5", messages.FormatLinkFormat)) // Discover
	wantDelivered(t, d, true)

	effects := d.m.Step(d.now, accepting("/5/0/3", text))
	reply, said := slices.IndexFunc(effects, toLink), slices.IndexFunc(effects, toUpdate)
	if reply < 0 || said < reply {
		t.Errorf("the answer is effect %d, what update is told %d", reply, said)
	}
}

// What is owed when a server begins to observe it is notified besides: nobody acknowledges the
// answer, and it may be lost.
func TestOwedReportsAreNotifiedBesidesTheAnswer(t *testing.T) {
	for _, observe := range []messages.Inbound{observing("a", "/5/0/3"), senML(observing("a", "/5")), observingAll("a", "/5/0/3", "/5/0/5")} {
		d, r := newReporter(t)
		r.report(firmware.PathState, 1)
		d.outcome = 0
		if reply := d.ask(observe); reply.Observe == nil {
			t.Fatalf("%v %s", reply.Code, reply.Payload)
		}
		wantDelivered(t, d, true)
		if len(d.notes) != 1 || !d.notes[0].Confirmable {
			t.Fatalf("%v: notified %+v", observe.Path, d.notes)
		}
		d.acknowledge(4)
		if said := heardOf[messages.ReportsDelivered](d); len(said) != 1 || said[0].Asked || !slices.Contains(said[0].Nodes, state(1)) {
			t.Errorf("%v: delivered %+v", observe.Path, said)
		}
	}
}

// Before the record of an observation is durable the answer does not leave, and nothing is
// said of it.
func TestObservedReportsAreSaidBehindTheRecord(t *testing.T) {
	d, _ := newReporter(t)
	effects := d.m.Step(d.now, observing("a", "/5/0/3"))
	persist, said := slices.IndexFunc(effects, persists), slices.IndexFunc(effects, toUpdate)
	if persist < 0 || said < persist {
		t.Errorf("the record is effect %d, what update is told %d", persist, said)
	}
}

// A server that rejects what it is owed may have forgotten the client, which finds that out.
func TestRejectedReportsCastDoubt(t *testing.T) {
	d, r := newReporter(t)
	d.ask(observing("a", "/5/0/3"))
	d.ask(observing("b", "/5/0/5"))
	d.observe("w", weight)
	r.report(firmware.PathState, 1)
	r.report(firmware.PathResult, 1)
	d.outcome = messages.NotifyReset
	if d.set(r.scale, 0, 8); d.doubted != 0 || d.lost != 0 {
		t.Errorf("by what it is not owed: %d doubts, %d Registers", d.doubted, d.lost)
	}
	if r.report(firmware.PathState, 2); d.doubted != 1 || d.lost != 0 {
		t.Errorf("by what it is owed: %d doubts, %d Registers", d.doubted, d.lost)
	}
	if r.queue = nil; d.m.observed.Len() != 1 {
		t.Fatalf("%d observations", d.m.observed.Len())
	}
	r.object.tree.PutResource(5, 0, lwm2m.Resource{ID: 5, Value: lwm2m.Integer(0)})
	d.step(Changed{Paths: []lwm2m.Path{firmware.PathResult}})
	if d.doubted != 1 || d.m.observed.Len() != 0 {
		t.Errorf("by what it has: %d doubts, %d observations", d.doubted, d.m.observed.Len())
	}
}

// A value that is owed is confirmable, though the server wants none of that; what it has
// had is as the server wants it.
func TestOwedReportsAreConfirmable(t *testing.T) {
	for _, path := range []string{"/5/0/3", "/5/0"} {
		d, r := newReporter(t)
		d.ask(senML(observing("a", path)))
		d.attributes(path, "con=0", "pmax=60")
		r.report(firmware.PathState, 1)
		d.sleep(60 * time.Second)
		if len(d.notes) != 2 || !d.notes[0].Confirmable || d.notes[1].Confirmable {
			t.Errorf("%s: %+v", path, d.notes)
		}
	}
}

// Thresholds keep nothing back, and the shortest period does for its time.
func TestAttributesOfReports(t *testing.T) {
	d, r := newReporter(t)
	d.observe("a", "/5/0/3")
	if reply := d.attributes("/5/0/3", "pmin=10", "lt=-5", "gt=190", "st=50"); reply.Code != messages.Changed {
		t.Fatalf("%v %s", reply.Code, reply.Payload)
	}
	r.report(firmware.PathState, 1, 2, 3, 0)
	d.sleep(time.Minute)
	wantTold(t, d, "10 a 1", "20 a 2", "30 a 3", "40 a 0")
	if len(r.queue) > 0 {
		t.Errorf("%d values are owed", len(r.queue))
	}
}

// The audience is said once for each session and for each change.
func TestAudienceOfReports(t *testing.T) {
	d, _ := newReporter(t)
	want := func(what string, epoch messages.Epoch, paths ...lwm2m.Path) {
		t.Helper()
		said, want := heardOf[messages.ReportsObserved](d), []messages.ReportsObserved{{Peer: server1, Epoch: epoch, Paths: paths}}
		if !reflect.DeepEqual(said, want) {
			t.Errorf("%s: %v, want %v", what, said, want)
		}
	}
	nothing := func(what string) {
		t.Helper()
		if said := heardOf[messages.ReportsObserved](d); said != nil {
			t.Errorf("%s: %v", what, said)
		}
	}
	want("the session", 4)
	d.observe("w", weight)
	nothing("an observation of something else")
	d.observe("a", "/5/0/3")
	want("an observation", 4, firmware.PathState)
	d.observe("b", "/5/0/3")
	nothing("another of the same")
	d.ask(senML(observing("c", "/5")))
	want("the object", 4, reportedHere...)
	d.ask(ending("c", "/5"))
	want("the end of one", 4, firmware.PathState)
	d.ask(observingAll("c", "/5/0/5", "/4000/0/1"))
	want("a composite one", 4, reportedHere...)
	d.down(4, true)
	want("the session is lost", 0, reportedHere...)
	d.up(5, true)
	want("it goes on", 5, reportedHere...)
	d.step(messages.SessionUp{Peer: server1, Epoch: 5, Version: "1.1", Again: true})
	want("it is announced again", 5, reportedHere...)
	d.step(messages.ReportsAsked{})
	want("all again", 5, reportedHere...)
	d.step(messages.Notified{Epoch: 5, ID: 99, Observation: observationOf(d, "c"), Outcome: messages.NotifyReset})
	want("a reset", 5, firmware.PathState)
	d.restart()
	d.up(6, true)
	want("a restart", 6, firmware.PathState)
	d.down(6, true)
	want("the session is lost", 0, firmware.PathState)
	d.up(7, false)
	want("a Register", 7)
	d.down(7, false)
	want("the server has forgotten all", 0)
	d.step(messages.ReportsAsked{})
	nothing("all again of nothing")
}

// With a session that goes on, what was observed is not known before the record is read; with
// a new one it is.
func TestAudienceWaitsForTheRecord(t *testing.T) {
	d, _ := newReporter(t)
	d.observe("a", "/5/0/3")
	d.unloaded, d.heard = true, nil
	d.restart()
	d.up(5, true)
	if said := heardOf[messages.ReportsObserved](d); said != nil {
		t.Errorf("before the record: %v", said)
	}
	d.step(messages.RecordLoaded{Token: server1.Key(), Stored: messages.StoredState{Data: d.disk["observations-1"]}})
	if said := heardOf[messages.ReportsObserved](d); len(said) != 1 || !slices.Equal(said[0].Paths, []lwm2m.Path{firmware.PathState}) {
		t.Errorf("with the record: %v", said)
	}
	d.restart()
	d.heard = nil
	d.up(6, false)
	if said := heardOf[messages.ReportsObserved](d); len(said) != 1 || said[0].Paths != nil {
		t.Errorf("a new registration: %v", said)
	}
}

// A server whose rights have ended is not waited for, though it observes.
func TestAudienceMayRead(t *testing.T) {
	d, _ := newReporter(t)
	d.ask(senML(observing("a", "/5")))
	d.heard = nil
	d.step(messages.ModelChanged{Tree: accessTo5(0)})
	if said := heardOf[messages.ReportsObserved](d); len(said) != 1 || said[0].Paths != nil {
		t.Errorf("without rights: %v", said)
	}
}

// Without a firmware update nothing is said of one.
func TestNoReports(t *testing.T) {
	d, _ := weighing(t)
	d.ask(accepting(weight, text))
	d.down(4, true)
	d.up(5, true)
	d.step(messages.ReportsAsked{})
	if len(d.heard) > 0 {
		t.Errorf("said %v", d.heard)
	}
}
