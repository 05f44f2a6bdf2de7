package registration

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/outcome"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

const register11 = `0.02 /rd?aid=42&ep=gw-1&lt=86400&lwm2m=1.1&b=U </>;ct="112 110 11542 11543 60 0 42",</1/0>,</3/0>`

// LwM2M Core 1.1 section 6.2.1: the server URI's query stands in front of the
// registration's own parameters.
func TestRegisterCarriesWhatTheServerNeeds(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	contains(t, d.linkUp(), register11)
	d.want(Registering)
}

func TestRegisterInVersion10HasItsOwnSyntax(t *testing.T) {
	d := newDriver(t)
	d.begin(func(b *messages.BeginRegistration) { b.Versions = []string{"1.0"} })
	lines := d.linkUp()
	contains(t, lines, `0.02 /rd?aid=42&ep=gw-1&lt=86400&lwm2m=1.0 </>;rt="oma.lwm2m";ct="112 110 11542 11543 60 0 42",</1/0>,</3/0>`)
}

func TestCreatedIsReportedWithTheLocationOptionByOption(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.linkUp()
	d.answer(messages.Created, at("rd", "a/b", ""))
	got := d.told[len(d.told)-1].(messages.Registered)
	if !slices.Equal(got.Registration.Location, []string{"rd", "a/b", ""}) || got.ByUpdate {
		t.Fatalf("%+v", got)
	}
	contains(t, d.fire(timerUpdate), "0.02 /rd/a/b/")
	if !slices.Equal(d.request.Path, []string{"rd", "a/b", ""}) {
		t.Fatalf("the Update went to %q", d.request.Path)
	}
}

func TestUnusableLocationIsABadAnswer(t *testing.T) {
	long := make([]string, maxLocationSegments+1)
	for _, location := range [][]string{nil, {}, long, {string(make([]byte, maxLocationBytes+1))}} {
		d := newDriver(t)
		d.begin(nil)
		d.linkUp()
		d.answer(messages.Created, at(location...))
		if f := d.failure().Failure; f.Class != messages.ClassBadAnswer || f.Phase != messages.PhaseRegister {
			t.Errorf("%d segments: %+v", len(location), f)
		}
		d.want(Done)
	}
}

// docs/design.md, The reconnection policy: lt/2 when lt < 186 s, else lt - 93 s,
// never sooner than a second.
func TestUpdateIsSentInTime(t *testing.T) {
	tests := []struct{ lifetime, want time.Duration }{
		{time.Second, time.Second},
		{2 * time.Second, time.Second},
		{3 * time.Second, 1500 * time.Millisecond},
		{60 * time.Second, 30 * time.Second},
		{185 * time.Second, 92500 * time.Millisecond},
		{186 * time.Second, 93 * time.Second},
		{187 * time.Second, 94 * time.Second},
		{24 * time.Hour, 24*time.Hour - 93*time.Second},
	}
	for _, tt := range tests {
		if got, ok := UpdateAfter(tt.lifetime); got != tt.want || !ok {
			t.Errorf("UpdateAfter(%v) = %v, %v, want %v", tt.lifetime, got, ok, tt.want)
		}
	}
	if _, ok := UpdateAfter(0); ok {
		t.Error("an infinite lifetime needs no Update")
	}
}

func TestUpdateTellsOnlyWhatHasChanged(t *testing.T) {
	d := registered(t)
	contains(t, d.fire(timerUpdate), "0.02 /rd/5a3f")
	if d.request.ContentFormat != nil {
		t.Error("an Update without payload has no Content-Format")
	}
	d.answer(messages.Changed)
	d.want(Registered)

	objects := []messages.ObjectEntry{{ID: 1, Instances: []uint16{0, 1}}, {ID: 3, Instances: []uint16{0}}}
	change := messages.ObjectsChanged{Epoch: testEpoch, Objects: objects, Lifetime: 24 * time.Hour}
	contains(t, d.step(change), `0.02 /rd/5a3f </>;ct="112 110 11542 11543 60 0 42",</1/0>,</1/1>,</3/0>`)
	d.answer(messages.Changed)

	change.Lifetime = time.Hour
	contains(t, d.step(change), "0.02 /rd/5a3f?lt=3600")
	contains(t, d.answer(messages.Changed), "timer update 58m27s")
	if lines := d.step(change); len(lines) != 0 {
		t.Fatalf("nothing changed, but %v", lines)
	}
}

