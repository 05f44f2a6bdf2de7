package supervisor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// crowd is a client with n management accounts whose retry resources ask for an
// attempt a second, for ever.
func crowd(t *testing.T, n int, more ...messages.Account) *driver {
	t.Helper()
	d := newDriver(t, more...)
	d.machine.config.MaxAccounts = 1000
	d.step(messages.Start{})
	d.loaded(armed(t, n, more...), nil)
	return d
}

// armed is what a hostile bootstrap leaves: every account has an address of its
// own.
func armed(t *testing.T, n int, more ...messages.Account) *lwm2m.Tree {
	t.Helper()
	all := more
	for i := range n {
		all = append(all, serverAccount(t, server(uint16(i+1)), uint16(i)))
	}
	tree := accounts.ToTree(all)
	for i := range n {
		for id, value := range map[uint16]uint64{17: 1, 18: 1, 19: 1, 20: 1<<32 - 1} {
			tree.PutResource(1, uint16(i), lwm2m.Resource{ID: id, Value: lwm2m.Unsigned(value)})
		}
	}
	return tree
}

// busy returns the accounts whose attempts are under way, in order.
func (d *driver) busy() (ids []messages.Peer) {
	for _, id := range d.live {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, messages.Peer.Compare)
	return ids
}

// failAll ends every attempt that is under way.
func (d *driver) failAll() (said []messages.Event) {
	d.t.Helper()
	for _, id := range d.busy() {
		said = append(said, d.fail(id, refused))
	}
	return said
}

// next lets time pass until the next wait is over.
func (d *driver) next() {
	d.t.Helper()
	var first core.Timer
	for timer, at := range d.timers {
		if first.Name == "" || at.Before(d.timers[first]) || at.Equal(d.timers[first]) && timer.String() < first.String() {
			first = timer
		}
	}
	d.fire(first)
}

// run lets attempts fail as they begin, for a while, and returns when each of
// them began.
func (d *driver) run(during time.Duration) (begun []time.Time, by map[messages.Peer]int) {
	d.t.Helper()
	by = map[messages.Peer]int{}
	end := d.now.Add(during)
	for d.now.Before(end) {
		for _, id := range d.busy() {
			begun = append(begun, d.began[d.epoch(id)])
			by[id]++
			d.fail(id, refused)
		}
		d.next()
	}
	slices.SortFunc(begun, time.Time.Compare)
	return begun, by
}

func (d *driver) status(id messages.Peer) messages.ConnectionStatus {
	d.t.Helper()
	for _, c := range d.machine.snapshot().Connections {
		if c.Peer == id {
			return c
		}
	}
	d.t.Fatalf("no account of %s", id)
	return messages.ConnectionStatus{}
}

// The first ten begin at once; the others wait, say so, and begin when they
// said.
func TestAttemptsWaitForTheirTurn(t *testing.T) {
	d := crowd(t, 25)
	began := d.now
	if got := d.busy(); len(got) != 10 || got[9] != server(10) {
		t.Fatalf("%v began", got)
	}
	for id, want := range map[messages.Peer]time.Duration{server(11): 10 * time.Second, server(20): 10 * time.Second, server(21): 20 * time.Second} {
		if s := d.status(id); !s.WaitsForTurn || s.NextAttempt.Sub(began) != want || s.State != messages.StateWaiting {
			t.Errorf("%s: %+v", id, s)
		}
	}
	if s := d.status(server(1)); s.WaitsForTurn || !s.NextAttempt.IsZero() {
		t.Errorf("%+v", s)
	}
	for i, e := range d.failAll() { // after the five that have their turn at 20 s, five more have
		want := 20 * time.Second
		if i >= 5 {
			want = 30 * time.Second
		}
		if retry, _ := e.RetryIn(); retry != want || !e.WaitsForTurn {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	d.next()
	if got := d.busy(); d.now != began.Add(10*time.Second) || len(got) != 10 || got[0] != server(11) || got[9] != server(20) {
		t.Fatalf("after %v: %v", d.now.Sub(began), got)
	}
}

// A few accounts are not put off, and do not say that they were.
func TestFewAccountsKeepThePolicysDelays(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(2), 2))
	for n, want := range []time.Duration{testR0, 2 * testR0, 4 * testR0, 8 * testR0} {
		for _, id := range []messages.Peer{server(1), server(2)} {
			e := d.fail(id, refused)
			checkEvent(t, e, messages.ConnectNetworkError, uint64(n+1), messages.ActionRetry, want)
			if e.WaitsForTurn || d.status(id).WaitsForTurn {
				t.Errorf("%+v", e)
			}
		}
		d.wait(server(1)) // and that of the other
	}
}

