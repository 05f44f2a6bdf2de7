package management

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// asked returns the Write that effects ask the supervisor for.
func asked(effects []core.Effect) (w messages.WriteModel, found bool) {
	for _, e := range effects {
		if tell, ok := e.(core.Tell); ok && tell.To == core.Supervisor {
			w, found = tell.Message.(messages.WriteModel)
		}
	}
	return w, found
}

// answered returns the reply among effects.
func answered(effects []core.Effect) (r messages.Reply, found bool) {
	for _, e := range effects {
		if tell, ok := e.(core.Tell); ok && tell.To == core.Link {
			r, found = tell.Message.(messages.Reply)
		}
	}
	return r, found
}

// What is well formed goes to the supervisor, and nobody is answered meanwhile.
func TestWriteAsksTheSupervisor(t *testing.T) {
	for _, c := range []struct {
		in      messages.Inbound
		replace bool
		nodes   int
	}{
		{withBody(request(messages.PUT, "/1/0/1"), text, "60"), true, 1},
		{withBody(request(messages.PUT, "/1/0/2"), text, "1"), true, 1}, // not there yet
		{withBody(request(messages.PUT, "/1/0/17"), text, "3"), true, 1},
		{withBody(request(messages.PUT, "/1/0/25/0"), text, "1.1"), true, 1},
		{withBody(request(messages.PUT, "/1/0/25"), jsonF, `[{"bn":"/1/0/25/","n":"0","vs":"1.1"},{"n":"1","vs":"1.0"}]`), true, 2},
		{withBody(request(messages.PUT, "/1/0"), tlvF, "\xc1\x01\x3c\xc1\x06\x01\xc1\x07U"), true, 3},
		{withBody(request(messages.POST, "/1/0"), tlvF, "\xc1\x01\x3c"), false, 1},
		{withBody(request(messages.POST, "/1/0"), jsonF, `[{"n":"/1/0/1","v":60}]`), false, 1},
		{withBody(request(messages.PUT, "/1/0/7"), text, ""), true, 1}, // empty, but with a format
	} {
		effects := machine(true).Step(now, c.in)
		w, found := asked(effects)
		if _, replied := answered(effects); !found || replied {
			t.Fatalf("%v: %v", c.in.Path, effects)
		}
		if w.Peer != c.in.Peer || w.Epoch != c.in.Epoch || w.ID != c.in.ID || w.Replace != c.replace ||
			len(w.Payload.Nodes) != c.nodes || !w.Deadline.Equal(now.Add(30*time.Second)) {
			t.Errorf("%v: %+v", c.in.Path, w)
		}
		if set := effects[1].(core.SetTimer); set.After != 65*time.Second {
			t.Errorf("%v: %v", c.in.Path, set)
		}
	}
}

func lifetime(seconds string) messages.Inbound {
	return withBody(request(messages.PUT, "/1/0/1"), text, seconds)
}

// The outcome is the answer, and the supervisor learns that it has left.
func TestWriteIsAnsweredWithTheOutcome(t *testing.T) {
	m := machine(true)
	m.Step(now, lifetime("60"))
	effects := m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.BadRequest, Detail: "why"})
	if stop, ok := effects[0].(core.StopTimer); !ok || stop.Timer != timerWrite(4) {
		t.Errorf("%v", effects)
	}
	if r, _ := answered(effects); r.Code != messages.BadRequest || string(r.Payload) != "why" || r.Epoch != 4 || r.ID != 17 {
		t.Errorf("%+v", r)
	}
	if last := effects[len(effects)-1]; last != (core.Tell{To: core.Supervisor, Message: messages.WriteAnswered{Epoch: 4, ID: 17}}) {
		t.Errorf("%v", last)
	}
	if effects := m.Step(now, core.Expired{Timer: timerWrite(4)}); len(effects) > 0 {
		t.Errorf("it still waits: %v", effects)
	}
}

// One Write of a server at a time; another server's goes on, and so do Reads.
func TestOneWriteOfAServerAtATime(t *testing.T) {
	m := machine(true)
	m.Step(now, lifetime("60"))
	again := lifetime("90")
	again.ID = 18
	if effects := m.Step(now, again); len(effects) != 1 || jobTimer(effects) == (core.Timer{}) {
		t.Errorf("another one: %v", effects)
	}
	other := withBody(request(messages.PUT, "/1/5/1"), text, "60")
	other.Peer, other.Epoch = messages.ManagementPeer(2), 5
	if _, found := asked(m.Step(now, other)); !found {
		t.Error("another server's is not carried out")
	}
	if r, _ := ask(t, m, request(messages.GET, "/1/0/1")); r.Code != messages.Content {
		t.Errorf("a Read: %v", r.Code)
	}
	if w, found := asked(m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.Changed})); !found || w.ID != 18 {
		t.Error("the next one is not carried out")
	}
}

// A Write of which nothing is heard is answered all the same, once.
func TestWriteWithoutAnOutcomeIsAnswered(t *testing.T) {
	m := machine(true)
	m.Step(now, lifetime("60"))
	if r, _ := answered(m.Step(now, core.Expired{Timer: timerWrite(4)})); r.Code != messages.InternalServerError || r.ID != 17 {
		t.Errorf("%+v", r)
	}
	if _, found := asked(m.Step(now, lifetime("90"))); !found {
		t.Error("the next one is not carried out")
	}
}

// An actor that was started anew answers what the one before has asked for.
func TestOutcomeOfAnotherIncarnation(t *testing.T) {
	m := machine(true)
	effects := m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.Changed})
	if r, _ := answered(effects); r.Code != messages.Changed || r.ID != 17 || len(r.Payload) != 0 {
		t.Errorf("%+v", r)
	}
	m.Step(now, lifetime("60"))
	m.Step(now, messages.ModelWritten{Epoch: 4, ID: 16, Code: messages.Changed})
	if r, _ := answered(m.Step(now, core.Expired{Timer: timerWrite(4)})); r.ID != 17 {
		t.Error("the outcome of an older Write ended the wait for a newer one")
	}
}

// Nothing of a payload that is still to be used is part of the datagram.
func TestPayloadIsNotTheDatagrams(t *testing.T) {
	in := withBody(request(messages.PUT, "/1/0"), tlvF, "\xc1\x01\x3c\xc1\x06\x01\xc1\x07U")
	w, _ := asked(machine(true).Step(now, in))
	clear(in.Payload)
	if v, _ := w.Payload.Tree().Value(lwm2m.PathOf(1, 0, 7)); v.Text() != "U" {
		t.Errorf("the binding is now %q", v.Text())
	}
}
