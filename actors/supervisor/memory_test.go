package supervisor

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// restart replaces the machine as after a crash: its timers and incarnations are
// gone, and only the memory is handed on.
func (d *driver) restart(memory *Memory) {
	d.t.Helper()
	clear(d.timers)
	clear(d.live)
	d.machine = Resume(*d.machine.config, memory)
	d.step(messages.Start{})
	d.loaded(nil, nil)
}

// crash restarts the machine with what it knew.
func (d *driver) crash() {
	d.t.Helper()
	d.restart(d.machine.memory)
}

func (d *driver) failures(id messages.Peer) uint64 { return d.machine.accounts.of(id).outage.failures }

// The count goes on, and the delay under way is waited for to its end.
func TestCrashKeepsTheCountAndTheDelay(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	for range 4 {
		d.fail(server(1), refused)
		d.wait(server(1))
	}
	d.fail(server(1), refused)
	d.now = d.now.Add(30 * time.Second)
	d.crash()
	if n := d.failures(server(1)); n != 5 {
		t.Fatalf("%d failures", n)
	}
	if got := d.wait(server(1)); got != 16*testR0-30*time.Second {
		t.Fatalf("waited %v", got)
	}
	checkEvent(t, d.fail(server(1), refused), messages.ConnectNetworkError, 6, messages.ActionRetry, 32*testR0)
}

// A delay that has ended while the supervisor was down ends at once, without a
// timer of no length.
func TestCrashInWhichTheDelayEnds(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.fail(server(1), refused)
	d.now = d.now.Add(time.Minute)
	d.crash()
	if d.idle(server(1)) {
		t.Fatal("it does not begin")
	}
	d.register(server(1))
	if n := d.failures(server(1)); n != 0 {
		t.Fatalf("%d failures", n)
	}
}

// What a server has asked for is kept, whatever the client was doing with it.
func TestCrashKeepsTheFloor(t *testing.T) {
	busy := rejectedWith(messages.ServiceUnavailable, messages.PhaseRegister)
	busy.MaxAge = new(time.Hour)
	overloaded := rejectedWith(messages.TooManyRequests, messages.PhaseUpdate)
	overloaded.MaxAge = new(time.Hour)
	reach := map[string]func(*driver){
		"a Register": func(d *driver) { d.fail(server(1), busy) },
		"an Update":  func(d *driver) { d.register(server(1)); d.report(server(1), overloaded, true) },
	}
	for name, reach := range reach {
		t.Run(name, func(t *testing.T) {
			d := running(t, serverAccount(t, server(1), 0))
			reach(d)
			d.now = d.now.Add(10 * time.Minute)
			d.crash()
			d.step(messages.NetworkUp{}) // shortens no floor
			if got := d.wait(server(1)); got != 50*time.Minute {
				t.Fatalf("waited %v", got)
			}
			d.epoch(server(1))
		})
	}
}

// A registration is resumed with an Update, and the outage began with the crash.
func TestCrashKeepsTheLocation(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.now = d.now.Add(time.Hour)
	d.crash()
	b := lastOrder[messages.BeginRegistration](d)
	if b.Mode != messages.ModeUpdate || b.Previous == nil || b.Epoch != 2 {
		t.Fatalf("%+v", b)
	}
	d.now = d.now.Add(time.Second)
	d.register(server(1))
	if e := d.newest(messages.EventRegistered); e.OfflineMS == nil || *e.OfflineMS != 1000 {
		t.Fatalf("offline %v", e.OfflineMS)
	}
}

// New credentials are not those that the server has registered; another server
// under the same number has asked for nothing.
func TestCrashForgetsWhatBelongsToAnotherServer(t *testing.T) {
	renewed, moved := serverAccount(t, server(1), 0), serverAccount(t, server(1), 0)
	renewed.Credentials.Identity = "renewed"
	moved.URI = mustURI(t, "coaps://elsewhere.example")
	for name, now := range map[string]messages.Account{"renewed": renewed, "moved": moved} {
		t.Run(name, func(t *testing.T) {
			d := running(t, serverAccount(t, server(1), 0))
			d.register(server(1))
			d.factory = accounts.ToTree([]messages.Account{now})
			d.crash()
			if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeRegister {
				t.Errorf("%+v", b)
			}
		})
	}
}