// Queue mode is part of the binding in 1.0, and an argument of its own in 1.1; a
// change of it is told by an Update.
func TestQueueModeIsTold(t *testing.T) {
	for _, tt := range []struct{ version, register, on, off string }{
		{"1.1", "&lwm2m=1.1&b=U&Q ", "?b=U&Q", "?b=U"},
		{"1.0", "&lwm2m=1.0&b=UQ ", "?b=UQ", "?b=U"},
	} {
		d := newDriver(t)
		d.begin(func(b *messages.BeginRegistration) { b.Account.Queue, b.Versions = true, []string{tt.version} })
		if lines := d.linkUp(); !strings.Contains(strings.Join(lines, "\n"), tt.register) {
			t.Fatalf("%s: %v", tt.version, lines)
		}
		d.answer(messages.Created, at("rd", "5a3f"))
		change := messages.ObjectsChanged{Epoch: testEpoch, Objects: d.machine.objects, Lifetime: 24 * time.Hour}
		contains(t, d.step(change), "0.02 /rd/5a3f"+tt.off)
		d.answer(messages.Changed)
		change.Queue = true
		contains(t, d.step(change), "0.02 /rd/5a3f"+tt.on)
		d.answer(messages.Changed)
		contains(t, d.fire(timerUpdate), "0.02 /rd/5a3f") // it is known now
	}
}

// After a restart the first Update says what the server does not know yet.
func TestQueueModeIsToldAfterARestart(t *testing.T) {
	d := newDriver(t)
	d.begin(func(b *messages.BeginRegistration) {
		b.Account.Queue, b.Mode = true, messages.ModeUpdate
		b.Previous = &messages.Registration{Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Objects: b.Objects, Accepted: d.now}
	})
	contains(t, d.linkUp(), "0.02 /rd/1?b=U&Q")
}

func TestChangeDuringARequestIsToldAfterIt(t *testing.T) {
	d := registered(t)
	d.fire(timerUpdate)
	if lines := d.step(messages.ObjectsChanged{Epoch: testEpoch, Objects: d.machine.objects, Lifetime: time.Minute}); len(lines) != 0 {
		t.Fatalf("%v", lines)
	}
	contains(t, d.answer(messages.Changed), "0.02 /rd/5a3f?lt=60")
}

// A server that writes its lifetime again and again gets an Update a second with
// what counts by then, also where it writes while one is under way.
func TestChangesThatAServerWritesAreSpaced(t *testing.T) {
	d := registered(t)
	d.now = d.now.Add(10 * time.Second)
	change := messages.ObjectsChanged{Epoch: testEpoch, Objects: d.machine.objects, Triggered: true}
	write := func(lifetime time.Duration) []string {
		change.Lifetime = lifetime
		return d.step(change)
	}
	contains(t, write(time.Hour), "0.02 /rd/5a3f?lt=3600")
	write(2 * time.Hour)
	contains(t, d.answer(messages.Changed), "timer update 1s")
	d.now = d.now.Add(300 * time.Millisecond)
	if lines := write(3 * time.Hour); len(lines) != 1 || lines[0] != "timer update 700ms" {
		t.Fatalf("%v", lines)
	}
	contains(t, d.fire(timerUpdate), "0.02 /rd/5a3f?lt=10800")
}

// 4.12 means that the server does not speak the version: fall back at once.
func TestPreconditionFailedFallsBackToTheLowerVersion(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.linkUp()
	contains(t, d.answer(messages.PreconditionFailed), `0.02 /rd?aid=42&ep=gw-1&lt=86400&lwm2m=1.0 </>;rt="oma.lwm2m";ct="112 110 11542 11543 60 0 42",</1/0>,</3/0>`)
	d.answer(messages.PreconditionFailed)
	if f := d.failure().Failure; f.Class != messages.ClassRejected || f.Answer != messages.PreconditionFailed {
		t.Fatalf("%+v", f)
	}
}

