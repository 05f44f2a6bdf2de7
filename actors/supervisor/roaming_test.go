package supervisor

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

var errElsewhere = errors.New("the server is reached from elsewhere")

// movedLink has the link of a server lost because it has to move.
func (d *driver) movedLink(id messages.Peer, phase messages.Phase) {
	d.t.Helper()
	d.step(messages.Failed{Failure: messages.Failure{
		Class: messages.ClassMoved, Phase: phase, Peer: id, Epoch: d.epoch(id), Cause: errElsewhere,
	}})
}

// moves returns the events about moves so far.
func (d *driver) moves() (all []messages.Event) {
	for _, e := range d.events {
		if e.Type == messages.EventMoved {
			all = append(all, e)
		}
	}
	return all
}

// A link that has to move is no failure: the next attempt begins at once, with an Update.
func TestMoveBeginsAtOnceAndCountsNothing(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	before, errorsBefore := len(d.begun), len(d.errors())
	d.now = d.now.Add(time.Hour)
	d.machine.accounts.of(server(1)).attempt.chosen = netip.MustParseAddrPort("192.0.2.1:5684")
	d.movedLink(server(1), messages.PhaseRegistered)
	for _, o := range d.orders {
		if c, is := o.Message.(messages.Connect); is && c.Epoch == d.epoch(server(1)) && c.After.IsValid() {
			t.Errorf("the address after %v is tried", c.After)
		}
	}
	if len(d.begun) != before+1 || !d.begun[before].Equal(d.now) {
		t.Fatalf("attempts: %v", d.begun[before:])
	}
	if n := d.failures(server(1)); n != 0 || len(d.errors()) != errorsBefore {
		t.Fatalf("%d failures, errors %v", n, d.errors())
	}
	moves := d.moves()
	if len(moves) != 1 || moves[0].Detail != errElsewhere.Error() || *moves[0].RetryInMS != 0 || moves[0].Action != messages.ActionRetry || moves[0].Server == "" {
		t.Fatalf("%+v", moves)
	}
	if begin := d.begins(server(1)); begin.Mode != messages.ModeUpdate {
		t.Fatalf("%+v", begin)
	}
	d.now = d.now.Add(time.Second)
	d.register(server(1))
	last := d.events[len(d.events)-1]
	if last.Type != messages.EventRegistered || last.Attempts != 1 || last.OfflineMS == nil || *last.OfflineMS != 1000 {
		t.Fatalf("%+v", last)
	}
}

// Links that move all the time make one attempt in 5 s, whatever hints come, and never end a
// pause that the server has asked for.
func TestMovesAreSpaced(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.now = d.now.Add(time.Hour)
	before, began := len(d.begun), d.now
	for d.now.Before(began.Add(time.Minute)) {
		d.now = d.now.Add(100 * time.Millisecond)
		for timer, at := d.soonest(); !at.IsZero() && !at.After(d.now); timer, at = d.soonest() {
			delete(d.timers, timer)
			d.step(core.Expired{Timer: timer})
		}
		if a := d.machine.accounts.of(server(1)); a.epoch != 0 {
			d.movedLink(server(1), messages.PhaseRegister)
		}
		d.step(messages.NetworkChanged{Back: true})
	}
	for i := before + 1; i < len(d.begun); i++ {
		if d.begun[i].Sub(d.begun[i-1]) < hintInterval {
			t.Fatalf("attempts at %v", d.begun[before:])
		}
	}
	if n := len(d.begun) - before; n < 10 {
		t.Errorf("%d attempts in a minute", n)
	}
	if n := d.failures(server(1)); n != 0 {
		t.Errorf("%d failures", n)
	}
}

func TestMoveKeepsThePauseOfAServer(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	pause := time.Hour
	d.step(messages.Failed{LinkUsable: true, Failure: messages.Failure{
		Class: messages.ClassRejected, Answer: messages.ServiceUnavailable, MaxAge: &pause,
		Phase: messages.PhaseUpdate, Peer: server(1), Epoch: d.epoch(server(1)),
	}})
	due, before := d.timers[waitTimer(server(1))], len(d.begun)
	d.now = d.now.Add(time.Minute)
	d.movedLink(server(1), messages.PhaseUpdate)
	if got := d.timers[waitTimer(server(1))]; !got.Equal(due) || len(d.begun) != before {
		t.Fatalf("the attempt comes at %v, want %v", got, due)
	}
}

// A hint of the link watch that comes too early is heeded as soon as the next one may be.
func TestEarlyHintIsHeededLater(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	for range 8 {
		d.fail(server(1), refused)
		d.fire(waitTimer(server(1)))
	}
	d.fail(server(1), refused)
	d.now = d.now.Add(time.Second)
	before := len(d.begun)
	d.step(messages.NetworkChanged{Back: true})
	if len(d.begun) != before+1 {
		t.Fatal("the first hint is heeded at once")
	}
	d.fail(server(1), refused)
	d.now = d.now.Add(time.Second)
	d.step(messages.NetworkChanged{Back: true})
	d.step(messages.NetworkChanged{})
	if at := d.timers[timerHint]; len(d.begun) != before+1 || !at.Equal(d.begun[before].Add(hintInterval)) {
		t.Fatalf("heeded at %v, attempts %v", at, d.begun[before:])
	}
	count := d.failures(server(1))
	d.fire(timerHint)
	if len(d.begun) != before+2 || d.failures(server(1)) != count {
		t.Fatalf("attempts %v, %d failures", d.begun[before:], d.failures(server(1)))
	}
	d.fail(server(1), refused)
	d.step(messages.NetworkChanged{})
	if _, armed := d.timers[timerHint]; armed || len(d.begun) != before+2 {
		t.Error("what is gone is no hint")
	}
}