// However long it goes on: sixty in ten minutes, one event for each, and every
// account gets its share.
func TestCrowdIsBoundedAndFair(t *testing.T) {
	d := crowd(t, 100)
	begun, by := d.run(4 * time.Hour)
	if group := crowded(begun); group != nil {
		t.Fatalf("too many: %v", group)
	}
	if n := len(begun); n < 60*6*4-60 { // the budget is used
		t.Errorf("%d attempts in four hours", n)
	}
	if n := len(d.errors()); n != len(begun) {
		t.Errorf("%d error events of %d attempts", n, len(begun))
	}
	for id := range uint16(100) {
		if n := by[server(id+1)]; n < 13 || n > 16 {
			t.Errorf("account %d had %d of %d attempts", id+1, n, len(begun))
		}
	}
}

// The bootstrap account neither starves nor starves the others.
func TestBootstrapAccountHasItsTurn(t *testing.T) {
	d := crowd(t, 50, bootstrapAccount(t))
	d.call(messages.CallBootstrap)
	if s := d.status(messages.BootstrapPeer()); !s.WaitsForTurn || s.NextAttempt.Sub(d.now) != 50*time.Second {
		t.Fatalf("%+v", s)
	}
	for range 1000 { // however often it is asked for
		if d.call(messages.CallBootstrap) != 0 {
			t.Fatal("refused")
		}
	}
	if s := d.status(messages.BootstrapPeer()); s.NextAttempt.Sub(d.now) != 50*time.Second {
		t.Fatalf("%+v", s)
	}
	begun, by := d.run(4 * time.Hour)
	if group := crowded(begun); group != nil {
		t.Fatalf("too many: %v", group)
	}
	if by[messages.BootstrapPeer()] < 2 {
		t.Errorf("%d bootstraps", by[messages.BootstrapPeer()])
	}
	for id := range uint16(50) {
		if by[server(id+1)] < 20 {
			t.Errorf("account %d had %d attempts", id+1, by[server(id+1)])
		}
	}
}

// What a person, the network or a server asks for goes through the budget, as
// often as it is asked for.
func TestNothingGoesAroundTheBudget(t *testing.T) {
	ways := map[string]func(*driver){
		"reconnect": func(d *driver) { d.call(messages.CallReconnect) },
		"network up": func(d *driver) {
			d.step(messages.NetworkUp{})
		},
		"woke":             func(d *driver) { d.step(messages.Woke{Slept: time.Millisecond}) },
		"pause and resume": func(d *driver) { d.call(messages.CallPause); d.call(messages.CallResume) },
		"bootstrap":        func(d *driver) { d.call(messages.CallBootstrap) },
		"factory reset": func(d *driver) {
			d.step(messages.CallRequest{Call: messages.CallFactoryReset})
			d.step(messages.CredentialsForgotten{Token: d.resets[len(d.resets)-1].Token})
			d.loaded(armed(d.t, 15, bootstrapAccount(d.t)), nil)
		},
	}
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			d := crowd(t, 15, bootstrapAccount(t))
			var begun []time.Time
			for range 500 { // every 2 s
				for range d.busy() {
					begun = append(begun, d.now)
				}
				d.failAll()
				ask(d)
				end := d.now.Add(2 * time.Second)
				for {
					timer, at := d.soonest()
					if timer.Name == "" || at.After(end) {
						break
					}
					for range d.busy() {
						begun = append(begun, d.now)
					}
					d.failAll()
					d.fire(timer)
				}
				d.now = end
			}
			// A suspend is time that has passed, which this clock does not show.
			slack := 0
			if name == "woke" {
				slack = 3
			}
			if n := len(begun); n > 60*2+slack {
				t.Errorf("%d attempts in 1000 s", n)
			}
			if n := len(begun); n < 100 {
				t.Errorf("%d attempts in 1000 s: nothing was asked", n)
			}
		})
	}
}