func TestRegisterRefusedIsReportedWithItsAnswer(t *testing.T) {
	codes := []messages.CoAPCode{
		messages.BadRequest, messages.Unauthorized, messages.Forbidden, messages.NotFound,
		messages.TooManyRequests, messages.InternalServerError, messages.ServiceUnavailable,
		messages.NewCoAPCode(4, 30), messages.NewCoAPCode(5, 31),
	}
	for _, code := range codes {
		d := newDriver(t)
		d.begin(nil)
		d.linkUp()
		d.answer(code, func(r *messages.Response) { r.MaxAge, r.Payload = new(uint32(90)), []byte("no\x1b[31m room") })
		f := d.failure()
		if f.Failure.Class != messages.ClassRejected || f.Failure.Answer != code || f.LinkUsable ||
			f.Failure.MaxAge == nil || *f.Failure.MaxAge != 90*time.Second || f.Failure.Detail != "no[31m room" {
			t.Errorf("%s: %+v", code, f)
		}
	}
}

func TestRegisterAnsweredOutOfPlaceIsABadAnswer(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.Changed, messages.Content, messages.Deleted, messages.NewCoAPCode(3, 0)} {
		d := newDriver(t)
		d.begin(nil)
		d.linkUp()
		d.answer(code)
		if f := d.failure().Failure; f.Class != messages.ClassBadAnswer {
			t.Errorf("%s: %+v", code, f)
		}
	}
}

// RFC 9175 section 2.3: the same request once more, with the Echo value.
func TestEchoChallengeIsAnsweredOnce(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.linkUp()
	first := d.request
	challenge := func(r *messages.Response) { r.Echo = []byte{1, 2, 3} }
	contains(t, d.answer(messages.Unauthorized, challenge), register11)
	if d.request.ID == first.ID || string(d.request.Echo) != "\x01\x02\x03" {
		t.Fatalf("%+v", d.request)
	}
	d.answer(messages.Unauthorized, challenge)
	if f := d.failure().Failure; f.Answer != messages.Unauthorized {
		t.Fatalf("%+v", f)
	}
}

// docs/design.md, The reconnection policy: when the resends of a Register are
// exhausted, a new exchange begins while budget is left; then ConnectTimeout,
// once.
func TestRegisterGoesOnUntilTheBudgetIsSpent(t *testing.T) {
	d := newDriver(t)
	start := d.now
	d.begin(nil)
	d.linkUp()
	for range 2 {
		first := d.request.ID
		d.now = d.now.Add(80 * time.Second)
		contains(t, d.fail(messages.Exhausted), register11)
		if d.request.ID == first {
			t.Fatal("a new exchange needs a new ID")
		}
	}
	d.fire(timerAttempt)
	if f := d.failure().Failure; f.Class != messages.ClassTimeout || f.Phase != messages.PhaseRegister {
		t.Fatalf("%+v", f)
	}
	if spent := d.now.Sub(start); spent != testBudget {
		t.Fatalf("the attempt took %v", spent)
	}
	if lines := d.answer(messages.Created, at("rd", "1")); len(lines) != 0 {
		t.Fatalf("a late answer had effects: %v", lines)
	}
	if len(d.told) != 1 {
		t.Fatalf("one failed attempt made %d reports", len(d.told))
	}
}

// Network reports the finer cause at the deadline itself; only if it stays
// silent does the attempt end here.
func TestBudgetWhileConnectingLeavesNetworkTheFirstWord(t *testing.T) {
	d := newDriver(t)
	start := d.now
	d.begin(nil)
	d.fire(timerAttempt)
	if spent := d.now.Sub(start); spent != testBudget+outcome.ConnectGrace {
		t.Fatalf("gave up after %v", spent)
	}
	if f := d.failure().Failure; f.Class != messages.ClassTimeout {
		t.Fatalf("%+v", f)
	}
}

// What the link waits for its turn to shake hands is no time of the attempt.
func TestWaitForAHandshakeDoesNotCount(t *testing.T) {
	d := newDriver(t)
	start := d.now
	d.begin(nil)
	d.step(messages.Postponed{Epoch: testEpoch + 1, By: time.Hour})
	d.step(messages.Postponed{Epoch: testEpoch, By: time.Hour, Waits: true})
	d.step(messages.Postponed{Epoch: testEpoch, By: -59 * time.Minute})
	d.fire(timerAttempt)
	if spent := d.now.Sub(start); spent != testBudget+time.Minute+outcome.ConnectGrace {
		t.Fatalf("gave up after %v", spent)
	}
}

