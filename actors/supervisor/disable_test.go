package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// disable has a server execute /1/x/4.
func (d *driver) disable(id messages.Peer) {
	d.t.Helper()
	d.step(messages.DisableTriggered{Epoch: d.epoch(id)})
}

// disabled starts a client whose server has written a Disable Timeout and executed
// Disable, and which has left.
func disabled(t *testing.T, seconds int64, configured ...messages.Account) *driver {
	t.Helper()
	d := running(t, configured...)
	for _, a := range configured {
		if a.Peer.Kind == messages.PeerManagement {
			d.register(a.Peer)
		}
	}
	d.expectWritten(d.put(server(1), "/1/0/5", lwm2m.Integer(seconds)), messages.Changed)
	d.disable(server(1))
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	return d
}

// expectAway checks that a server is stayed away from until an instant.
func (d *driver) expectAway(id messages.Peer, until time.Time) {
	d.t.Helper()
	if !d.idle(id) {
		d.t.Fatalf("there is a link to %s", id)
	}
	s := d.status(id)
	if s.State != messages.StateWaiting || !s.DisabledUntil.Equal(until) || !s.NextAttempt.Equal(until) || !d.timers[waitTimer(id)].Equal(until) {
		d.t.Fatalf("%s until %v, next attempt at %v, timer at %v; want %v", s.State, s.DisabledUntil, s.NextAttempt, d.timers[waitTimer(id)], until)
	}
}

// The order of things: the pause is durable, then the server sees us leave, then the
// link goes; and it is a Register that comes when the pause is over.
func TestDisable(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.expectWritten(d.put(server(1), "/1/0/5", lwm2m.Integer(hour)), messages.Changed)
	until := d.now.Add(time.Hour)
	d.hung = true
	d.disable(server(1))
	if e := d.newest(messages.EventDisabled); e.Server != "coaps://dm1.example" || e.Action != messages.ActionRegister || *e.RetryInMS != hour*1000 {
		t.Errorf("%+v", e)
	}
	if _, ok := d.orders[len(d.orders)-1].Message.(messages.Deregister); ok {
		t.Fatal("it leaves before the pause is durable")
	}
	d.hung = false
	d.answerSaves()
	if _, ok := d.orders[len(d.orders)-1].Message.(messages.Deregister); !ok {
		t.Fatal("it does not leave")
	}
	if s := d.status(server(1)); s.State != messages.StateWaiting || s.Location != "" {
		t.Errorf("%+v", s)
	}
	d.now = d.now.Add(time.Second)
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	d.newest(messages.EventUnregistered)
	d.expectAway(server(1), until)
	if d.machine.state != messages.StateWaiting {
		t.Errorf("the client is %s", d.machine.state)
	}
	d.wait(server(1))
	if b := d.begins(server(1)); b.Mode != messages.ModeRegister || !d.now.Equal(until) {
		t.Errorf("at %v: %+v", d.now, b)
	}
	if s := d.status(server(1)); !s.DisabledUntil.IsZero() {
		t.Errorf("disabled until %v while it registers", s.DisabledUntil)
	}
	d.register(server(1))
	if e := d.newest(messages.EventRegistered); *e.OfflineMS != hour*1000 {
		t.Errorf("%+v", e)
	}
}

// What becomes of an Update that was under way neither ends the pause nor forgets when it is
// over, and does not keep the client from leaving.
func TestDisableDuringAnUpdate(t *testing.T) {
	r := messages.Registration{Location: []string{"rd", "2"}, Version: "1.1", Lifetime: 24 * time.Hour}
	for name, words := range map[string][]func(messages.Epoch) any{
		"accepted": {func(e messages.Epoch) any { return messages.Updated{Epoch: e, Registration: r} }},
		"refused":  {func(e messages.Epoch) any { return messages.Reregistering{Epoch: e} }},
		"refused, and a Register accepted": {
			func(e messages.Epoch) any { return messages.Reregistering{Epoch: e} },
			func(e messages.Epoch) any { return messages.Registered{Epoch: e, Registration: r} },
		},
	} {
		for _, late := range []bool{false, true} { // for the de-registration
			d := running(t, serverAccount(t, server(1), 0))
			d.register(server(1))
			d.expectWritten(d.put(server(1), "/1/0/5", lwm2m.Integer(hour)), messages.Changed)
			until := d.now.Add(time.Hour)
			d.hung = !late
			d.disable(server(1))
			for _, word := range words {
				d.step(word(d.epoch(server(1))))
			}
			d.hung = false
			d.answerSaves()
			if _, ok := d.orders[len(d.orders)-1].Message.(messages.Deregister); !ok {
				t.Fatalf("%s: it does not leave", name)
			}
			d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
			d.expectAway(server(1), until)
			d.wait(server(1))
			if b := d.begins(server(1)); b.Mode != messages.ModeRegister || !d.now.Equal(until) {
				t.Errorf("%s: at %v: %+v", name, d.now, b)
			}
		}
	}
}

