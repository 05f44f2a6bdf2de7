package behaviour_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// unmute has the server allow Sends.
func unmute(w *systemtest.World) {
	w.T.Helper()
	do(w, lwm2mtest.Request{Method: messages.PUT, Path: "/1/0/23", Format: new(messages.FormatText), Payload: []byte("0")}, messages.Changed)
}

// sendFails demands the reason for which a Send fails.
func sendFails(t *testing.T, err error, want holdfast.SendReason) *holdfast.SendError {
	t.Helper()
	var refused *holdfast.SendError
	if !errors.As(err, &refused) || refused.Reason != want {
		t.Fatalf("got %v, want %q", err, want)
	}
	return refused
}

// lastSend decodes what the server has got last.
func lastSend(w *systemtest.World, n int) []lwm2m.Sample {
	w.T.Helper()
	got := w.Server.Requests(systemtest.Endpoint, lwm2mtest.Send)
	if len(got) != n {
		w.T.Fatalf("%d Sends", len(got))
	}
	last := got[n-1]
	samples, err := codec.DecodeSamples(*last.Format, lwm2m.Path{}, last.Payload, time.Now(), nil, lwm2m.Limits{})
	if err != nil {
		w.T.Fatal(err)
	}
	return samples
}

// The server gets the present values of what it may read, once it has allowed that.
func TestSend(t *testing.T) {
	r := newRack(0)
	serving(t, []object.Object{r}, func(w *systemtest.World, cli *systemtest.Client) {
		ctx := context.Background()
		sendFails(t, cli.Send(ctx, holdfast.AllServers, "/3/0/0"), holdfast.SendMuted)
		unmute(w)
		if err := cli.Send(ctx, holdfast.AllServers, "/3/0/0", "/26241/0", "/0", "/1/0/23", "/9999"); err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, sample := range lastSend(w, 1) {
			for _, n := range sample.Payload.Nodes {
				paths = append(paths, n.Path.String())
			}
		}
		if got := strings.Join(paths, " "); got != "/1/0/23 /3/0/0 /26241/0/0" {
			t.Errorf("it sends %s", got)
		}
		sendFails(t, cli.Send(ctx, 1, "/0", "/9999"), holdfast.SendNothing)
		var malformed *lwm2m.PathError
		if err := cli.Send(ctx, 1, "3303"); !errors.As(err, &malformed) {
			t.Errorf("a path without a slash: %v", err)
		}
	})
}

// Values that were kept go with their times.
func TestSendSamples(t *testing.T) {
	r := newRack(0)
	serving(t, []object.Object{r}, func(w *systemtest.World, cli *systemtest.Client) {
		unmute(w)
		load := lwm2m.PathOf(rackID, 0, 1)
		var samples []lwm2m.Sample
		for i := range 3 {
			samples = append(samples, lwm2m.Sample{At: time.Now().Truncate(time.Second), Payload: lwm2m.Payload{Nodes: []lwm2m.Node{
				{Path: load, Value: lwm2m.Float(float64(i) + 0.5)}, {Path: lwm2m.PathOf(0, 0, 5), Value: lwm2m.String("no")},
			}}})
			time.Sleep(time.Minute)
		}
		if err := cli.SendSamples(context.Background(), 1, samples...); err != nil {
			t.Fatal(err)
		}
		got := lastSend(w, 1)
		if len(got) != 3 {
			t.Fatalf("%v", got)
		}
		for i, sample := range got {
			if !sample.At.Equal(samples[i].At) || len(sample.Payload.Nodes) != 1 || sample.Payload.Nodes[0].Value.Float64() != float64(i)+0.5 {
				t.Errorf("sample %d: %+v", i, sample)
			}
		}
	})
}

// What the server answers is the outcome; what it does not answer ends the link, and the
// client is back by an Update.
func TestSendThatIsNotTaken(t *testing.T) {
	serving(t, nil, func(w *systemtest.World, cli *systemtest.Client) {
		ctx := context.Background()
		unmute(w)
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Send, 1, lwm2mtest.Behaviour{Answer: messages.NotFound})
		if e := sendFails(t, cli.Send(ctx, 1, "/3/0/0"), holdfast.SendRefused); e.Code != lwm2m.CodeNotFound || e.Server != 1 {
			t.Errorf("%v", e)
		}
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Send, -1, lwm2mtest.Behaviour{Silent: true})
		sendFails(t, cli.Send(ctx, 1, "/3/0/0"), holdfast.SendSilent)
		cli.ExpectError(holdfast.CodeNetwork)
		cli.Next(holdfast.EventRegistered)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := cli.Send(short, 1, "/3/0/0"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
		w.Server.Behave()
	})
}

// A client that is paused or closed sends nothing.
func TestSendOfAClientThatIsAway(t *testing.T) {
	serving(t, nil, func(w *systemtest.World, cli *systemtest.Client) {
		unmute(w)
		if err := cli.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		sendFails(t, cli.Send(context.Background(), 1, "/3/0/0"), holdfast.SendNotRegistered)
		if err := cli.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		cli.WaitFor(holdfast.Registered)
		if err := cli.Send(context.Background(), 1, "/3/0/0"); err != nil {
			t.Error(err)
		}
	})
	cfg := holdfast.Config{Endpoint: "gw"}
	client, err := holdfast.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Send(context.Background(), 1, "/3/0/0"); !errors.Is(err, holdfast.ErrNotAllowed) {
		t.Errorf("before Start: %v", err)
	}
	_ = client.Close(context.Background())
}