func TestLinkSharesTheBudgetWithOtherAddresses(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.step(messages.LinkUp{Epoch: testEpoch, Deadline: d.now.Add(time.Minute)})
	if got := d.timers[timerAttempt].Sub(d.now); got != time.Minute {
		t.Fatalf("the address has %v", got)
	}
}

// The phases in which a lost link is reported.
func TestLostLinkIsReportedOnceWithThePhase(t *testing.T) {
	previous := &messages.Registration{Location: []string{"rd", "1"}, Lifetime: time.Hour, Accepted: time.Date(2025, 12, 31, 23, 59, 0, 0, time.UTC)}
	tests := []struct {
		name  string
		setUp func(*testing.T) *driver
		phase messages.Phase
	}{
		{"connecting", func(t *testing.T) *driver { d := newDriver(t); d.begin(nil); return d }, messages.PhaseRegister},
		{"reconnecting", func(t *testing.T) *driver {
			d := newDriver(t)
			d.begin(func(b *messages.BeginRegistration) { b.Mode, b.Previous = messages.ModeUpdate, previous })
			return d
		}, messages.PhaseUpdate},
		{"registering", func(t *testing.T) *driver { d := newDriver(t); d.begin(nil); d.linkUp(); return d }, messages.PhaseRegister},
		{"registered", registered, messages.PhaseRegistered},
		{"updating", func(t *testing.T) *driver { d := registered(t); d.fire(timerUpdate); return d }, messages.PhaseUpdate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.setUp(t)
			lost := messages.LinkLost{Failure: messages.Failure{Class: messages.ClassRefused, Epoch: testEpoch}}
			d.step(lost)
			f := d.failure()
			if f.Failure.Class != messages.ClassRefused || f.Failure.Phase != tt.phase || f.LinkUsable || f.Failure.Peer != messages.ManagementPeer(1) {
				t.Fatalf("%+v", f)
			}
			d.want(Done)
			if len(d.timers) != 0 {
				t.Fatalf("timers left: %v", d.timers)
			}
			if lines := d.step(lost); len(lines) != 0 {
				t.Fatalf("reported twice: %v", lines)
			}
		})
	}
}

// docs/design.md, Updates that are answered: 4.xx other than 4.29, or RST:
// Register at once on the same link, at most once per Update cycle.
func TestRefusedUpdateRegistersAtOnceOnceACycle(t *testing.T) {
	refusals := map[string]func(*driver) []string{
		"4.00": func(d *driver) []string { return d.answer(messages.BadRequest) },
		"4.03": func(d *driver) []string { return d.answer(messages.Forbidden) },
		"4.04": func(d *driver) []string { return d.answer(messages.NotFound) },
		"4.05": func(d *driver) []string { return d.answer(messages.MethodNotAllowed) },
		"RST":  func(d *driver) []string { return d.fail(messages.Reset) },
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			d := registered(t)
			d.fire(timerUpdate)
			lines := refuse(d)
			contains(t, lines, register11)
			contains(t, lines, "tell supervisor messages.Reregistering")
			d.answer(messages.Created, at("rd", "new"))
			d.want(Registered)

			// The same cycle once more: the policy decides.
			d.step(messages.SendUpdate{Epoch: testEpoch})
			lines = refuse(d)
			lacks(t, lines, "0.02")
			if f := d.failure(); !f.LinkUsable || f.Failure.Phase != messages.PhaseUpdate {
				t.Fatalf("%+v", f)
			}
			d.want(Deferred)
			contains(t, d.step(messages.SendRegister{Epoch: testEpoch}), register11)
			d.answer(messages.Created, at("rd", "newer"))

			// The next cycle may do it again.
			d.fire(timerUpdate)
			contains(t, refuse(d), register11)
		})
	}
}