// What /1/x/5 says, as far as it is no busy loop and no farewell.
func TestDisableTimeouts(t *testing.T) {
	for _, tt := range []struct{ seconds, want int64 }{
		{0, 1}, {1, 1}, {2, 2}, {86400, 86400}, {7 * 86400, 7 * 86400}, {7*86400 + 1, 7 * 86400}, {1<<32 - 1, 7 * 86400}, {1<<63 - 1, 7 * 86400},
	} {
		d := disabled(t, tt.seconds, serverAccount(t, server(1), 0))
		d.expectAway(server(1), d.now.Add(time.Duration(tt.want)*time.Second))
	}
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.disable(server(1))
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	d.expectAway(server(1), d.now.Add(24*time.Hour))
}

// Nobody else makes the pause shorter, and no other call finds the server.
func TestNothingShortensAPause(t *testing.T) {
	d := disabled(t, hour, serverAccount(t, server(1), 0))
	until := d.now.Add(time.Hour)
	d.now = d.now.Add(time.Minute)
	for _, hint := range []any{messages.NetworkUp{}, messages.ClockStepped{}} {
		d.step(hint)
		d.expectAway(server(1), until)
	}
	if code := d.call(messages.CallReconnect); code != 0 {
		t.Errorf("reconnect: %d", code)
	}
	d.expectAway(server(1), until)
	if code := d.call(messages.CallUpdate); code != messages.ConnectNotAllowed {
		t.Errorf("update: %d", code)
	}
	d.call(messages.CallPause)
	d.now = d.now.Add(time.Minute)
	d.call(messages.CallResume)
	d.expectAway(server(1), until)
	d.now = d.now.Add(time.Minute)
	d.step(messages.Woke{Slept: 10 * time.Minute}) // it counts as waiting
	d.expectAway(server(1), until.Add(-10*time.Minute))
}

// A pause that ended while the client was paused is over.
func TestAPauseThatEndsMeanwhile(t *testing.T) {
	d := disabled(t, hour, serverAccount(t, server(1), 0))
	d.call(messages.CallPause)
	d.now = d.now.Add(2 * time.Hour)
	d.call(messages.CallResume)
	if d.idle(server(1)) || !d.status(server(1)).DisabledUntil.IsZero() {
		t.Fatalf("%+v", d.status(server(1)))
	}
}

// A second Execute, which comes before the link is gone, changes nothing.
func TestDisableTwice(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.disable(server(1))
	before := len(d.orders)
	d.now = d.now.Add(time.Second)
	d.disable(server(1))
	if len(d.orders) != before || !d.status(server(1)).DisabledUntil.Equal(d.now.Add(24*time.Hour-time.Second)) {
		t.Fatal("the second one counted")
	}
}

// A server that disables us at each registration cannot wear out the disk: after some
// pauses of a second they are longer.
func TestDisableInALoop(t *testing.T) {
	d := disabled(t, 0, serverAccount(t, server(1), 0))
	pauses := map[time.Duration]int{}
	for range 200 {
		pauses[d.wait(server(1))]++
		d.register(server(1))
		d.disable(server(1))
		d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	}
	if n := pauses[time.Second]; n > changeBurst+changeBurst/9 || n+pauses[changeEvery] != 200 {
		t.Errorf("%v", pauses)
	}
}

// A server that is gone when we leave costs an event and the Location, no more.
func TestDisableWithoutAnAnswer(t *testing.T) {
	silence := messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseClose}
	for name, end := range map[string]func(*driver){
		"unanswered": func(d *driver) {
			d.step(messages.Deregistered{Epoch: d.epoch(server(1)), Failure: &silence})
		},
		"link lost": func(d *driver) {
			d.step(messages.Failed{Failure: messages.Failure{Class: messages.ClassRefused, Epoch: d.epoch(server(1))}})
		},
		"crash": func(d *driver) {
			d.step(Crashed{Role: core.Link, Peer: server(1), Epoch: d.epoch(server(1)), Reason: errors.New("boom")})
		},
		"no report": func(d *driver) { d.fire(guardTimer(server(1))) },
	} {
		t.Run(name, func(t *testing.T) {
			d := running(t, serverAccount(t, server(1), 0))
			d.register(server(1))
			d.disable(server(1))
			until := d.now.Add(24 * time.Hour)
			end(d)
			d.expectAway(server(1), until)
			errs := d.errors()
			if len(errs) != 1 || errs[0].Code != messages.ConnectorUnregistrationFailed || errs[0].Action != messages.ActionNone {
				t.Fatalf("%+v", errs)
			}
		})
	}
}

