package management

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// control makes an instance of object 2; rights are those of the servers from 0, which
// is everyone, on; none below zero.
func control(inst uint16, object, about, owner int64, rights ...int64) lwm2m.Instance {
	acl := lwm2m.Resource{ID: 2, Multiple: true}
	for i, r := range rights {
		if r >= 0 {
			acl.Instances = append(acl.Instances, lwm2m.ResourceInstance{ID: uint16(i), Value: lwm2m.Integer(r)})
		}
	}
	return lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
		{ID: 0, Value: lwm2m.Integer(object)}, {ID: 1, Value: lwm2m.Integer(about)}, acl, {ID: 3, Value: lwm2m.Integer(owner)},
	}}
}

// divided is a machine whose model has the shelf divided: server 1 may create, owns
// instance 0, and server 2 may read that and own 7. Both may read the device.
func divided(apps ...object.Object) *Machine {
	m := withObjects(apps...)
	m.Step(now, messages.ModelChanged{Tree: dividedModel()})
	return m
}

func dividedModel() *lwm2m.Tree {
	tree := model(true)
	for _, c := range []lwm2m.Instance{
		control(0, shelfID, 65535, 65535, -1, 16), control(1, shelfID, 0, 1, -1, -1, 1), control(2, 3, 0, 65535, 1), control(3, shelfID, 7, 2),
	} {
		tree.PutInstance(2, c)
	}
	return tree
}

// by is a request of a server.
func by(server uint16, in messages.Inbound) messages.Inbound { return at(in, in.ID, server) }

// One line per operation and right (section 7.3), in the order of the codes.
func TestCodesByRight(t *testing.T) {
	get, put, post, del := messages.GET, messages.PUT, messages.POST, messages.DELETE
	label := func(in messages.Inbound) messages.Inbound { return withBody(in, text, "x") }
	whole := func(in messages.Inbound) messages.Inbound { return withBody(in, tlvF, "\xc1\x00x") }
	for _, c := range []struct {
		name   string
		in     messages.Inbound
		server [2]string // the codes of server 1 and server 2
	}{
		{"read", request(get, "/4000/0"), [2]string{"2.05", "2.05"}},
		{"read a resource", request(get, "/4000/0/0"), [2]string{"2.05", "2.05"}},
		{"read of another's", request(get, "/4000/7"), [2]string{"4.01", "2.05"}},
		{"a resource of another's", request(get, "/4000/7/0"), [2]string{"4.01", "2.05"}},
		{"one that is not there, too", request(get, "/4000/7/99"), [2]string{"4.01", "4.04"}},
		{"an instance that is not there", request(get, "/4000/9"), [2]string{"4.04", "4.04"}},
		{"discover", accepting("/4000/7", links), [2]string{"4.01", "2.05"}},
		{"discover a resource", accepting("/4000/7/0", links), [2]string{"4.01", "2.05"}},
		{"write", label(request(put, "/4000/0/0")), [2]string{"2.04", "4.01"}},
		{"replace", whole(request(put, "/4000/0")), [2]string{"2.04", "4.01"}},
		{"update", whole(request(post, "/4000/0")), [2]string{"2.04", "4.01"}},
		{"write attributes", request(put, "/4000/7/0"), [2]string{"4.01", "4.05"}},
		{"execute", request(post, "/4000/0/3"), [2]string{"2.04", "4.01"}},
		{"a resource instance", request(del, "/4000/0/2/0"), [2]string{"2.02", "4.01"}},
		{"delete", request(del, "/4000/7"), [2]string{"4.01", "2.02"}},
		{"delete of what can only be read", request(del, "/4000/0"), [2]string{"2.02", "4.01"}},
		{"create", whole(request(post, "/4000")), [2]string{"2.01", "4.01"}},
		{"create where nobody can", request(post, "/3"), [2]string{"4.05", "4.05"}},
		{"read the device", request(get, "/3/0/0"), [2]string{"2.05", "2.05"}},
		{"delete the device", request(del, "/3/0"), [2]string{"4.05", "4.05"}},
		{"read the rules", request(get, "/2"), [2]string{"2.05", "2.05"}},
		{"one of them", request(get, "/2/0/2/1"), [2]string{"2.05", "2.05"}},
		{"discover them", accepting("/2", links), [2]string{"2.05", "2.05"}},
		{"create a rule", whole(request(post, "/2")), [2]string{"4.05", "4.05"}},
		{"delete a rule", request(del, "/2/1"), [2]string{"4.05", "4.05"}},
		{"execute a rule", request(post, "/2/1/3"), [2]string{"4.05", "4.05"}},
		{"write what a rule is about", label(request(put, "/2/1/0")), [2]string{"4.05", "4.01"}},
		{"write a rule that is not there", label(request(put, "/2/9/3")), [2]string{"4.04", "4.04"}},
		{"read one's own account", request(get, "/1/0"), [2]string{"2.05", "4.01"}},
		{"delete it", request(del, "/1/0"), [2]string{"4.05", "4.01"}},
		{"the keys", request(get, "/0/0"), [2]string{"4.01", "4.01"}},
	} {
		for i, want := range c.server {
			m := divided(newShelf(shelfID, 0, 7))
			effects := supervised(m, carried(m, m.Step(now, by(uint16(i)+1, c.in))))
			if reply, _ := answered(effects); reply.Code.String() != want {
				t.Errorf("server %d, %s: %v %s, want %s", i+1, c.name, reply.Code, reply.Payload, want)
			}
		}
	}
}