// 4.29, 5.03 and other 5.xx: link and Location are kept.
func TestUpdateIsPutOffByAServerInTrouble(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.TooManyRequests, messages.ServiceUnavailable, messages.InternalServerError, messages.GatewayTimeout} {
		d := registered(t)
		d.fire(timerUpdate)
		d.answer(code, func(r *messages.Response) { r.MaxAge = new(uint32(120)) })
		f := d.failure()
		if !f.LinkUsable || f.Failure.Answer != code || *f.Failure.MaxAge != 2*time.Minute {
			t.Fatalf("%s: %+v", code, f)
		}
		contains(t, d.step(messages.SendUpdate{Epoch: testEpoch}), "0.02 /rd/5a3f")
		d.answer(messages.Changed)
		d.want(Registered)
	}
}

func TestPutOffBeyondTheLifetimeRegisters(t *testing.T) {
	d := registered(t)
	d.fire(timerUpdate)
	d.answer(messages.ServiceUnavailable)
	d.now = d.now.Add(24 * time.Hour)
	contains(t, d.step(messages.SendUpdate{Epoch: testEpoch}), register11)
}

// Silence on a link that worked goes to the supervisor, which runs the ladder.
func TestSilenceOfAnUpdateIsReportedAsSilence(t *testing.T) {
	d := registered(t)
	d.fire(timerUpdate)
	d.fail(messages.Exhausted)
	if f := d.failure(); f.Failure.Class != messages.ClassSilence || f.Failure.Phase != messages.PhaseUpdate || f.LinkUsable {
		t.Fatalf("%+v", f)
	}
}

// A notification that nobody acknowledges is the same sign as an Update that nobody
// answers: also while an Update is under way, or put off. Before a registration,
// and once it is being left, it is none; nor is that of another link.
func TestSilenceOfANotificationIsReportedAsSilence(t *testing.T) {
	for name, test := range map[string]struct {
		reach func(*driver)
		phase messages.Phase
	}{
		"registered": {func(*driver) {}, messages.PhaseRegistered},
		"updating":   {func(d *driver) { d.fire(timerUpdate) }, messages.PhaseUpdate},
		"deferred":   {func(d *driver) { d.fire(timerUpdate); d.answer(messages.ServiceUnavailable) }, messages.PhaseUpdate},
	} {
		t.Run(name, func(t *testing.T) {
			d := registered(t)
			test.reach(d)
			if lines := d.step(messages.Silence{Epoch: testEpoch - 1}); len(lines) != 0 {
				t.Fatalf("the silence of another link did %v", lines)
			}
			d.step(messages.Silence{Epoch: testEpoch})
			if f := d.failure(); f.Failure.Class != messages.ClassSilence || f.Failure.Phase != test.phase || f.LinkUsable {
				t.Fatalf("%+v", f)
			}
		})
	}
	for name, reach := range map[string]func(*driver){
		"connecting": func(*driver) {}, "registering": func(d *driver) { d.linkUp() },
		"leaving": func(d *driver) {
			d.linkUp()
			d.answer(messages.Created, at("rd", "1"))
			d.step(messages.Deregister{Epoch: testEpoch})
		},
	} {
		d := newDriver(t)
		d.begin(nil)
		reach(d)
		if lines := d.step(messages.Silence{Epoch: testEpoch}); len(lines) != 0 {
			t.Errorf("%s: %v", name, lines)
		}
	}
}

func reconnecting(t *testing.T, lifetime time.Duration) *driver {
	t.Helper()
	d := newDriver(t)
	d.begin(func(b *messages.BeginRegistration) {
		b.Mode = messages.ModeUpdate
		b.Account.Lifetime = lifetime
		b.Previous = &messages.Registration{
			Location: []string{"rd", "old"}, Version: "1.1", Lifetime: lifetime, Objects: b.Objects, Accepted: d.now,
		}
	})
	return d
}

