package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// told has a server accept a Register, or an Update, that says whether the client is in
// queue mode.
func (d *driver) told(id messages.Peer, queue bool) {
	d.t.Helper()
	r := messages.Registration{Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Queue: queue, Accepted: d.now}
	if a := d.machine.accounts.of(id); a.stage == stageRegistered {
		d.step(messages.Updated{Epoch: d.epoch(id), Registration: r})
		return
	}
	d.connected(id)
	d.step(messages.Registered{Epoch: d.epoch(id), Registration: r})
}

// sleepy starts a client that is in queue mode and registered.
func sleepy(t *testing.T) *driver {
	t.Helper()
	d := newDriver(t, serverAccount(t, server(1), 0))
	d.machine.config.QueueMode = true
	d.step(messages.Start{})
	d.loaded(nil, nil)
	if b := d.begins(server(1)); !b.Account.Queue {
		t.Fatalf("%+v", b.Account)
	}
	d.told(server(1), true)
	return d
}

// slept returns what was said of queue mode, in order.
func (d *driver) slept() string {
	var said []string
	for _, e := range d.events {
		if e.Type == messages.EventAwake || e.Type == messages.EventAsleep {
			said = append(said, string(e.Type))
		}
	}
	return strings.Join(said, " ")
}

func TestQueueMode(t *testing.T) {
	d := sleepy(t)
	if o := d.orders[len(d.orders)-1]; o.To != core.Link || o.Message != (messages.QueueMode{Epoch: d.epoch(server(1)), On: true}) {
		t.Fatalf("%+v", o)
	}
	if s := d.status(server(1)); s.QueueMode != messages.ReachableNow || d.slept() != "" {
		t.Errorf("%v, %s", s.QueueMode, d.slept())
	}
	before := len(d.orders)
	d.told(server(1), true)
	if len(d.orders) != before {
		t.Error("the link is told twice")
	}
	for range 2 { // the second ones are late
		d.step(messages.LinkAsleep{Epoch: d.epoch(server(1))})
		if s := d.status(server(1)); s.QueueMode != messages.ReachableLater || s.State != messages.StateRegistered {
			t.Errorf("%v, %s", s.QueueMode, s.State)
		}
		d.step(messages.LinkAsleep{Epoch: d.epoch(server(1)) - 1})
	}
	d.step(messages.LinkAwake{Epoch: d.epoch(server(1))})
	if s := d.status(server(1)); s.QueueMode != messages.ReachableNow || d.slept() != "asleep awake" {
		t.Errorf("%v, %s", s.QueueMode, d.slept())
	}
}

// Whatever ends a link that was asleep takes the network; a person who pauses the
// client does not.
func TestLostLinksWakeUp(t *testing.T) {
	d := sleepy(t)
	d.step(messages.LinkAsleep{Epoch: d.epoch(server(1))})
	d.fail(server(1), refused)
	if s := d.status(server(1)); s.QueueMode != messages.ReachableAlways || d.slept() != "asleep awake" {
		t.Errorf("%v, %s", s.QueueMode, d.slept())
	}
	d = sleepy(t)
	d.step(messages.LinkAsleep{Epoch: d.epoch(server(1))})
	d.call(messages.CallPause)
	if s := d.status(server(1)); s.QueueMode != messages.ReachableAlways || d.slept() != "asleep" {
		t.Errorf("%v, %s", s.QueueMode, d.slept())
	}
}

// A server that writes a binding with Q has the client in queue mode once it has been
// told, also after a restart, and until it writes another one.
func TestServerAsksForQueueMode(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := running(t, account)
	d.told(server(1), false)
	d.expectWritten(d.put(server(1), "/1/0/7", lwm2m.String("UQ")), messages.Changed)
	if o := lastOrder[messages.ObjectsChanged](d); !o.Queue || !o.Triggered {
		t.Fatalf("%+v", o)
	}
	d.told(server(1), true)
	if d.status(server(1)).QueueMode != messages.ReachableNow || !d.state().Queue {
		t.Errorf("%v, %v", d.status(server(1)).QueueMode, d.state())
	}
	next := d.reboot(time.Minute, account)
	if b := next.begins(server(1)); !b.Account.Queue || !b.Previous.Queue {
		t.Errorf("%+v", b)
	}
	next.told(server(1), true)
	next.step(messages.LinkAsleep{Epoch: next.epoch(server(1))})
	next.expectWritten(next.put(server(1), "/1/0/7", lwm2m.String("U")), messages.Changed)
	next.told(server(1), false)
	if o := lastOrder[messages.QueueMode](next); o.On || next.slept() != "asleep awake" || next.status(server(1)).QueueMode != messages.ReachableAlways {
		t.Errorf("%+v, %s", o, next.slept())
	}
}

// An account whose URI leaves no room for the argument stays reachable, and is used.
func TestQueueModeWithoutRoom(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	account.URI = mustURI(t, "coaps://h"+strings.Repeat("/a", 55))
	d := newDriver(t, account)
	d.machine.config.QueueMode = true
	d.step(messages.Start{})
	d.loaded(nil, nil)
	if b := d.begins(server(1)); b.Account.Queue {
		t.Errorf("%+v", b.Account)
	}
	d.told(server(1), false)
	if got := d.put(server(1), "/1/0/7", lwm2m.String("UQ")); got.Code != messages.BadRequest {
		t.Errorf("%v", got)
	}
}