// supervised answers what is asked of the supervisor as it would.
func supervised(m *Machine, effects []core.Effect) (rest []core.Effect) {
	for _, e := range effects {
		rest = append(rest, e)
		if in, is := changeOf(e); is {
			answer := messages.ModelWritten{Epoch: in.Epoch, ID: in.ID, Access: true, Code: messages.Changed}
			rest = append(rest, supervised(m, carried(m, m.Step(now, answer)))...)
		}
	}
	return rest
}

func changeOf(e core.Effect) (in messages.ChangeAccess, is bool) {
	if tell, ok := e.(core.Tell); ok && tell.To == core.Supervisor {
		in, is = tell.Message.(messages.ChangeAccess)
	}
	return in, is
}

func changeIn(effects []core.Effect) (in messages.ChangeAccess, found bool) {
	for _, e := range effects {
		if in, is := changeOf(e); is {
			return in, true
		}
	}
	return in, false
}

// What a server may not read is left out of an object, without a word (section 7.3.2.2).
func TestObjectsByRight(t *testing.T) {
	for _, app := range []object.Object{newShelf(shelfID, 0, 3, 7), memory{newShelf(shelfID, 0, 3, 7)}, catalogued{newShelf(shelfID, 0, 3, 7)}} {
		for server, want := range map[uint16][]string{1: {"/4000/0"}, 2: {"/4000/0", "/4000/7"}} {
			for _, accept := range []messages.Format{jsonF, links} {
				m := divided(app)
				reply, _ := answerTo(t, m, by(server, accepting("/4000", accept)))
				got := string(reply.Payload)
				for _, instance := range []string{"/4000/0", "/4000/3", "/4000/7"} {
					seen := strings.Contains(got, "<"+instance+">") || strings.Contains(got, `"`+instance[6:]+`/0"`)
					if seen != slices.Contains(want, instance) {
						t.Errorf("server %d sees %v of %T: %s", server, seen, app, got)
					}
				}
			}
		}
	}
	m := divided(newShelf(shelfID, 3))
	if reply, _ := answerTo(t, m, request(messages.GET, "/4000")); reply.Code != messages.Content {
		t.Errorf("%v for an object of which nothing can be read", reply.Code)
	}
}