// Nor does a crash give attempts back.
func TestCrashKeepsTheBudget(t *testing.T) {
	var many []messages.Account
	for id := range uint16(8) {
		many = append(many, serverAccount(t, server(id+1), id))
	}
	d := running(t, many...)
	d.crash()
	if len(d.begun) != 10 {
		t.Fatalf("%d attempts at the same instant", len(d.begun))
	}
	for id := range uint16(8) {
		if a := d.machine.accounts.of(server(id + 1)); a.stage == stageWaiting && a.pending.due.Sub(d.now) != 10*time.Second {
			t.Errorf("server %d waits %v", id+1, a.pending.due.Sub(d.now))
		}
	}
}

// Limits of rate outlive a crash, and so does a pause that a person asked for.
func TestCrashKeepsRatesAndThePause(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	d.step(messages.BootstrapTriggered{Epoch: d.epoch(server(1))})
	d.bootstrap()
	d.register(server(1))
	d.crash()
	d.register(server(1))
	d.step(messages.BootstrapTriggered{Epoch: d.epoch(server(1))})
	if got := d.wait(messages.BootstrapPeer()); got != testR0 {
		t.Errorf("the second trigger waits %v", got)
	}
	d.call(messages.CallPause)
	d.crash()
	if len(d.live) != 0 || d.machine.state != messages.StatePaused {
		t.Fatalf("%v, %s", d.live, d.machine.state)
	}
	if got := d.call(messages.CallResume); got != 0 {
		t.Fatalf("%v", got)
	}
	d.register(server(1))
}

// A management account that waits for a bootstrap waits for it after a crash, too,
// and a bootstrap account goes on counting.
func TestCrashDuringARecoveryBootstrap(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	d.wait(server(1))
	d.fail(messages.BootstrapPeer(), bootstrapRefused)
	d.step(messages.CallRequest{Call: messages.CallBootstrap})
	d.crash()
	if n := d.failures(messages.BootstrapPeer()); n != 1 {
		t.Fatalf("%d failures of the bootstrap account", n)
	}
	if n := d.failures(server(1)); n != 1 {
		t.Fatalf("%d failures", n)
	}
	for d.idle(server(1)) {
		d.wait(server(1))
	}
	d.register(server(1))
}

// A machine that panics in the middle of a step leaves what the step before it
// knew, and epochs that have never been used.
func TestCrashInTheMiddleOfAStep(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	d.register(server(2))
	d.fail(server(1), refused)
	used := d.epoch(server(2))
	objects := d.machine.config.Objects
	d.machine.config.Objects = func(*lwm2m.Tree) []messages.ObjectEntry { panic("in the middle") }
	panicked := func() (yes bool) {
		defer func() { yes = recover() != nil }()
		d.now = d.now.Add(testR0)
		d.step(messages.NetworkUp{})
		return false
	}()
	if !panicked {
		t.Fatal("the step did not panic")
	}
	d.machine.config.Objects = objects
	d.crash()
	if d.failures(server(1)) != 1 || d.failures(server(2)) != 0 {
		t.Fatalf("%d and %d failures", d.failures(server(1)), d.failures(server(2)))
	}
	for id := range uint16(2) {
		if got := d.epoch(server(id + 1)); got <= used+1 {
			t.Errorf("epoch %d comes again", got)
		}
	}
	if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeUpdate {
		t.Error("the Location is lost")
	}
}

// Memory that is set aside holds the epoch and the pause alone, and that is said.
func TestMemorySetAside(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.fail(server(1), refused)
	aside := d.machine.memory.SetAside(2)
	epoch := d.machine.memory.epoch
	d.restart(&aside)
	e := d.newest(messages.EventDegraded)
	if e.Actor != "supervisor" || e.Restarts != 2 || e.Detail != setAsideDetail {
		t.Errorf("%+v", e)
	}
	if d.failures(server(1)) != 0 || d.epoch(server(1)) != epoch+1 {
		t.Errorf("%d failures, epoch %d", d.failures(server(1)), d.epoch(server(1)))
	}
	d.crash() // says it once
	degraded := 0
	for _, e := range d.events {
		if e.Type == messages.EventDegraded {
			degraded++
		}
	}
	if degraded != 1 {
		t.Errorf("reported %d times", degraded)
	}
}

// The second crash within the half-life of the count sets the memory aside, a
// later one does not.
func TestSlotSuspectsTheMemory(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var s slot
	config := newDriver(t).machine.config
	for i, step := range []struct {
		after time.Duration
		aside uint64
	}{{0, 0}, {time.Second, 0}, {time.Minute, 2}, {time.Minute, 3}, {time.Hour, 0}, {6 * time.Minute, 0}} {
		now = now.Add(step.after)
		m := s.machine(config, now)
		if m.memory != &s.memory || s.memory.setAside != step.aside {
			t.Errorf("start %d: set aside %d, want %d", i+1, s.memory.setAside, step.aside)
		}
		m.Step(now, messages.Start{})
	}
}