// soonest returns the timer that is due first.
func (d *driver) soonest() (first core.Timer, at time.Time) {
	for timer, due := range d.timers {
		if first.Name == "" || due.Before(at) || due.Equal(at) && timer.String() < first.String() {
			first, at = timer, due
		}
	}
	return first, at
}

// A server that refuses every Update and asks for one at once (/1/x/8) is
// answered by the budget, not by the speed of the network.
func TestUpdateTriggerGoesThroughTheBudget(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	began, refusals := d.now, 0
	for d.now.Sub(began) < time.Hour {
		sent := len(d.orders)
		d.step(messages.UpdateTriggered{Epoch: d.epoch(server(1))})
		if len(d.orders) == sent {
			if s := d.status(server(1)); !s.WaitsForTurn {
				t.Fatalf("%+v", s)
			}
			d.wait(server(1))
		}
		d.report(server(1), rejectedWith(messages.TooManyRequests, messages.PhaseUpdate), true)
		refusals++
	}
	if refusals < 6*60 || refusals > 6*60+2 { // the first, which was no attempt, and the one that ends the hour
		t.Errorf("%d Updates in an hour", refusals)
	}
}

// A server that has fallen silent is tried again at once, when there is room;
// else the event says when.
func TestLadderWaitsForItsTurn(t *testing.T) {
	silent := messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseRegistered}
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	for range 10 {
		d.machine.budget.Begin(d.now, "coap://elsewhere")
	}
	e := d.fail(server(1), silent)
	checkEvent(t, e, messages.ConnectNetworkError, 1, messages.ActionRetry, 10*time.Second)
	if !e.WaitsForTurn || d.wait(server(1)) != 10*time.Second || lastOrder[messages.BeginRegistration](d).Mode != messages.ModeUpdate {
		t.Errorf("%+v", e)
	}
}

// One account that registers again and again does not open the budget for those
// that never do; one that registers lets the others move forward.
func TestSuccessOpensTheBudgetOfItsServer(t *testing.T) {
	d := crowd(t, 30)
	began := d.now
	for id := range uint16(9) {
		d.fail(server(id+2), refused)
	}
	d.register(server(1))
	if s := d.status(server(11)); s.NextAttempt != began || s.State != messages.StateWaiting {
		t.Fatalf("one more has its turn: %+v", s)
	}
	if s := d.status(server(12)); s.NextAttempt.Sub(began) != 10*time.Second {
		t.Fatalf("%+v", s)
	}
	var begun []time.Time
	for range 3000 {
		for _, id := range d.busy() {
			if id == server(1) {
				continue
			}
			begun = append(begun, d.now)
			d.fail(id, refused)
		}
		if !d.idle(server(1)) {
			if d.machine.accounts.of(server(1)).stage != stageRegistered {
				d.register(server(1))
			}
			d.fail(server(1), refused)
		}
		d.next()
	}
	if group := crowded(begun); group != nil {
		t.Fatalf("too many attempts at servers that never answered: %v", group)
	}
}

