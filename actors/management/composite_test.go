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

func fetch(body string) messages.Inbound {
	return withBody(request(messages.FETCH, "/"), jsonF, body)
}

func ipatch(body string) messages.Inbound {
	return withBody(request(messages.IPATCH, "/"), jsonF, body)
}

// A Read-Composite shows what there is of what it asks for, each of it once, and nothing
// of what the server may not see.
func TestReadComposite(t *testing.T) {
	for _, c := range []struct{ name, ask, want string }{
		{"two objects", `[{"n":"/4000/7/0"},{"n":"/3/0/0"}]`, `[{"bn":"/","n":"3/0/0","vs":"Holdfast"},{"n":"4000/7/0","vs":"top"}]`},
		{"an instance", `[{"n":"/4000/7"}]`, `[{"bn":"/","n":"4000/7/0","vs":"top"},{"n":"4000/7/1","v":2.5},{"n":"4000/7/2/0","v":7},{"n":"4000/7/2/3","v":9}]`},
		{"a resource instance", `[{"n":"/4000/7/2/3"},{"n":"/4000/7/2/4"}]`, `[{"bn":"/","n":"4000/7/2/3","v":9}]`},
		{"what overlaps", `[{"n":"/4000/7/2/3"},{"n":"/4000/7/2"}]`, `[{"bn":"/","n":"4000/7/2/0","v":7},{"n":"4000/7/2/3","v":9}]`},
		{"what is not there", `[{"n":"/4000/1"},{"n":"/4000/7/5"},{"n":"/4000/7/99"},{"n":"/9999/0"},{"n":"/4000/7/0/0"}]`, `[]`},
		{"what cannot be read", `[{"n":"/4000/7/3"},{"n":"/4000/7/4"},{"n":"/1/0/8"}]`, `[]`},
		{"what is not for the server", `[{"n":"/1/5"},{"n":"/1/5/1"}]`, `[]`},
		{"its own account", `[{"n":"/1"}]`, `[{"bn":"/","n":"1/0/0","v":1},{"n":"1/0/1","v":86400},{"n":"1/0/6","vb":true},{"n":"1/0/7","vs":"U"}]`},
	} {
		for name, variant := range variants {
			m := withObjects(variant(newShelf(shelfID, 0, 7)))
			if reply, _ := answerTo(t, m, fetch(c.ask)); reply.Code != messages.Content || string(reply.Payload) != c.want {
				t.Errorf("%s, %s: %v %s", c.name, name, reply.Code, reply.Payload)
			}
		}
	}
}

// The whole tree is everything but what nobody may see.
func TestReadCompositeOfTheRoot(t *testing.T) {
	m := withObjects(newShelf(shelfID, 0), newShelf(shelfID+1, 0))
	reply, _ := answerTo(t, m, fetch(`[{"n":"/"}]`))
	for _, part := range []string{"3/0/0", "1/0/1", "4000/0/0", "4001/0/0"} {
		if !strings.Contains(string(reply.Payload), part) {
			t.Errorf("%s is missing in %s", part, reply.Payload)
		}
	}
	for _, part := range []string{secret, "coaps://h", "1/5/", "hush"} {
		if strings.Contains(string(reply.Payload), part) {
			t.Errorf("%s is shown in %s", part, reply.Payload)
		}
	}
}