// The delay before a first attempt is for the network that comes: it is kept.
func TestWatchDoesNotEndTheDelayBeforeAFirstAttempt(t *testing.T) {
	hold := time.Hour
	bootstrap := bootstrapAccount(t)
	bootstrap.HoldOff = hold
	d := running(t, bootstrap)
	due, before := d.timers[waitTimer(bootstrap.Peer)], len(d.begun)
	if !due.Equal(d.now.Add(hold)) {
		t.Fatalf("the bootstrap is due at %v", due)
	}
	d.now = d.now.Add(time.Minute)
	d.step(messages.NetworkChanged{Back: true})
	if len(d.begun) != before || !d.timers[waitTimer(bootstrap.Peer)].Equal(due) {
		t.Fatalf("%d attempts", len(d.begun)-before)
	}
}

// Every link is asked where it is; one that has resent in vain begins anew when the network
// is back.
func TestLinksAreCheckedWhenTheNetworkChanges(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	d.register(server(1))
	d.register(server(2))
	d.step(messages.RequestStep{Epoch: d.epoch(server(2)), Resent: 2})
	d.now = d.now.Add(time.Hour)
	here := []messages.LocalAddress{{Interface: 3}}
	for _, back := range []bool{false, true} {
		before := len(d.orders)
		d.step(messages.NetworkChanged{Addresses: here, Back: back})
		checks := map[messages.Epoch]messages.CheckLink{}
		for _, o := range d.orders[before:] {
			if c, is := o.Message.(messages.CheckLink); is && o.To == core.Network && o.Epoch == c.Epoch {
				checks[c.Epoch] = c
			}
		}
		first, second := checks[d.epoch(server(1))], checks[d.epoch(server(2))]
		if len(checks) != 2 || len(first.Addresses) != 1 || first.Anew || second.Anew != back {
			t.Fatalf("back %v: %+v", back, checks)
		}
	}
}

// A change of the interface makes one event, is in the snapshot, and outlives a crash.
func TestUplinkIsReported(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	use := messages.Uplink{Interfaces: "eth0, wwan0", Interface: "wwan0", Reason: "eth0 is not there"}
	for range 2 {
		d.step(messages.NetworkChanged{Uplink: use})
	}
	var seen []messages.Event
	for _, e := range d.events {
		if e.Type == messages.EventNetwork {
			seen = append(seen, e)
		}
	}
	if len(seen) != 1 || seen[0].Interface != "wwan0" || seen[0].Detail != "eth0 is not there" || *d.machine.snapshot().Uplink != use {
		t.Fatalf("%+v, %+v", seen, d.machine.snapshot().Uplink)
	}
	d.crash()
	if *d.machine.snapshot().Uplink != use {
		t.Error("a crash forgets the interface")
	}
}

// While the client is paused or leaves, nothing begins.
func TestNetworkChangesOfAPausedClient(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.call(messages.CallPause)
	nothing := func() {
		t.Helper()
		orders, begun := len(d.orders), len(d.begun)
		d.step(messages.NetworkChanged{Back: true})
		if len(d.orders) != orders || len(d.begun) != begun {
			t.Errorf("orders %v", d.orders[orders:])
		}
	}
	nothing()
	d.call(messages.CallResume)
	d.register(server(1))
	d.step(messages.Stop{Deadline: d.now.Add(time.Minute)})
	nothing()
}

// A hint does not make the attempt earlier that follows a second move.
func TestHintDoesNotHurryAMove(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.now = d.now.Add(time.Hour)
	began := d.now
	for range 2 {
		d.movedLink(server(1), messages.PhaseRegister)
		d.now = d.now.Add(time.Second)
	}
	before := len(d.begun)
	d.step(messages.NetworkUp{})
	if due := d.timers[waitTimer(server(1))]; len(d.begun) != before || !due.Equal(began.Add(hintInterval)) {
		t.Fatalf("the attempt comes at %v, want %v", due, began.Add(hintInterval))
	}
}

// A download whose link has to move goes on at once, and counts nothing either.
func TestDownloadMoves(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.open("coap://images.example/fw")
	moved := messages.Failure{Class: messages.ClassMoved, Cause: errElsewhere}
	for i, want := range []time.Duration{0, hintInterval} {
		f := d.machine.fetch
		moved.Epoch = f.link
		d.step(messages.DownloadFailed{ID: f.id, Failure: moved})
		moves := d.moves()
		if got := moves[len(moves)-1]; len(moves) != i+1 || *got.RetryInMS != want.Milliseconds() || d.machine.fetch.outage.failures != 0 {
			t.Fatalf("%+v", moves)
		}
		if open := d.machine.fetch.link != 0; open != (want == 0) {
			t.Fatalf("move %d: %+v", i, d.machine.fetch)
		}
	}
	d.fire(timerFetch)
	if d.machine.fetch.link == 0 {
		t.Error("the download does not go on")
	}
}