// After a reconnect: one Update; its acceptance ends the outage.
func TestReconnectUpdatesWhereALocationIsKnown(t *testing.T) {
	d := reconnecting(t, time.Hour)
	contains(t, d.linkUp(), "0.02 /rd/old")
	d.want(Reconnecting)
	d.answer(messages.Changed)
	got := d.told[len(d.told)-1].(messages.Registered)
	if !got.ByUpdate || !slices.Equal(got.Registration.Location, []string{"rd", "old"}) {
		t.Fatalf("%+v", got)
	}
	d.fire(timerUpdate)
	d.answer(messages.Changed)
	if _, ok := d.told[len(d.told)-1].(messages.Updated); !ok {
		t.Fatalf("a later Update is no reconnect: %T", d.told[len(d.told)-1])
	}
}

// Register only when the Update is answered by a 4.xx or RST: silence is not an
// answer.
func TestSilenceWithinTheLadderEndsIt(t *testing.T) {
	d := reconnecting(t, time.Hour)
	d.linkUp()
	lines := d.fail(messages.Exhausted)
	lacks(t, lines, "0.02")
	if f := d.failure(); f.Failure.Class != messages.ClassTimeout || f.Failure.Phase != messages.PhaseUpdate {
		t.Fatalf("%+v", f)
	}
}

func TestRefusedReconnectRegistersWithinTheSameBudget(t *testing.T) {
	d := reconnecting(t, time.Hour)
	d.linkUp()
	deadline := d.timers[timerAttempt]
	d.now = d.now.Add(20 * time.Second)
	d.answer(messages.NotFound)
	d.want(Registering)
	if !d.timers[timerAttempt].Equal(deadline) {
		t.Fatal("the attempt got a new budget")
	}
}

func TestReconnectAfterTheLifetimeRegisters(t *testing.T) {
	d := reconnecting(t, time.Minute)
	d.now = d.now.Add(time.Minute)
	d.linkUp()
	d.want(Registering)
}

func TestDeregisterOutcomes(t *testing.T) {
	tests := []struct {
		name   string
		finish func(*driver) []string
		ok     bool
	}{
		{"2.02", func(d *driver) []string { return d.answer(messages.Deleted) }, true},
		{"4.04: it had forgotten us", func(d *driver) []string { return d.answer(messages.NotFound) }, true},
		{"4.00", func(d *driver) []string { return d.answer(messages.BadRequest) }, false},
		{"5.00", func(d *driver) []string { return d.answer(messages.InternalServerError) }, false},
		{"silence", func(d *driver) []string { return d.fail(messages.Exhausted) }, false},
		{"link lost", func(d *driver) []string {
			return d.step(messages.LinkLost{Failure: messages.Failure{Class: messages.ClassRefused, Epoch: testEpoch}})
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := registered(t)
			contains(t, d.step(messages.Deregister{Epoch: testEpoch}), "0.04 /rd/5a3f")
			tt.finish(d)
			got, ok := d.told[len(d.told)-1].(messages.Deregistered)
			if !ok || (got.Failure == nil) != tt.ok {
				t.Fatalf("%+v", d.told[len(d.told)-1])
			}
			if got.Failure != nil && got.Failure.Phase != messages.PhaseClose {
				t.Fatalf("phase %s", got.Failure.Phase)
			}
			d.want(Done)
		})
	}
}

// An answer from an older epoch, or to an older request, is dropped.
func TestLateMessagesAreDropped(t *testing.T) {
	d := registered(t)
	d.fire(timerUpdate)
	stale := []any{
		messages.Response{Epoch: testEpoch - 1, ID: d.request.ID, Code: messages.NotFound},
		messages.Response{Epoch: testEpoch, ID: d.request.ID - 1, Code: messages.NotFound},
		messages.RequestFailed{Epoch: testEpoch - 1, ID: d.request.ID, Reason: messages.Exhausted},
		messages.LinkLost{Failure: messages.Failure{Epoch: testEpoch - 1}},
		messages.LinkUp{Epoch: testEpoch - 1},
		messages.SendUpdate{Epoch: testEpoch - 1},
		messages.Deregister{Epoch: testEpoch - 1},
		core.Expired{Timer: core.Timer{Name: "unknown"}},
		"nonsense",
	}
	for _, in := range stale {
		if lines := d.step(in); len(lines) != 0 {
			t.Errorf("%T had effects: %v", in, lines)
		}
	}
	d.want(Updating)
}

