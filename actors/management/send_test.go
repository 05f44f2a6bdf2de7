package management

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/messages"
)

// collected returns the answer to a CollectSend.
func collected(t *testing.T, m *Machine, effects []core.Effect) (out messages.SendCollected) {
	t.Helper()
	n := 0
	for _, e := range carried(m, effects) {
		if tell, is := e.(core.Tell); is {
			if got, is := tell.Message.(messages.SendCollected); is {
				out, n = got, n+1
				continue
			}
			t.Errorf("it says %v", tell)
		}
	}
	if n != 1 || len(m.jobs) > 0 {
		t.Fatalf("%d answers, and %v is left", n, m.jobs)
	}
	return out
}

func collect(paths ...lwm2m.Path) messages.CollectSend {
	return messages.CollectSend{Peer: messages.ManagementPeer(1), Epoch: 4, ID: 9, Paths: paths}
}

// What is sent is what the server may read, whichever way objects have it.
func TestCollectSend(t *testing.T) {
	for name, variant := range variants {
		m := withObjects(variant(newShelf(shelfID, 0)))
		in := collect(paths("/4000/0", "/3/0/0", "/0", "/1/5", "/4000/0/4", "/4000/9")...)
		at := now.Add(-time.Hour)
		in.Samples = []lwm2m.Sample{
			{At: at, Payload: lwm2m.Payload{Nodes: []lwm2m.Node{{Path: lwm2m.PathOf(shelfID, 0, 1), Value: lwm2m.Float(9)}, {Path: lwm2m.PathOf(0, 0, 5), Value: lwm2m.String(secret)}}}},
			{At: at, Payload: lwm2m.Payload{Nodes: []lwm2m.Node{{Path: lwm2m.PathOf(1, 5, 1), Value: lwm2m.Integer(9)}}}},
		}
		out := collected(t, m, m.Step(now, in))
		if out.ID != 9 || out.Refusal != 0 || out.Format != messages.FormatSenMLCBOR {
			t.Fatalf("%s: %+v", name, out)
		}
		samples, err := codec.DecodeSamples(out.Format, lwm2m.Path{}, out.Payload, now, m.config.Registry, lwm2m.Limits{})
		if err != nil || len(samples) != 2 || !samples[0].At.Equal(at) || len(samples[0].Payload.Nodes) != 1 {
			t.Fatalf("%s: %+v, %v", name, samples, err)
		}
		if got := len(samples[1].Payload.Nodes); got != 5 {
			t.Errorf("%s: %d present values: %v", name, got, samples[1].Payload.Nodes)
		}
	}
}

// There is one answer, with the reason, where there is nothing to send.
func TestCollectSendFails(t *testing.T) {
	s := newShelf(shelfID, 0)
	m := withObjects(s)
	if out := collected(t, m, m.Step(now, collect(paths("/0", "/9999")...))); out.Refusal != messages.SendNothing {
		t.Errorf("nothing: %+v", out)
	}
	s.hook = func(context.Context, string) error { return errors.New("bus down") }
	if out := collected(t, m, m.Step(now, collect(paths("/4000")...))); out.Refusal != messages.SendUnreadable {
		t.Errorf("failure: %+v", out)
	}
	timer := jobTimer(m.Step(now, collect(paths("/4000")...)))
	if out := collected(t, m, m.Step(now, core.Expired{Timer: timer})); out.Refusal != messages.SendUnreadable {
		t.Errorf("too slow: %+v", out)
	}
	for id := range uint64(jobsPerServer) {
		m.Step(now, at(slowRead, id, 1))
	}
	busy := m.Step(now, collect(paths("/4000")...))
	if out := busy[0].(core.Tell).Message.(messages.SendCollected); out.Refusal != messages.SendBusy {
		t.Errorf("busy: %+v", out)
	}
}
