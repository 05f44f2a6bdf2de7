package supervisor

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// /1/x/13 to 15 as a table: which accounts begin at once, which one after the
// other, and when the next one's turn has come.
func TestOrderOfRegistration(t *testing.T) {
	first, second := new(uint64(1)), new(uint64(2))
	tests := []struct {
		name       string
		priorities []*uint64 // of the servers 1, 2, 3
		block      bool      // /1/1/15
		succeeds   bool      // the current account, else it fails
		free       []uint16
		current    uint16
		next       uint16 // after that outcome; 0 when the current one keeps its turn
	}{
		{"no priorities", []*uint64{nil, nil, nil}, false, true, []uint16{1, 2, 3}, 0, 0},
		{"in order", []*uint64{second, first, nil}, false, true, []uint16{3}, 2, 1},
		{"in order, the first fails", []*uint64{second, first, nil}, false, false, []uint16{3}, 2, 1},
		{"the first fails and blocks", []*uint64{first, second, nil}, true, false, []uint16{3}, 1, 0},
		{"the first blocks and succeeds", []*uint64{first, second, nil}, true, true, []uint16{3}, 1, 2},
		{"alike: by number", []*uint64{first, first, first}, false, true, nil, 1, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var all []*account
			for i, p := range tt.priorities {
				a := &account{Account: &messages.Account{Peer: server(uint16(i + 1)), Retry: messages.Retry{Priority: p}}}
				if tt.block && i == 0 {
					a.Retry.FailureBlock = new(true)
				}
				all = append(all, a)
			}
			var o order
			var free []uint16
			for _, a := range o.arrange(all, false) {
				free = append(free, a.Peer.ID)
			}
			current, _ := o.next()
			if !slices.Equal(free, tt.free) || current.ID != tt.current {
				t.Fatalf("free %v, current %v", free, current)
			}
			if tt.current == 0 {
				return
			}
			moved := o.over(all[tt.current-1], tt.succeeds)
			if moved != (tt.next != 0) {
				t.Fatalf("the turn is over: %v", moved)
			}
			if next, _ := o.next(); moved && next.ID != tt.next {
				t.Errorf("next %v", next)
			}
		})
	}
}

// Another look at the accounts does not take the turn from the one that has it,
// nor starts those that wait behind it.
func TestOrderSurvivesAnotherLook(t *testing.T) {
	d := ordered(t, true)
	d.machine.startIdle(d.now)
	d.drain()
	d.fail(server(1), refused) // blocks the second
	d.machine.effects = nil
	d.machine.startIdle(d.now) // as after a look at the store
	d.drain()
	if !d.idle(server(2)) || !d.timers[waitTimer(server(2))].IsZero() {
		t.Fatal("the second began while the first blocks it")
	}
	d.wait(server(1))
	d.register(server(1))
	if d.idle(server(2)) {
		t.Fatal("the second did not begin when its turn came")
	}
}

// /1/x/14 counts until the first success after a bootstrap, at most a week.
func TestOrderDelaysTheFirstRegister(t *testing.T) {
	a := &account{Account: &messages.Account{Peer: server(1), Retry: messages.Retry{InitialDelay: new(time.Hour)}}}
	o := order{unproven: true}
	if got := o.delay(a); got != time.Hour {
		t.Errorf("%v", got)
	}
	a.Retry.InitialDelay = new(2 * Week)
	if got := o.delay(a); got != Week {
		t.Errorf("%v", got)
	}
	o.over(&account{Account: &messages.Account{Peer: server(2)}}, true)
	if got := o.delay(a); got != 0 {
		t.Errorf("after a success: %v", got)
	}
}

// blocked starts a client of which the first server has failed and blocks the second,
// which has a delay of its own that does not count.
func blocked(t *testing.T) *driver {
	t.Helper()
	d := ordered(t, true)
	d.machine.startIdle(d.now)
	d.drain()
	d.machine.effects = nil
	d.step(messages.NetworkUp{}) // any step: it publishes
	d.register(server(3))
	d.fail(server(1), refused)
	return d
}

// A failure block keeps the servers behind from being tried no longer than the cap of
// the policy, however often the first one fails meanwhile.
func TestFailureBlockIsNotForEver(t *testing.T) {
	d := blocked(t)
	until := d.now.Add(Week)
	for range 5 {
		d.wait(server(1))
		d.fail(server(1), refused)
	}
	if s := d.status(server(2)); !d.idle(server(2)) || s.State != messages.StateWaiting || !s.NextAttempt.Equal(until) {
		t.Fatalf("%+v", s)
	}
	if d.fire(timerOrder); !d.now.Equal(until) || d.idle(server(2)) {
		t.Fatalf("at %v %v", d.now, d.status(server(2)))
	}
}