// A Write to object 2 goes where that to object 1 goes.
func TestWriteOfAccessControl(t *testing.T) {
	m := divided(newShelf(shelfID, 0, 7))
	w, found := asked(m.Step(now, withBody(request(messages.PUT, "/2/1/2/2"), text, "3")))
	if !found || w.Path != lwm2m.PathOf(2, 1, 2, 2) || w.Payload.Nodes[0].Value != lwm2m.Integer(3) {
		t.Fatalf("%+v", w)
	}
	effects := m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.Changed})
	if reply, _ := answered(effects); reply.Code != messages.Changed {
		t.Errorf("%v", effects)
	}
	if reply, _ := ask(t, m, withBody(request(messages.PUT, "/2/1/2/2"), text, "x")); reply.Code != messages.BadRequest {
		t.Errorf("%v", reply.Code)
	}
}

// The rights are those of the model as it is now.
func TestRightsThatChange(t *testing.T) {
	m := divided(newShelf(shelfID, 0, 7))
	read := request(messages.GET, "/4000/7")
	if reply, _ := answerTo(t, m, read); reply.Code != messages.Unauthorized {
		t.Fatalf("%v", reply.Code)
	}
	m.Step(now, messages.ModelChanged{Tree: model(true)})
	if reply, _ := answerTo(t, m, read); reply.Code != messages.Content {
		t.Errorf("%v without object 2", reply.Code)
	}
	if reply, _ := ask(t, m, request(messages.GET, "/2")); reply.Code != messages.NotFound {
		t.Errorf("%v for object 2 that is not there", reply.Code)
	}
	single := dividedModel()
	single.DeleteInstance(0, 2)
	m.Step(now, messages.ModelChanged{Tree: single})
	if reply, _ := answerTo(t, m, read); reply.Code != messages.Content {
		t.Errorf("%v for the single server", reply.Code)
	}
}

// Who creates an instance owns it before it is there. The answer comes when both are
// done, and what follows behind it.
func TestCreateMakesAnOwner(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := divided(s)
	create := withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x")
	effects := carried(m, m.Step(now, create))
	in, found := changeIn(effects)
	want := messages.ChangeAccess{Peer: create.Peer, Epoch: 4, ID: 17, Instance: lwm2m.PathOf(shelfID, 1), Deadline: now.Add(30 * time.Second)}
	if _, replied := answered(effects); !found || in != want || replied || len(s.Instances()) != 1 {
		t.Fatalf("%+v, replied %v, instances %v", in, replied, s.Instances())
	}
	if armed := slices.Contains(effects, core.Effect(core.SetTimer{Timer: timerWrite(4), After: 65 * time.Second})); !armed {
		t.Errorf("no time to answer in: %v", effects)
	}
	waits := m.Step(now, withBody(at(create, 18, 1), tlvF, "\x03\x01\xc1\x00x"))
	if reply, _ := answered(m.Step(now, core.Expired{Timer: jobTimer(waits)})); reply.Code != messages.ServiceUnavailable || reply.ID != 18 {
		t.Errorf("the same instance again: %v", reply.Code)
	}
	later := now.Add(20 * time.Second)
	first := m.Step(later, messages.ModelWritten{Epoch: 4, ID: 17, Access: true, Code: messages.Changed})
	if c, _ := callIn(first); !c.Deadline.Equal(later.Add(DefaultDeadline)) {
		t.Errorf("carried out until %v", c.Deadline)
	}
	effects = carried(m, first)
	reply, _ := answered(effects)
	if reply.Code != messages.Created || !slices.Equal(reply.LocationPath, []string{"4000", "1"}) || len(s.Instances()) != 2 {
		t.Errorf("%v at %v", reply.Code, reply.LocationPath)
	}
	if tail := effects[len(effects)-2:]; tail[0] != tell(messages.WriteAnswered{Epoch: 4, ID: 17}) || tail[1] != tell(messages.InstancesChanged{}) {
		t.Errorf("behind the answer: %v", tail)
	}
}

