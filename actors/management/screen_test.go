package management

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// halfWay has a Write-Composite stop where its first part has been carried out, and its
// last has not; finish lets that return.
func halfWay(d *desk, last uint16, body string) (finish func()) {
	d.t.Helper()
	var open Call
	d.hang = func(c Call) bool {
		if _, is := c.Do.(commit); is && c.Path.Object() == last {
			open = c
			return true
		}
		return false
	}
	in := ipatch(body)
	in.ID = 50
	d.step(in)
	if open.ID == 0 {
		d.t.Fatal("it is not half way")
	}
	d.hang = nil
	return func() { run(d.t.Context(), open, func(out Returned) { d.step(out) }) }
}

const pair = `[{"n":"/4000/0/0","vs":"x"},{"n":"/4001/0/0","vs":"x"}]`

// While a change of several instances is carried out, what there was before is read,
// observed and discovered, and then what there is.
func TestReadsSeeBeforeOrAfter(t *testing.T) {
	one := memory{newShelf(4000, 0)}
	d := newDesk(t, Config{Objects: []object.Object{one, memory{newShelf(4001, 0)}}}).registered()
	d.observe("a", "/4000/0/0")
	finish := halfWay(d, 4001, pair)
	if one.value("/4000/0/0") != "x" {
		t.Fatal("the first part is not carried out")
	}
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(4000, 0, 0)}}) // as a Watcher says
	one.tree.PutResource(4000, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(3)})
	if r := d.ask(accepting("/4000/0/1", text)); string(r.Payload) != "3" {
		t.Errorf("what is not written: %v %s", r.Code, r.Payload)
	}
	d.sleep(5 * time.Second)
	if r := d.ask(accepting("/4000/0/0", text)); string(r.Payload) != "top" {
		t.Errorf("read: %v %s", r.Code, r.Payload)
	}
	if r := d.ask(fetch(`[{"n":"/4000/0/0"},{"n":"/4001/0/0"}]`)); string(r.Payload) != `[{"bn":"/","n":"4000/0/0","vs":"top"},{"n":"4001/0/0","vs":"top"}]` {
		t.Errorf("composite: %v %s", r.Code, r.Payload)
	}
	if told := d.notified(time.Time{}); len(told) > 0 {
		t.Errorf("told %v", told)
	}
	finish()
	if told := d.notified(d.now); !slices.Equal(told, []string{"0 a x"}) {
		t.Errorf("then told %v", told)
	}
	if r := d.ask(accepting("/4000/0/0", text)); string(r.Payload) != "x" || len(d.m.screens) > 0 {
		t.Errorf("then: %v %s", r.Code, r.Payload)
	}
}

// What has to be asked for waits until the change is over, whoever wants it.
func TestReadsWaitForTheEnd(t *testing.T) {
	s := newShelf(4000, 0)
	d := newDesk(t, Config{Objects: []object.Object{s, newShelf(4001, 0)}}).registered()
	d.observe("a", "/4000/0/0")
	finish := halfWay(d, 4001, pair)
	reads := 0
	s.hook = func(context.Context, string) error { reads++; return nil }
	in := accepting("/4000/0/0", text)
	in.ID = 60
	d.step(in)
	d.step(messages.CollectSend{ID: 70, Peer: server1, Paths: []lwm2m.Path{lwm2m.PathOf(4000, 0, 0)}})
	d.sleep(5 * time.Second)
	if reads > 0 || len(d.replies) != 1 {
		t.Fatalf("%d reads, %v", reads, d.replies)
	}
	finish()
	if r := d.replies[len(d.replies)-1]; r.ID != 60 && d.replies[len(d.replies)-2].ID != 60 {
		t.Errorf("%+v", d.replies)
	}
	if told := d.notified(d.now); !slices.Equal(told, []string{"0 a x"}) || reads == 0 {
		t.Errorf("told %v after %d reads", told, reads)
	}
}

// What the supervisor keeps is part of it.
func TestReadsSeeTheAccountBeforeOrAfter(t *testing.T) {
	d := newDesk(t, Config{Objects: []object.Object{newShelf(4000, 0)}}).registered()
	in := ipatch(withAccount)
	d.step(in)
	changed := accountsModel()
	changed.PutResource(1, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Integer(60)})
	d.step(messages.ModelChanged{Tree: changed})
	if r := d.ask(accepting("/1/0/1", text)); string(r.Payload) != "86400" {
		t.Errorf("before: %v %s", r.Code, r.Payload)
	}
	d.step(messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.Changed})
	if r := d.ask(accepting("/1/0/1", text)); string(r.Payload) != "60" {
		t.Errorf("after: %v %s", r.Code, r.Payload)
	}
	if _, waits := d.timers[core.Timer{Name: nameJob}]; waits || len(d.m.jobs) > 0 {
		t.Errorf("left: %v", d.m.jobs)
	}
}