func TestCompositeCodes(t *testing.T) {
	withAccept := func(in messages.Inbound, f messages.Format) messages.Inbound { in.Accept = &f; return in }
	for _, c := range []struct {
		name string
		in   messages.Inbound
		want messages.CoAPCode
	}{
		{"other family", withAccept(fetch(`[{"n":"/3"}]`), cborF), messages.Content},
		{"etch", withBody(request(messages.FETCH, "/"), lwm2m.FormatSenMLEtchJSON, `[{"n":"/3"}]`), messages.Content},
		{"accept that cannot", withAccept(fetch(`[{"n":"/3"}]`), tlvF), messages.NotAcceptable},
		{"format that cannot", withBody(request(messages.FETCH, "/"), tlvF, "\xc1\x00x"), messages.UnsupportedFormat},
		{"garbage", fetch(`[{`), messages.BadRequest},
		{"no paths", fetch(`[]`), messages.BadRequest},
		{"security", fetch(`[{"n":"/3/0/0"},{"n":"/0/1/5"}]`), messages.Unauthorized},
		{"security as a whole", fetch(`[{"n":"/0"}]`), messages.Unauthorized},
		{"OSCORE", fetch(`[{"n":"/21/0"}]`), messages.Unauthorized},
		{"attributes", attributed(fetch(`[{"n":"/3"}]`)), messages.BadRequest},
		{"write with attributes", attributed(ipatch(`[{"n":"/4000/0/0","vs":"x"}]`)), messages.BadRequest},
		{"values", fetch(`[{"n":"/3/0/0","vs":"x"}]`), messages.BadRequest},

		{"write", ipatch(`[{"n":"/4000/0/0","vs":"x"}]`), messages.Changed},
		{"write nothing", ipatch(`[]`), messages.BadRequest},
		{"write garbage", ipatch(`[{"n":`), messages.BadRequest},
		{"write in a format that cannot", withBody(request(messages.IPATCH, "/"), tlvF, "\xc1\x00x"), messages.UnsupportedFormat},
		{"write security", ipatch(`[{"n":"/4000/0/0","vs":"x"},{"n":"/0/1/0","vs":"coap://evil"}]`), messages.Unauthorized},
		{"write another account", ipatch(`[{"n":"/1/5/1","v":60}]`), messages.Unauthorized},
		{"write unknown object", ipatch(`[{"n":"/9999/0/0","vs":"x"}]`), messages.NotFound},
		{"write unknown instance", ipatch(`[{"n":"/4000/1/0","vs":"x"}]`), messages.NotFound},
		{"write unknown resource", ipatch(`[{"n":"/4000/0/99","vs":"x"}]`), messages.NotFound},
		{"write read-only", ipatch(`[{"n":"/4000/0/1","v":1}]`), messages.MethodNotAllowed},
		{"write read-only of another type", ipatch(`[{"n":"/4000/0/0","v":1},{"n":"/4000/0/1","vs":"x"}]`), messages.MethodNotAllowed},
		{"write security of another type", ipatch(`[{"n":"/4000/0/0","v":1},{"n":"/0/1/0","v":1}]`), messages.Unauthorized},
		{"write unknown behind out of range", ipatch(`[{"n":"/4000/0/2/0","v":101},{"n":"/4000/1/0","vs":"x"}]`), messages.NotFound},
		{"write another type", ipatch(`[{"n":"/4000/0/0","v":1}]`), messages.BadRequest},
		{"write device", ipatch(`[{"n":"/3/0/0","vs":"x"}]`), messages.MethodNotAllowed},
		{"write out of range", ipatch(`[{"n":"/4000/0/2/0","v":101}]`), messages.BadRequest},
		{"write a new resource instance", ipatch(`[{"n":"/4000/0/2/9","v":1}]`), messages.Changed},
		{"remove a resource instance", ipatch(`[{"n":"/4000/0/2/0","v":null}]`), messages.Changed},
		{"remove a resource instance of the account", ipatch(`[{"n":"/1/0/25/0","v":null}]`), messages.MethodNotAllowed},
	} {
		m := withObjects(newShelf(shelfID, 0))
		if reply, _ := answerTo(t, m, c.in); reply.Code != c.want {
			t.Errorf("%s: %v %s, want %v", c.name, reply.Code, reply.Payload, c.want)
		}
		m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: "1.0"})
		if reply, _ := answerTo(t, m, c.in); reply.Code != messages.MethodNotAllowed {
			t.Errorf("%s in 1.0: %v", c.name, reply.Code)
		}
	}
}

// What an object refuses to show is left out; what fails is 5.00.
func TestReadCompositeOfObjectsThatRefuse(t *testing.T) {
	for _, c := range []struct {
		err  error
		want messages.CoAPCode
	}{
		{object.Refuse(lwm2m.CodeMethodNotAllowed, "not now"), messages.Content},
		{errors.New("bus down"), messages.InternalServerError},
	} {
		s := newShelf(shelfID, 0)
		s.hook = func(context.Context, string) error { return c.err }
		reply, _ := answerTo(t, withObjects(s), fetch(`[{"n":"/4000/0/0"},{"n":"/3/0/0"}]`))
		if reply.Code != c.want || c.want == messages.Content && string(reply.Payload) != `[{"bn":"/","n":"3/0/0","vs":"Holdfast"}]` {
			t.Errorf("%v: %v %s", c.err, reply.Code, reply.Payload)
		}
	}
}