// What the supervisor refuses is not created.
func TestCreateWithoutAnOwner(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := divided(s)
	carried(m, m.Step(now, withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x")))
	effects := m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Access: true, Code: messages.ServiceUnavailable, Detail: "a bootstrap is under way"})
	reply, _ := answered(effects)
	if reply.Code != messages.ServiceUnavailable || string(reply.Payload) != "a bootstrap is under way" || len(s.Instances()) != 1 {
		t.Errorf("%v %s, instances %v", reply.Code, reply.Payload, s.Instances())
	}
	if !slices.Contains(effects, tell(messages.WriteAnswered{Epoch: 4, ID: 17})) || len(m.jobs)+len(m.changing) > 0 {
		t.Errorf("%v, jobs %v", effects, m.jobs)
	}
}

// What the object refuses after all has no owner.
func TestCreateThatFailsHasNoOwner(t *testing.T) {
	s := newShelf(shelfID, 0)
	s.hook = func(_ context.Context, what string) error {
		if what == "commit" {
			return errors.New("the shelf has fallen")
		}
		return nil
	}
	m := divided(s)
	carried(m, m.Step(now, withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x")))
	effects := carried(m, m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Access: true, Code: messages.Changed}))
	reply, _ := answered(effects)
	in, found := changeIn(effects)
	if reply.Code != messages.InternalServerError || !found || !in.Deleted || in.Instance != lwm2m.PathOf(shelfID, 1) {
		t.Errorf("%v, %+v", reply.Code, in)
	}
	effects = m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Access: true, Code: messages.Changed})
	if !slices.Contains(effects, tell(messages.WriteAnswered{Epoch: 4, ID: 17})) {
		t.Errorf("the supervisor waits: %v", effects)
	}
}

