package management

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

var putLabel = withBody(request(messages.PUT, "/4000/0/0"), text, "x")

// Two requests do not change an instance at the same time: the second waits for the first,
// and the third for the second. None gets the ID that another is about to get.
func TestChangesOfOneInstance(t *testing.T) {
	m := withObjects(newShelf(shelfID, 0))
	first, _ := callIn(m.Step(now, at(putLabel, 1, 1)))
	for id, in := range []messages.Inbound{putLabel, request(messages.DELETE, "/4000/0")} {
		if effects := m.Step(now, at(in, uint64(2+id), 2)); len(effects) != 1 || effects[0].(core.SetTimer).After != DefaultDeadline {
			t.Errorf("%v meanwhile: %v", in.Code, effects)
		}
	}
	create := withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x")
	one, _ := callIn(m.Step(now, at(create, 4, 1)))
	two, _ := callIn(m.Step(now, at(create, 5, 2)))
	if one.Path != lwm2m.PathOf(shelfID, 1) || two.Path != lwm2m.PathOf(shelfID, 2) {
		t.Errorf("created at %v and %v", one.Path, two.Path)
	}
	later := now.Add(4 * time.Second)
	effects := m.Step(later, Returned{ID: first.ID, Err: errors.New("no")})
	second, found := callIn(effects)
	if _, writes := second.Do.(write); !found || !writes || !second.Deadline.Equal(now.Add(DefaultDeadline)) {
		t.Errorf("the second: %+v of %v", second, effects)
	}
	third, found := callIn(m.Step(later, Returned{ID: second.ID, Err: errors.New("no")}))
	if _, removes := third.Do.(remove); !found || !removes {
		t.Errorf("the third: %+v", third)
	}
}

// What has waited is judged by what the others have left.
func TestWaitingIsJudgedAnew(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := withObjects(s)
	first, _ := callIn(m.Step(now, at(request(messages.DELETE, "/4000/0"), 1, 1)))
	in := at(putLabel, 2, 2)
	in.Payload = []byte("x")
	m.Step(now, in)
	clear(in.Payload) // it is the datagram's
	run(t.Context(), first, func(out Returned) {
		effects := m.Step(now, out)
		var codes []messages.CoAPCode
		for _, e := range effects {
			if r, found := answered([]core.Effect{e}); found {
				codes = append(codes, r.Code)
			}
		}
		if len(codes) != 2 || codes[0] != messages.Deleted || codes[1] != messages.NotFound || len(m.parked) > 0 {
			t.Errorf("%v", effects)
		}
	})
}

// The payload of what has waited is what was sent.
func TestWaitingKeepsItsPayload(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := withObjects(s)
	first, _ := callIn(m.Step(now, at(putLabel, 1, 1)))
	in := at(putLabel, 2, 2)
	in.Payload = []byte("y")
	m.Step(now, in)
	clear(in.Payload)
	run(t.Context(), first, func(out Returned) { carried(m, m.Step(now, out)) })
	if got := s.value("/4000/0/0"); got != "y" || len(s.did) != 2 {
		t.Errorf("%q after %v", got, s.did)
	}
}

// Who waits too long is asked to come again, and takes nothing from who comes after it.
func TestWaitingEndsWithTheDeadline(t *testing.T) {
	m := withObjects(newShelf(shelfID, 0))
	call, _ := callIn(m.Step(now, at(putLabel, 1, 1)))
	timer := jobTimer(m.Step(now, at(putLabel, 2, 2)))
	m.Step(now.Add(time.Second), at(putLabel, 3, 3))
	reply, _ := answered(m.Step(now.Add(DefaultDeadline), core.Expired{Timer: timer}))
	if reply.Code != messages.ServiceUnavailable || *reply.MaxAge != 1 || reply.ID != 2 {
		t.Errorf("%+v", reply)
	}
	next, found := callIn(m.Step(now.Add(DefaultDeadline), Returned{ID: call.ID, Err: errors.New("no")}))
	if !found || !next.Deadline.Equal(now.Add(DefaultDeadline+time.Second)) {
		t.Errorf("then %+v", next)
	}
}

// Requests that wait count as being under way, of each server.
func TestWaitingIsBounded(t *testing.T) {
	m := withObjects(newShelf(shelfID, 0))
	for id := range uint64(jobsPerServer) {
		if r, found := answered(m.Step(now, at(putLabel, id, 1))); found {
			t.Fatalf("%d: %v", id, r.Code)
		}
	}
	for _, in := range []messages.Inbound{putLabel, slowRead} {
		if r, _ := answered(m.Step(now, at(in, 99, 1))); r.Code != messages.ServiceUnavailable || *r.MaxAge != 1 {
			t.Errorf("one more: %+v", r)
		}
	}
	if _, found := answered(m.Step(now, at(slowRead, 99, 2))); found {
		t.Error("another server has no room")
	}
}

// A change of several instances does not overtake those that wait for one of them, and is
// not overtaken.
func TestCompositeWaitsForItsTurn(t *testing.T) {
	m := withObjects(newShelf(4000, 0), newShelf(4001, 0))
	first, _ := callIn(m.Step(now, at(putLabel, 1, 1)))
	both := ipatch(`[{"n":"/4000/0/0","vs":"b"},{"n":"/4001/0/0","vs":"b"}]`)
	m.Step(now, at(both, 2, 2))
	if effects := m.Step(now, at(withBody(request(messages.PUT, "/4001/0/0"), text, "z"), 3, 3)); len(effects) != 1 {
		t.Errorf("it overtakes: %v", effects)
	}
	run(t.Context(), first, func(out Returned) { carried(m, m.Step(now, out)) })
	for _, id := range []uint16{4000, 4001} {
		want := map[uint16]string{4000: "b", 4001: "z"}[id]
		if got := m.catalog[id].app.(*shelf).value(lwm2m.PathOf(id, 0, 0).String()); got != want {
			t.Errorf("/%d/0/0 is %q, want %q", id, got, want)
		}
	}
}

// The end of a request that has failed in a step is nothing to the one whose turn it is.
func TestFaultOfAnotherRequestIsNotOfTheNext(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := withObjects(s)
	first, _ := callIn(m.Step(now, at(putLabel, 1, 1)))
	m.Step(now, at(putLabel, 2, 2))
	carried(m, m.Step(now, Returned{ID: first.ID, Err: &Fault{What: "panic: oh"}}))
	if got := s.value("/4000/0/0"); got != "x" {
		t.Errorf("%q", got)
	}
}