// What is remembered of accounts that cannot be read at once is kept for when
// they can.
func TestCrashWhileTheStoreCannotBeRead(t *testing.T) {
	d := newDriver(t, serverAccount(t, server(1), 0))
	d.step(messages.Start{})
	stored := accounts.ToTree([]messages.Account{serverAccount(t, server(7), 1)})
	d.loaded(stored, nil)
	d.fail(server(7), refused)
	memory := d.machine.memory
	clear(d.timers)
	clear(d.live)
	d.machine = Resume(*d.machine.config, memory)
	d.step(messages.Start{})
	d.loaded(nil, errors.New("input/output error"))
	d.register(server(1))
	d.fire(timerLoad)
	d.loaded(stored, nil)
	if n := d.failures(server(7)); n != 1 {
		t.Fatalf("%d failures", n)
	}
}

// What a server may still change is not given back.
func TestCrashKeepsTheChangesOfAServer(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	change := func() messages.CoAPCode {
		return d.put(server(1), "/1/0/1", lwm2m.Integer(d.inForce("/1/0/1").Int()%1000+60)).Code
	}
	for change() == messages.Changed {
	}
	d.crash()
	d.register(server(1))
	if code := change(); code != messages.ServiceUnavailable {
		t.Errorf("one more is answered %v", code)
	}
}

// A field that is added to Memory, or to what it keeps of an account, has to be
// written by remember and read by recall.
func TestEverythingThatIsRememberedIsWrittenAndRecalled(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	d.put(server(1), "/1/0/1", lwm2m.Integer(hour))
	m, now := d.machine, d.now
	m.paused, m.unused, m.loader.failures = true, []messages.Peer{server(9)}, 3
	m.order = order{waiting: []messages.Peer{server(1)}, current: server(2), unproven: true, blocked: now}
	m.rates = rates{hinted: now, stepped: now, told: now, triggered: now, triggers: 2, malformed: now}
	m.roaming = &roaming{uplink: messages.Uplink{Interface: "eth0"}, addresses: []messages.LocalAddress{{Interface: 2}}}
	m.siblings = map[core.Role]decay.Decay{core.Store: {Min: time.Second}}
	m.budget.Begin(now, "coaps://x.example")
	m.states.read, m.states.failed = true, true
	m.config.Update, m.updateState = true, &updateState{}
	m.past = &pastFetch{
		uri: "coap://images.example/fw", outage: outage{failures: 2, last: &refused, since: now},
		attempt: attempt{chosen: netip.MustParseAddrPort("192.0.2.1:5683")}, pending: pending{due: now, floor: now},
	}
	a := m.accounts.of(server(1))
	a.outage = outage{failures: 2, last: &refused, since: now, crashes: decay.Decay{Min: time.Second}}
	a.pending = pending{step: Bootstrap, wanted: now, due: now, floor: now}
	a.disabled = disabling{until: now, pause: time.Hour, leaving: true, guessed: true}
	a.attempt.chosen = netip.MustParseAddrPort("192.0.2.1:5684")
	d0 := m.states.peers[0]
	d0.observed, d0.behind, d0.owed, d0.session.onDisk = true, true, true, true
	d0.enrolled = &accounts.Enrolled{}
	m.remember()
	first := *m.memory
	nothingMissing(t, first, "setAside") // which ends with the machine that was told of it
	nothingMissing(t, *first.accounts[slices.IndexFunc(first.accounts, func(k *kept) bool { return k.account.Peer == server(1) })])
	nothingMissing(t, first.order)
	nothingMissing(t, first.rates)
	nothingMissing(t, *first.fetch)
	nothingMissing(t, *first.states.peers[0], "restored", "crashes") // no record was
	next := Resume(*m.config, &first)
	next.memory = &Memory{epoch: first.epoch}
	next.remember()
	if !reflect.DeepEqual(*next.memory, first) {
		t.Errorf("recalled %+v of %+v", *next.memory, first)
	}
}

// nothingMissing checks that no field of a struct is zero, but for those named.
func nothingMissing(t *testing.T, of any, but ...string) {
	t.Helper()
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !slices.Contains(but, name) {
			t.Errorf("%T.%s is forgotten", of, name)
		}
	}
}

// A machine remembers at the end of every step, most of which change nothing.
func TestRememberingLeavesNoGarbage(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(2), 2))
	d.register(server(1))
	if n := testing.AllocsPerRun(100, d.machine.remember); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
