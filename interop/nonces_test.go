package interop

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	// trafficRecords is how many datagrams pass at least, both ways.
	trafficRecords = 30_000
	// legs are the stretches of that between which the client is disturbed.
	legs = 30
	// senders send at the same time.
	senders = 8
)

// chatty is a client that reads, sends, notifications and Updates keep busy.
type chatty struct {
	*client
	server   *lwm2mtest.Server
	sensor   *testObject
	sent     atomic.Int64 // Sends that the server has taken
	read     atomic.Int64 // Reads that the client has answered
	notified atomic.Int64
	costs    map[string]int // of registrations
}

// starts begins the traffic, and returns what ends it.
func (c *chatty) starts() (end func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var busy sync.WaitGroup
	for range senders {
		busy.Go(func() { c.sends(ctx) })
		busy.Go(func() { c.reads(ctx) })
	}
	return func() { cancel(); busy.Wait() }
}

// sends has the value change, and sends it. A client that is paused, or on its way, sends
// nothing.
func (c *chatty) sends(ctx context.Context) {
	for ctx.Err() == nil {
		c.sensor.update(func(e *everything) { e.Integer = new(*e.Integer + 1) })
		if c.Send(ctx, holdfast.AllServers, "/3442/0/120") == nil {
			c.sent.Add(1)
		}
	}
}

func (c *chatty) reads(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := c.server.Read(ctx, endpoint, "/3442/0/130", lwm2m.FormatSenMLCBOR); err == nil {
			c.read.Add(1)
		}
	}
}

// observes has the server observe the value, with notifications that are confirmable.
func (c *chatty) observes(ctx context.Context) (end func()) {
	c.t.Helper()
	relation, _, err := c.server.Observe(ctx, endpoint, "/3442/0/120", lwm2m.FormatSenMLCBOR)
	if err != nil || relation == nil {
		c.t.Fatalf("Observe: %v", err)
	}
	done := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		for {
			select {
			case <-relation.Notifications():
				c.notified.Add(1)
			case <-done:
				return
			}
		}
	})
	return func() { close(done); following.Wait() }
}

// disturb moves the client, interrupts it, or has it say something.
func (c *chatty) disturb(n int, r *relay) {
	c.t.Helper()
	ctx := c.t.Context()
	switch n % 3 {
	case 0:
		r.rebind()
	case 1:
		if err := c.Pause(ctx); err != nil {
			c.t.Error(err)
		}
		// What resumes at once does not wait for the session that the link leaves.
		paused := time.NewTimer(100 * time.Millisecond)
		<-paused.C
		if err := c.Resume(ctx); err != nil {
			c.t.Error(err)
		}
		c.costs[c.registered().Session]++
	case 2:
		if err := c.RegisterUpdate(ctx); err != nil {
			c.t.Error(err)
		}
	}
}

// Reads, Sends, confirmable notifications and Updates at the same time, over NATs that change
// their mappings and links that end and go on: no nonce is used twice.
func TestNoNonceTwiceInTraffic(t *testing.T) {
	t.Parallel()
	server, addr := movableServer(t, endpoint)
	r := newRelay(t, addr)
	sensor := newTestObject(t)
	cfg := quick(t)
	cfg.Server, cfg.Objects = psk(r.addr(), testKey), []object.Object{sensor}
	c := &chatty{client: start(t, cfg), server: server, sensor: sensor, costs: map[string]int{}}
	c.costs[c.registered().Session]++
	unmuted := lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte("0")}
	if _, err := server.Write(t.Context(), endpoint, "/1/0/23", lwm2mtest.Replace, unmuted); err != nil {
		t.Fatal(err)
	}
	if _, err := server.WriteAttributes(t.Context(), endpoint, "/3442/0/120", "con=1", "pmin=0"); err != nil {
		t.Fatal(err)
	}
	unwatch := c.observes(t.Context())
	end := c.starts()
	for n := range legs {
		until := r.seen() + trafficRecords/legs
		r.await("traffic", func() bool { return r.seen() >= until })
		c.disturb(n, r)
	}
	end()
	unwatch()
	c.leave()
	if errs := c.errorsSeen(); len(errs) > 0 {
		t.Errorf("errors: %s", c.story())
	}
	used, down := r.used()
	if len(used.sessions) != c.costs["new"] || c.costs["kept"] == 0 || c.sent.Load() == 0 || c.read.Load() == 0 || c.notified.Load() == 0 {
		t.Errorf("%d sessions, registered at the cost of %v, %d Sends, %d Reads, %d notifications", len(used.sessions), c.costs, c.sent.Load(), c.read.Load(), c.notified.Load())
	}
	t.Logf("%d records of the client in %d sessions, no nonce twice; %d datagrams of the server; registered at the cost of %v; %d Sends, %d Reads, %d notifications",
		used.records, len(used.sessions), down, c.costs, c.sent.Load(), c.read.Load(), c.notified.Load())
}