// When the server that all accounts share is back, each that registers makes
// room for the next: nobody waits for the whole queue.
func TestCrowdRegistersAtOnceWhenItsServerIsBack(t *testing.T) {
	d := newDriver(t)
	d.machine.config.MaxAccounts = 1000
	d.step(messages.Start{})
	tree := armed(t, 300)
	for i := range uint16(300) {
		tree.PutResource(0, i, lwm2m.Resource{ID: 0, Value: lwm2m.String("coaps://192.0.2.9")})
	}
	d.loaded(tree, nil)
	d.run(2 * time.Hour)
	back := d.now
	for registered := 0; registered < 300; {
		for _, id := range d.busy() {
			if d.machine.accounts.of(id).stage != stageRegistered {
				d.register(id)
				registered++
			}
		}
		if registered < 300 {
			d.next()
		}
		if d.now.Sub(back) > 10*time.Minute {
			t.Fatalf("%d registered after %v", registered, d.now.Sub(back))
		}
	}
}

// The addresses of one server are one attempt.
func TestNextAddressIsNoFurtherAttempt(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.progressTo(server(1), "192.0.2.1:5684", "192.0.2.2:5684")
	d.step(messages.Failed{Failure: messages.Failure{Class: messages.ClassRefused, Peer: server(1), Epoch: d.epoch(server(1))}})
	if len(d.begun) != 2 || len(d.machine.budget.begun) != 1 {
		t.Errorf("%d connects count as %d attempts", len(d.begun), len(d.machine.budget.begun))
	}
}

// A bootstrap is counted until a registration shows that it was good.
func TestBootstrapsCountUntilOneIsGood(t *testing.T) {
	d := running(t, bootstrapAccount(t))
	boot := func() int {
		n := 0
		for _, b := range d.machine.budget.begun {
			if b.server == "coaps://bs.example" {
				n++
			}
		}
		return n
	}
	d.bootstrap()
	d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	d.wait(server(1))
	d.bootstrap()
	if boot() != 2 {
		t.Errorf("%d bootstraps count", boot())
	}
	d.register(server(1))
	if boot() != 0 || len(d.machine.budget.begun) != 0 {
		t.Errorf("%v still count", d.machine.budget.begun)
	}
}

// The numbers that a server has written are no busy loop where a series has
// failed, and its server still answers.
func TestExhaustedSeriesOfAnsweringServerWaits(t *testing.T) {
	d := newDriver(t, bootstrapAccount(t))
	d.step(messages.Start{})
	d.loaded(armed(t, 1, bootstrapAccount(t)), nil)
	one := uint64(1)
	d.machine.accounts.of(server(1)).Retry = messages.Retry{Count: &one, SequenceCount: &one, Timer: seconds(0)}
	for range 5 {
		e := d.fail(server(1), rejectedWith(messages.InternalServerError, messages.PhaseRegister))
		if retry, _ := e.RetryIn(); retry < 2*time.Second {
			t.Errorf("%+v", e)
		}
		d.wait(server(1))
	}
}

// Of more accounts than limits.accounts those with the lowest short server IDs
// are used, the others are named, once, and kept.
func TestAccountsBeyondTheLimitAreKeptAndNotUsed(t *testing.T) {
	d := newDriver(t, bootstrapAccount(t))
	d.machine.config.MaxAccounts = 2
	d.step(messages.Start{})
	tree := armed(t, 12, bootstrapAccount(t))
	d.loaded(tree, nil)
	if got := d.busy(); fmt.Sprint(got) != "[server 1 server 2]" {
		t.Fatalf("%v", got)
	}
	e := d.newest(messages.EventError)
	const want = "12 management accounts are more than the 2 of limits.accounts: " +
		"those with the short server IDs 3, 4, 5, 6, 7, 8, 9, 10 and 2 more are kept and not used"
	if e.Code != messages.ConnectMemoryConnectFail || e.Phase != "store" || e.Action != messages.ActionUser || e.Detail != "budget: "+want {
		t.Errorf("%+v", e)
	}
	if !slices.Equal(d.machine.tree.Instances(1), tree.Instances(1)) {
		t.Error("accounts are gone")
	}
	d.machine.effects = nil
	d.machine.load(d.now)
	d.drain()
	d.loaded(tree, nil)
	if n := len(d.errors()); n != 1 {
		t.Errorf("%d events about the same accounts", n)
	}
}