func TestFailureBlockEndsWithTheFirstRegistration(t *testing.T) {
	d := blocked(t)
	d.wait(server(1))
	d.register(server(1))
	if d.idle(server(2)) {
		t.Fatal("the second did not begin")
	}
	d.register(server(2))
	d.fire(timerOrder)
	if d.machine.state != messages.StateRegistered {
		t.Errorf("the client is %s", d.machine.state)
	}
}

// A suspend counts, a pause ends it, and a crash does not.
func TestFailureBlockGoesOn(t *testing.T) {
	d := blocked(t)
	until := d.now.Add(Week)
	d.now = d.now.Add(time.Hour)
	d.step(messages.Woke{Slept: time.Hour})
	if got := d.timers[timerOrder]; !got.Equal(until.Add(-time.Hour)) {
		t.Errorf("%v", got)
	}
	d.call(messages.CallPause)
	d.fire(timerOrder)
	if !d.idle(server(2)) {
		t.Error("it began while the client is paused")
	}
	d.call(messages.CallResume)
	if d.idle(server(1)) || !d.idle(server(2)) || !d.machine.order.blocked.IsZero() {
		t.Error("the order did not begin anew")
	}
}

func TestFailureBlockOutlivesACrash(t *testing.T) {
	first, second := serverAccount(t, server(1), 0), serverAccount(t, server(2), 1)
	tree := accounts.ToTree([]messages.Account{first, second})
	for i, block := range []bool{true, false} {
		inst := uint16(i)
		tree.PutResource(objects.Server, inst, lwm2m.Resource{ID: objects.ServerRegistrationPriorityOrder, Value: lwm2m.Unsigned(uint64(i))})
		tree.PutResource(objects.Server, inst, lwm2m.Resource{ID: objects.ServerRegistrationFailureBlock, Value: lwm2m.Boolean(block)})
	}
	d := newDriver(t)
	d.factory = tree
	d.step(messages.Start{})
	d.loaded(nil, nil)
	d.fail(server(1), refused)
	until := d.timers[timerOrder]
	d.now = d.now.Add(time.Second)
	d.crash()
	if got := d.timers[timerOrder]; !got.Equal(until) || !d.idle(server(2)) {
		t.Fatalf("%v, want %v", got, until)
	}
	if s := d.status(server(2)); s.WaitsFor != messages.WaitsForBlock || s.Behind != server(1) {
		t.Errorf("%+v", s)
	}
}

// By LwM2M's policy a registration has failed when its series has, or when the server
// has refused it and a bootstrap follows.
func TestRefusalEndsATurn(t *testing.T) {
	d := ordered(t, false)
	d.machine.config.PolicyKind = PolicyLwM2M
	d.machine.admit(d.machine.newAccount(bootstrapAccount(t)))
	d.machine.startIdle(d.now)
	d.drain()
	d.machine.effects = nil
	d.fail(server(1), refused)
	if !d.idle(server(2)) {
		t.Fatal("the turn was over after the first attempt of five")
	}
	d.wait(server(1))
	d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	if d.idle(server(2)) {
		t.Fatal("the refusal did not end the turn")
	}
}

// Whoever waits says why.
func TestStatusSaysWhatAServerWaitsFor(t *testing.T) {
	is := func(d *driver, id messages.Peer, want messages.WaitReason, behind messages.Peer) {
		t.Helper()
		if s := d.status(id); s.WaitsFor != want || s.Behind != behind {
			t.Errorf("%s waits for %q behind %s, want %q behind %s", id, s.WaitsFor, s.Behind, want, behind)
		}
	}
	none := messages.Peer{}
	d := ordered(t, true)
	d.machine.order.unproven = true
	d.machine.startIdle(d.now)
	d.drain()
	d.machine.effects = nil
	is(d, server(1), messages.WaitsForNothing, none)
	is(d, server(2), messages.WaitsForOrder, server(1))
	d.fail(server(1), refused)
	is(d, server(1), messages.WaitsForPolicy, none)
	is(d, server(2), messages.WaitsForBlock, server(1))
	d.wait(server(1))
	d.register(server(1)) // the first success: no delay any more
	d.fail(server(2), messages.Failure{Class: messages.ClassRejected, Phase: messages.PhaseRegister, Answer: messages.ServiceUnavailable, MaxAge: new(30 * time.Second)})
	is(d, server(2), messages.WaitsForServer, none)
	d.disable(server(1))
	is(d, server(1), messages.WaitsForEnabling, none)

	d = ordered(t, false)
	d.machine.order.unproven = true
	d.machine.startIdle(d.now)
	d.drain()
	d.machine.effects = nil
	d.fail(server(1), refused)
	is(d, server(2), messages.WaitsForFirst, none)
	d.wait(server(2))
	d.fail(server(2), refused)
	is(d, server(2), messages.WaitsForPolicy, none)

	d = running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	d.wait(server(1))
	is(d, server(1), messages.WaitsForBootstrap, none)
}