// A de-registration that takes longer than the pause ends with it.
func TestDisableShorterThanTheDeregistration(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.put(server(1), "/1/0/5", lwm2m.Integer(5))
	d.disable(server(1))
	before := d.epoch(server(1))
	if got := d.wait(server(1)); got != 5*time.Second || d.epoch(server(1)) == before {
		t.Fatalf("after %v epoch %d", got, d.epoch(server(1)))
	}
}

// One that was just being registered is left without more ado.
func TestDisableDuringARegister(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.step(messages.Reregistering{Epoch: d.epoch(server(1))})
	d.disable(server(1))
	d.expectAway(server(1), d.now.Add(24*time.Hour))
}

// One server's pause is nothing to the others, nor to the state of the client.
func TestOthersStayRegistered(t *testing.T) {
	d := disabled(t, hour, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	d.expectAway(server(1), d.now.Add(time.Hour))
	if d.idle(server(2)) || d.machine.state != messages.StateRegistered {
		t.Fatalf("the client is %s", d.machine.state)
	}
	if code := d.call(messages.CallUpdate); code != 0 {
		t.Errorf("update of the other: %d", code)
	}
	d.wait(server(1))
	if d.connected(server(1)); d.machine.state != messages.StateRegistering {
		t.Errorf("the client is %s", d.machine.state)
	}
}

// A bootstrap that somebody waits for is cancelled when all who want us are there.
func TestADisabledServerNeedsNoBootstrap(t *testing.T) {
	d := disabled(t, hour, bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(2), 2))
	d.step(messages.BootstrapTriggered{Epoch: d.epoch(server(2))})
	d.fail(messages.BootstrapPeer(), refused)
	d.wait(messages.BootstrapPeer())
	d.fail(messages.BootstrapPeer(), refused) // the next one is later than that of the server
	d.fail(server(2), refused)
	d.fire(waitTimer(server(2)))
	d.register(server(2))
	if s := d.status(messages.BootstrapPeer()); s.State != messages.StateStarting {
		t.Errorf("the bootstrap account is %s", s.State)
	}
	d.expectAway(server(1), d.status(server(1)).DisabledUntil)
}