const both = `[{"n":"/4000/0/0","vs":"x"},{"n":"/4000/7/2/0","v":1},{"n":"/4000/7/2/3","v":null},{"n":"/4001/0/5","vs":"y"}]`

// A Write-Composite changes all that it names, and nothing else.
func TestWriteComposite(t *testing.T) {
	one, two := newShelf(4000, 0, 7), newShelf(4001, 0)
	reply, _ := answerTo(t, withObjects(one, two), ipatch(both))
	got := []string{one.value("/4000/0/0"), one.value("/4000/7/0"), one.value("/4000/7/2/0"), one.value("/4000/7/2/3"), two.value("/4001/0/5"), two.value("/4001/0/0")}
	if reply.Code != messages.Changed || !slices.Equal(got, []string{"x", "top", "1", "-", "y", "top"}) {
		t.Errorf("%v %s leaves %v", reply.Code, reply.Payload, got)
	}
}

// Where one object says no, or does not know, none is changed.
func TestWriteCompositeIsAllOrNothing(t *testing.T) {
	for _, err := range []error{object.Refuse(lwm2m.CodeForbidden, "locked"), errors.New("bus down")} {
		one, two := newShelf(4000, 0, 7), newShelf(4001, 0)
		two.hook = func(context.Context, string) error { return err }
		reply, _ := answerTo(t, withObjects(one, two), ipatch(both))
		if reply.Code.IsSuccess() || len(one.did)+len(two.did) > 0 {
			t.Errorf("%v: %v, and yet %v %v", err, reply.Code, one.did, two.did)
		}
	}
}

const withAccount = `[{"n":"/1/0/1","v":60},{"n":"/4000/0/0","vs":"x"}]`

// What concerns the account goes to the supervisor, when the objects have said that they
// can, and before they do: it may refuse.
func TestWriteCompositeOfTheAccount(t *testing.T) {
	for _, c := range []struct {
		outcome messages.ModelWritten
		label   string
	}{
		{messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.Changed}, "x"},
		{messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.BadRequest, Detail: "why"}, "top"},
	} {
		s := newShelf(4000, 0)
		m := withObjects(s)
		effects := carried(m, m.Step(now, ipatch(withAccount)))
		w, found := asked(effects)
		if _, replied := answered(effects); !found || replied || w.Path != lwm2m.PathOf(1, 0) || len(w.Payload.Nodes) != 1 || w.Replace || !w.Deadline.Equal(now.Add(writeStart)) {
			t.Fatalf("%v", effects)
		}
		if s.value("/4000/0/0") != "top" {
			t.Error("the object is changed already")
		}
		effects = carried(m, m.Step(now.Add(20*time.Second), c.outcome))
		reply, _ := answered(effects)
		if reply.Code != c.outcome.Code || reply.ID != 17 || string(reply.Payload) != c.outcome.Detail || s.value("/4000/0/0") != c.label {
			t.Errorf("%v: %v %s leaves %s", c.outcome.Code, reply.Code, reply.Payload, s.value("/4000/0/0"))
		}
		if last := effects[len(effects)-1]; last != (core.Tell{To: core.Supervisor, Message: messages.WriteAnswered{Epoch: 4, ID: 17}}) {
			t.Errorf("%v: %v", c.outcome.Code, effects)
		}
		if len(m.jobs)+len(m.writes)+len(m.changing) > 0 {
			t.Errorf("left: %v %v %v", m.jobs, m.writes, m.changing)
		}
	}
}

// A supervisor of which nothing is heard ends the request, and no object is changed.
func TestWriteCompositeWithoutAnOutcome(t *testing.T) {
	s := newShelf(4000, 0)
	m := withObjects(s)
	carried(m, m.Step(now, ipatch(withAccount)))
	waits := m.Step(now, at(lifetime("90"), 18, 1))
	if reply, _ := answered(m.Step(now, core.Expired{Timer: jobTimer(waits)})); reply.Code != messages.ServiceUnavailable || reply.ID != 18 {
		t.Errorf("another Write meanwhile: %v", reply.Code)
	}
	reply, _ := answered(m.Step(now.Add(writeBound), core.Expired{Timer: timerWrite(4)}))
	if reply.Code != messages.InternalServerError || len(s.did)+len(m.jobs)+len(m.writes) > 0 {
		t.Errorf("%v, and %v", reply.Code, s.did)
	}
}