// A Create that could not even be prepared asks for nothing.
func TestCreateThatIsRefusedAsksForNothing(t *testing.T) {
	s := newShelf(shelfID, 0)
	s.hook = func(context.Context, string) error { return object.Refuse(lwm2m.CodeForbidden, "full") }
	m := divided(s)
	effects := carried(m, m.Step(now, withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x")))
	if reply, _ := answered(effects); reply.Code != messages.Forbidden {
		t.Errorf("%v", reply.Code)
	}
	if in, found := changeIn(effects); found {
		t.Errorf("%+v", in)
	}
}

// What is said about an instance goes with it, and what the supervisor says of that
// changes nothing for the server.
func TestDeleteTakesTheOwner(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.Changed, messages.InternalServerError} {
		s := newShelf(shelfID, 0, 7)
		m := divided(s)
		effects := carried(m, m.Step(now, by(2, request(messages.DELETE, "/4000/7"))))
		in, found := changeIn(effects)
		if _, replied := answered(effects); !found || replied || !in.Deleted || in.Instance != lwm2m.PathOf(shelfID, 7) || len(s.Instances()) != 1 {
			t.Fatalf("%+v, replied %v", in, replied)
		}
		effects = m.Step(now, messages.ModelWritten{Epoch: in.Epoch, ID: in.ID, Access: true, Code: code})
		reply, _ := answered(effects)
		if reply.Code != messages.Deleted || !slices.Contains(effects, tell(messages.InstancesChanged{})) || !slices.Contains(effects, tell(messages.WriteAnswered{Epoch: in.Epoch, ID: in.ID})) {
			t.Errorf("%v, %v", reply.Code, effects)
		}
	}
}

// Where nothing is said about an instance there is nobody to ask.
func TestInstancesWithoutObject2(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := withObjects(s)
	for _, in := range []messages.Inbound{withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x"), request(messages.DELETE, "/4000/1")} {
		_, effects := answerTo(t, m, in)
		if in, found := changeIn(effects); found {
			t.Errorf("%+v", in)
		}
	}
}

// A supervisor that says nothing costs the request 65 s, and what it says after that
// nothing more.
func TestSupervisorThatDoesNotAnswer(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := divided(s)
	carried(m, m.Step(now, withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x")))
	effects := m.Step(now.Add(65*time.Second), core.Expired{Timer: timerWrite(4)})
	reply, _ := answered(effects)
	if reply.Code != messages.InternalServerError || string(reply.Payload) != string(noOutcome.Payload) || len(m.jobs)+len(m.changing)+len(m.calls) > 0 {
		t.Errorf("%v %s, jobs %v", reply.Code, reply.Payload, m.jobs)
	}
	if logged(effects) != "" {
		t.Errorf("the object is blamed: %s", logged(effects))
	}
	effects = m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Access: true, Code: messages.Changed})
	if !slices.Contains(effects, tell(messages.WriteAnswered{Epoch: 4, ID: 17})) || len(s.Instances()) != 1 {
		t.Errorf("%v, instances %v", effects, s.Instances())
	}
}

// After a crash of this actor nobody knows how far a Create had come.
func TestAccessAfterACrash(t *testing.T) {
	effects := divided().Step(now, messages.ModelWritten{Epoch: 4, ID: 99, Access: true, Code: messages.Changed})
	reply, _ := answered(effects)
	if reply.Code != messages.InternalServerError || !slices.Contains(effects, tell(messages.WriteAnswered{Epoch: 4, ID: 99})) {
		t.Errorf("%v", effects)
	}
}

// A trigger of another server's account would be for whoever executes it.
func TestTriggersOfAnotherServer(t *testing.T) {
	tree := dividedModel()
	tree.PutInstance(2, control(4, 1, 5, 65535, 31))
	m := withObjects()
	m.Step(now, messages.ModelChanged{Tree: tree})
	if reply, effects := ask(t, m, request(messages.POST, "/1/5/8")); reply.Code != messages.MethodNotAllowed || len(effects) > 0 {
		t.Errorf("%v %v", reply.Code, effects)
	}
	if reply, _ := ask(t, m, request(messages.GET, "/1/5")); reply.Code != messages.Content {
		t.Errorf("%v of what has been granted", reply.Code)
	}
}

// Object 2 is announced where it has an instance.
func TestAnnouncedAccessControl(t *testing.T) {
	entries := Announced(Config{})(dividedModel())
	if len(entries) != 3 || entries[1].ID != 2 || len(entries[1].Instances) != 4 || entries[1].Version != "" {
		t.Errorf("%v", entries)
	}
}

// What a server may not read any more it is not told any more: an observation of that
// ends, and one of the whole object goes on without it. Who has kept the right hears
// nothing of it.
func TestObservationsByRight(t *testing.T) {
	d, g := weighing(t)
	object := observing("o", "/4000")
	object.Accept = new(messages.Format(jsonF))
	d.ask(object)
	d.observe("p", "/4000/7/1")
	d.notified(now)
	rules := func(controls ...lwm2m.Instance) {
		t.Helper()
		tree := accountsModel()
		for _, c := range controls {
			tree.PutInstance(2, c)
		}
		d.step(messages.ModelChanged{Tree: tree})
	}
	mine, shared := control(1, shelfID, 0, 1), control(2, shelfID, 7, 2, 1)
	rules(mine, shared)
	wantTold(t, d)
	rules(mine, control(2, shelfID, 7, 2))
	if got := d.notified(now); len(got) != 2 || got[1] != "0 p 4.01" || strings.Contains(got[0], "7/") || !strings.HasPrefix(got[0], "0 o ") {
		t.Errorf("told %q", got)
	}
	d.set(g, 7, 9)
	wantTold(t, d)
	d.set(g, 0, 9)
	if got := d.notified(now); len(got) != 2 || got[0] != "0 a 9" {
		t.Errorf("told %q", got)
	}
	if reply := d.attributes("/4000/7/1", "pmin=1"); reply.Code != messages.Unauthorized {
		t.Errorf("attributes: %v", reply.Code)
	}
}

// A composite shows what may be read and nothing else, and writes all or nothing.
func TestCompositesByRight(t *testing.T) {
	for server, want := range map[uint16][2]string{1: {"4000/0/0", "4000/7/0"}, 2: {"4000/7/0", "1/0/1"}} {
		for _, ask := range []string{`[{"n":"/"}]`, `[{"n":"/4000"},{"n":"/1/0/1"},{"n":"/2/0/3"}]`, `[{"n":"/4000/0/0"},{"n":"/4000/7/0"},{"n":"/2/0"}]`} {
			m := divided(newShelf(shelfID, 0, 7))
			reply, _ := answerTo(t, m, by(server, fetch(ask)))
			got := string(reply.Payload)
			if !strings.Contains(got, want[0]) || strings.Contains(got, want[1]) || !strings.Contains(got, "2/0/3") {
				t.Errorf("server %d reads %s of %s", server, got, ask)
			}
		}
	}
	for body, want := range map[string]messages.CoAPCode{
		`[{"n":"/4000/0/0","vs":"x"}]`:                                 messages.Changed,
		`[{"n":"/4000/0/0","vs":"x"},{"n":"/4000/7/0","vs":"x"}]`:      messages.Unauthorized,
		`[{"n":"/4000/0/0","vs":"x"},{"n":"/2/0/2/1","v":31}]`:         messages.Unauthorized,
		`[{"n":"/2/1/2/2","v":3},{"n":"/1/0/1","v":60}]`:               messages.MethodNotAllowed,
		`[{"n":"/2/1/2/2"}]`:                                           messages.MethodNotAllowed,
		`[{"n":"/4000/0/0","vs":"x"},{"n":"/9/0/0","vs":"not there"}]`: messages.NotFound,
	} {
		s := newShelf(shelfID, 0, 7)
		reply, _ := answerTo(t, divided(s), ipatch(body))
		if reply.Code != want || (s.value("/4000/0/0") == "x") != (want == messages.Changed) {
			t.Errorf("%s: %v %s, label %s", body, reply.Code, reply.Payload, s.value("/4000/0/0"))
		}
	}
	m := divided(newShelf(shelfID, 0, 7))
	w, found := asked(carried(m, m.Step(now, ipatch(`[{"n":"/4000/0/0","vs":"x"},{"n":"/2/1/2/2","v":3}]`))))
	if !found || w.Path != lwm2m.PathOf(2, 1) || w.Replace {
		t.Errorf("%+v", w)
	}
}

// What was being read while the right to it was taken away is not told any more: neither
// alone nor as part of more.
func TestRightsThatChangeDuringALook(t *testing.T) {
	for path, want := range map[string]string{weight: "1 a 4.01", "/4000": "1 a "} {
		s := newShelf(shelfID, 0)
		d := newDesk(t, Config{Objects: []object.Object{s}}).registered()
		in := observing("a", path)
		if path != weight {
			in.Accept = new(messages.Format(tlvF))
		}
		if reply := d.ask(in); reply.Observe == nil {
			t.Fatalf("%s: %v %s", path, reply.Code, reply.Payload)
		}
		var under []Call
		d.hang = func(c Call) bool { under = append(under, c); return true }
		since := d.now
		s.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(4)})
		d.sleep(time.Second)
		if d.hang = nil; len(under) != 1 {
			t.Fatalf("%s: %d looks", path, len(under))
		}
		tree := accountsModel()
		tree.PutInstance(2, control(0, shelfID, 0, 2))
		d.step(messages.ModelChanged{Tree: tree})
		done := make(chan Returned, 1)
		run(context.Background(), under[0], func(out Returned) { done <- out })
		d.step(<-done)
		if told := d.notified(since); !slices.Equal(told, []string{want}) {
			t.Errorf("%s: told %q, want %q", path, told, want)
		}
	}
}