// The bootstrap server has the say: what it delivers begins at once, also after a
// restart.
func TestABootstrapEndsAPause(t *testing.T) {
	d := disabled(t, hour, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.call(messages.CallBootstrap)
	d.bootstrap()
	if d.idle(server(1)) || !d.status(server(1)).DisabledUntil.IsZero() {
		t.Fatal("it stays away")
	}
	if _, there := d.records[stateRecord]; there {
		t.Error("the record would bring the pause back")
	}
}

func TestAFactoryResetEndsAPause(t *testing.T) {
	d := disabled(t, hour, serverAccount(t, server(1), 0))
	d.call0(messages.CallFactoryReset)
	d.step(messages.CredentialsForgotten{Token: d.resets[0].Token})
	clear(d.records)
	d.loaded(nil, nil)
	if d.idle(server(1)) {
		t.Fatal("it stays away")
	}
}

// call0 makes a call that is answered later.
func (d *driver) call0(c messages.Call) {
	d.t.Helper()
	d.step(messages.CallRequest{Call: c})
}

// A process that begins within the pause waits for the rest of it, says so, and
// leaves nothing behind when it is over.
func TestRestartWithinAPause(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := disabled(t, hour, account)
	until := d.now.Add(time.Hour)
	next := d.reboot(10*time.Minute, account)
	next.expectAway(server(1), until)
	if e := next.newest(messages.EventDisabled); *e.RetryInMS != 50*60*1000 {
		t.Errorf("%+v", e)
	}
	next = next.reboot(20*time.Minute, account) // and once more
	next.expectAway(server(1), until)
	next.wait(server(1))
	if b := next.begins(server(1)); b.Mode != messages.ModeRegister {
		t.Errorf("%+v", b)
	}
	if _, there := next.records[stateRecord]; there {
		t.Error("the record of the pause is still there")
	}
	if next = next.reboot(time.Minute, account); next.idle(server(1)) {
		t.Error("a pause that was over came back")
	}
}

func TestRestartAfterAPause(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	if next := disabled(t, hour, account).reboot(time.Hour, account); next.idle(server(1)) {
		t.Error("it stays away")
	}
}

// A pause belongs to the server that asked for it.
func TestAnotherServerOfTheNumberIsNotDisabled(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := disabled(t, hour, account)
	account.URI = mustURI(t, "coaps://dm9.example")
	if next := d.reboot(time.Minute, account); next.idle(server(1)) {
		t.Error("it stays away from the other one")
	}
}

// A stop keeps the pause, also one that comes while we are leaving.
func TestStopKeepsAPause(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := disabled(t, hour, account)
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	if d.stopped == nil || d.stopped.Code != messages.ConnectNotRegistered {
		t.Fatalf("%+v", d.stopped)
	}
	d.reboot(time.Minute, account).expectAway(server(1), d.now.Add(time.Hour))

	d = running(t, account)
	d.register(server(1))
	d.hung = true
	d.disable(server(1))
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	lastOrder[messages.Deregister](d)
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	d.hung = false
	d.answerSaves()
	if d.stopped == nil || d.stopped.Code != 0 {
		t.Fatalf("%+v", d.stopped)
	}
	d.reboot(time.Minute, account).expectAway(server(1), d.now.Add(24*time.Hour))
}

// A disk that refuses it keeps the pause in memory.
func TestDisableWithoutADisk(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.disk = errors.New("no space")
	d.disable(server(1))
	lastOrder[messages.Deregister](d)
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	d.expectAway(server(1), d.now.Add(24*time.Hour))
	if errs := d.errors(); len(errs) != 1 || errs[0].Code != messages.ConnectorFailedToStoreCredentials {
		t.Errorf("%+v", errs)
	}
}

// A supervisor that crashes keeps the pause, whatever had been done of it.
func TestCrashWithinAPause(t *testing.T) {
	d := disabled(t, hour, serverAccount(t, server(1), 0))
	until := d.now.Add(time.Hour)
	d.now = d.now.Add(time.Minute)
	d.crash()
	d.expectAway(server(1), until)

	d = running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.disable(server(1))
	d.crash()
	d.expectAway(server(1), d.now.Add(24*time.Hour))
	d.wait(server(1))
	if b := d.begins(server(1)); b.Mode != messages.ModeRegister {
		t.Errorf("%+v", b)
	}
}

// Without a clock that can be trusted the whole pause is waited for, and no longer;
// when the clock is set, what is left of it.
func TestPauseByAClockThatIsWrong(t *testing.T) {
	set := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	record := func(accepted, until time.Time) *accounts.State {
		return &accounts.State{Accepted: accepted, Disabled: accounts.Disabled{Until: until, For: time.Hour}}
	}
	for name, tt := range map[string]struct {
		state *accounts.State
		now   time.Time
		rest  time.Duration
		sure  bool
	}{
		"right":                    {record(set, set.Add(time.Hour)), set.Add(10 * time.Minute), 50 * time.Minute, true},
		"over":                     {record(set, set.Add(time.Hour)), set.Add(2 * time.Hour), 0, true},
		"not set at the start":     {record(set, set.Add(time.Hour)), time.Unix(60, 0), time.Hour, false},
		"was not set":              {record(time.Unix(60, 0), time.Unix(3660, 0)), set, time.Hour, false},
		"was in the future":        {record(set.AddDate(1, 0, 0), set.AddDate(1, 0, 0).Add(time.Hour)), set, time.Hour, false},
		"is far in the future":     {record(set, set.Add(time.Hour)), set.AddDate(20, 0, 0), time.Hour, false},
		"was set back by a little": {record(set, set.Add(time.Hour)), set.Add(-time.Second), time.Hour, false},
	} {
		if rest, sure := restOf(tt.now, tt.state); rest != tt.rest || sure != tt.sure {
			t.Errorf("%s: %v, %v; want %v, %v", name, rest, sure, tt.rest, tt.sure)
		}
	}
}

func TestAClockThatIsSetShortensAGuessedPause(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := disabled(t, hour, account)
	next := newDriver(t, account)
	next.records, next.now = d.records, time.Unix(60, 0)
	next.step(messages.Start{})
	next.loaded(nil, nil)
	next.expectAway(server(1), next.now.Add(time.Hour))
	// The clock is set, half an hour after the Execute; 59 minutes of the guess are left.
	next.now = d.now.Add(30 * time.Minute)
	a := next.machine.accounts.of(server(1))
	a.disabled.until = next.now.Add(59 * time.Minute)
	a.pending.floor, a.pending.due, a.pending.wanted = a.disabled.until, a.disabled.until, a.disabled.until
	next.step(messages.ClockStepped{})
	next.expectAway(server(1), d.now.Add(time.Hour))
}

// The record gets the time that is right, so that a restart finds the rest.
func TestAClockThatIsSetCorrectsTheRecord(t *testing.T) {
	d := disabled(t, hour, serverAccount(t, server(1), 0))
	a, before := d.machine.accounts.of(server(1)), d.written
	d.now = d.now.Add(time.Minute)
	d.step(messages.ClockStepped{})
	if d.written != before {
		t.Error("a record that is right was written anew")
	}
	d.now = d.now.AddDate(0, 1, 0) // the wall clock alone
	a.disabled.until = d.now.Add(59 * time.Minute)
	d.step(messages.ClockStepped{})
	if got := d.state().Disabled; !got.Until.Equal(a.disabled.until) || got.For != time.Hour {
		t.Errorf("%+v, want until %v", got, a.disabled.until)
	}
}