// A server that asks for Updates at the speed of the network gets one a second,
// and the one that it asked for. A person's Update does not wait.
func TestTriggeredUpdatesKeepADistance(t *testing.T) {
	d := registered(t)
	trigger := messages.SendUpdate{Epoch: testEpoch, Triggered: true}
	for range 3 {
		d.now = d.now.Add(400 * time.Millisecond)
		for range 5 {
			lacks(t, d.step(trigger), "0.02")
		}
		accepted := d.now.Add(-400 * time.Millisecond)
		contains(t, d.fire(timerUpdate), "0.02 /rd/5a3f")
		if got := d.now.Sub(accepted); got != time.Second {
			t.Fatalf("the Update came after %v", got)
		}
		lacks(t, d.step(trigger), "0.02") // one is under way
		d.answer(messages.Changed)
		d.want(Registered)
	}
	contains(t, d.step(messages.SendUpdate{Epoch: testEpoch}), "0.02 /rd/5a3f")
	d.answer(messages.Changed)
	d.now = d.now.Add(time.Second)
	contains(t, d.step(trigger), "0.02 /rd/5a3f")
}

// An Update that the server asked for begins no new cycle: 2.01, trigger, 4.04
// and so on is no loop either.
func TestTriggeredUpdateBelongsToTheCycle(t *testing.T) {
	d := registered(t)
	d.fire(timerUpdate)
	contains(t, d.answer(messages.NotFound), register11)
	d.answer(messages.Created, at("rd", "new"))
	d.step(messages.SendUpdate{Epoch: testEpoch, Triggered: true})
	d.fire(timerUpdate)
	lacks(t, d.answer(messages.NotFound), "0.02")
	d.want(Deferred)
}

// A request that cannot be encoded exceeds a limit of ours; it is no fault of
// an answer.
func TestUnsendableRequestExceedsALimit(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.linkUp()
	d.fail(messages.Unsendable)
	if f := d.failure().Failure; f.Class != messages.ClassBudget || f.Detail != messages.Unsendable.String() {
		t.Errorf("%+v", f)
	}
}

// Whatever Location is kept, Update and De-register can carry it.
func TestKeptLocationsCanBeSent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		location := rapid.SliceOfN(rapid.StringN(0, 255, 255), 0, 20).Draw(rt, "location")
		if !usableLocation(location) {
			return
		}
		lifetime := time.Duration(math.MaxInt64)
		for _, r := range []messages.Request{requests.Update(location, &lifetime, requests.Binding("1.1", true), []byte("</1>")), requests.Deregister(location)} {
			msg := requests.Message(r)
			msg.Token = make([]byte, coap.MaxTokenLength)
			if _, err := coap.Encode(msg); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// What was asked is kept until it is answered: most of the time a client waits for
// its next Update.
func TestAnAnsweredRequestIsNotKept(t *testing.T) {
	d := newDriver(t)
	d.begin(nil)
	d.linkUp()
	if d.machine.last == nil {
		t.Fatal("a request under way is not kept, and may have to be repeated")
	}
	d.answer(messages.Created, at("rd", "5"))
	if d.machine.last != nil {
		t.Errorf("kept: %+v", d.machine.last)
	}
	d.answer(messages.Unauthorized, func(r *messages.Response) { r.Echo = []byte("late") }) // a second answer asks nobody
	d.want(Registered)
}

// A Register that is asked for ends the registration that there is, as soon as nothing
// is under way.
func TestRegisterAnewOnRequest(t *testing.T) {
	anew := messages.SendRegister{Epoch: testEpoch}
	d := registered(t)
	lines := d.step(anew)
	contains(t, lines, "tell supervisor messages.Reregistering")
	contains(t, lines, register11)
	contains(t, lines, "stop update")
	d.answer(messages.Created, at("rd", "new"))
	d.want(Registered)

	d.fire(timerUpdate)
	lacks(t, d.step(anew), register11)
	contains(t, d.answer(messages.Changed), register11)
	d.answer(messages.Created, at("rd", "newer"))
	d.want(Registered)

	d.fire(timerUpdate)
	d.step(anew)
	contains(t, d.answer(messages.NotFound), register11) // the server had the same thought
	lacks(t, d.answer(messages.Created, at("rd", "newest")), register11)
	d.want(Registered)
}
