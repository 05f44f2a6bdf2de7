package supervisor

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// situations are the states in which a call may come.
var situations = map[string]func(*testing.T) *driver{
	"starting": func(t *testing.T) *driver {
		d := newDriver(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		d.step(messages.Start{})
		return d
	},
	"connecting": func(t *testing.T) *driver { return running(t, bootstrapAccount(t), serverAccount(t, server(1), 1)) },
	"bootstrapping": func(t *testing.T) *driver {
		d := running(t, bootstrapAccount(t))
		d.connected(messages.BootstrapPeer())
		return d
	},
	"registered": func(t *testing.T) *driver {
		d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		d.register(server(1))
		return d
	},
	"waiting": func(t *testing.T) *driver {
		d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		d.fail(server(1), refused)
		return d
	},
	"paused": func(t *testing.T) *driver {
		d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		d.register(server(1))
		d.call(messages.CallPause)
		return d
	},
	"stopping": func(t *testing.T) *driver {
		d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		d.register(server(1))
		d.step(messages.Stop{Deadline: d.now.Add(time.Second)})
		return d
	},
}

// Every call in every state: 0 is accepted, 11 is ConnectNotAllowed.
func TestCallsByState(t *testing.T) {
	const ok, no = 0, messages.ConnectNotAllowed
	calls := []messages.Call{
		messages.CallUpdate, messages.CallReconnect, messages.CallBootstrap, messages.CallPause, messages.CallResume,
	}
	want := map[string][]messages.ErrorCode{
		//               update reconnect bootstrap pause resume
		"starting":      {no, ok, no, ok, no},
		"connecting":    {no, ok, ok, ok, no},
		"bootstrapping": {no, ok, no, ok, no},
		"registered":    {ok, ok, ok, ok, no},
		"waiting":       {no, ok, ok, ok, no},
		"paused":        {no, no, no, no, ok},
		"stopping":      {no, no, no, no, no},
	}
	for state, reach := range situations {
		for i, call := range calls {
			d := reach(t)
			events, live := len(d.events), len(d.live)
			got := d.call(call)
			if got != want[state][i] {
				t.Errorf("%s while %s: %v, want %v", call, state, got, want[state][i])
			}
			if got == no && (len(d.live) != live || len(d.events) != events+1 || d.newest(messages.EventError).Code != no) {
				t.Errorf("%s while %s: a refused call changed something, or was not reported once", call, state)
			}
		}
	}
}

func TestPauseIsSilentAndResumeUpdates(t *testing.T) {
	d := situations["paused"](t)
	if len(d.live) != 0 || len(d.timers) != 0 || d.machine.state != messages.StatePaused {
		t.Fatalf("live %v, timers %v, state %s", d.live, d.timers, d.machine.state)
	}
	d.step(messages.NetworkUp{})
	d.step(messages.Woke{Slept: time.Hour})
	if len(d.live) != 0 {
		t.Fatal("a paused client was woken by a hint")
	}
	d.now = d.now.Add(time.Hour)
	if got := d.call(messages.CallResume); got != 0 {
		t.Fatalf("resume: %v", got)
	}
	if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeUpdate {
		t.Fatal("the server still knows us: an Update is enough")
	}
	d.connected(server(1))
	d.step(messages.Registered{Epoch: d.epoch(server(1)), ByUpdate: true, Registration: messages.Registration{Location: []string{"rd", "1"}}})
	if e := d.newest(messages.EventRegistered); e.OfflineMS == nil || *e.OfflineMS != 3600000 {
		t.Fatalf("%+v", e)
	}
}

// What a server asked for outlasts a pause.
func TestResumeKeepsTheFloor(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	f := rejectedWith(messages.ServiceUnavailable, messages.PhaseRegister)
	f.MaxAge = new(time.Hour)
	d.fail(server(1), f)
	d.call(messages.CallPause)
	d.now = d.now.Add(10 * time.Minute)
	d.call(messages.CallResume)
	if got := d.wait(server(1)); got != 50*time.Minute {
		t.Fatalf("waited %v", got)
	}
}

func TestFactoryResetBeginsAnewInEveryState(t *testing.T) {
	for state, reach := range situations {
		t.Run(state, func(t *testing.T) {
			d := reach(t)
			d.step(messages.CallRequest{Call: messages.CallFactoryReset})
			loads := len(d.loads)
			d.step(messages.CredentialsForgotten{Token: d.resets[0].Token})
			if len(d.answers) == 0 || d.answers[len(d.answers)-1] != 0 {
				t.Fatalf("answers %v", d.answers)
			}
			if state == "stopping" {
				return
			}
			if len(d.loads) != loads+1 {
				t.Fatal("nothing is read anew")
			}
			d.loaded(nil, nil)
			if state == "paused" {
				if len(d.live) != 0 {
					t.Fatal("a paused client went on")
				}
				return
			}
			if len(d.live) != 1 {
				t.Fatalf("%d incarnations", len(d.live))
			}
		})
	}
}

func TestFactoryResetThatFailsChangesNothing(t *testing.T) {
	d := situations["registered"](t)
	d.step(messages.CallRequest{Call: messages.CallFactoryReset})
	readOnly := errors.New("read-only file system")
	d.step(messages.CredentialsForgotten{Token: d.resets[0].Token, Err: readOnly})
	if d.answers[0] != messages.ConnectorFailedToStoreCredentials || d.machine.state != messages.StateRegistered {
		t.Fatalf("%v, %s", d.answers, d.machine.state)
	}
	if d.causes[0] != readOnly || d.newest(messages.EventError).Cause != readOnly {
		t.Fatal("the cause is lost")
	}
}

// Code 4: no packet leaves with unusable credentials; store and files are
// looked at again by the policy, and a correction is found without a restart.
func TestUnusableFilesAreLookedAtAgain(t *testing.T) {
	d := newDriver(t)
	d.step(messages.Start{})
	for attempt := range uint64(3) {
		d.step(messages.AccountsLoaded{
			Token: d.loads[len(d.loads)-1].Token, FactoryErr: errors.New("server.certificate: expired"),
			FactoryClass: messages.ClassBadCredentials,
		})
		checkEvent(t, d.newest(messages.EventError), messages.ConnectorInvalidCredentials, attempt+1, messages.ActionUser, testR0<<attempt)
		if len(d.live) != 0 {
			t.Fatal("a packet may have left")
		}
		d.fire(timerLoad)
	}
	d.factory = accounts.ToTree([]messages.Account{serverAccount(t, server(1), 0)})
	d.loaded(nil, nil)
	d.register(server(1))
}

func TestUnusableFileBesideAStoredAccountIsReportedOnly(t *testing.T) {
	d := newDriver(t)
	d.step(messages.Start{})
	stored := accounts.ToTree([]messages.Account{serverAccount(t, server(7), 1)})
	d.step(messages.AccountsLoaded{
		Token: d.loads[0].Token, Stored: accounts.Encode(stored),
		FactoryErr: errors.New("bootstrap.psk_key_file: missing"), FactoryClass: messages.ClassStoreRead,
	})
	d.register(server(7))
	checkEvent(t, d.newest(messages.EventError), messages.ConnectorFailedToReadCredentials, 1, messages.ActionUser, testR0)
	d.factory = accounts.ToTree([]messages.Account{bootstrapAccount(t)})
	d.fire(timerLoad)
	d.loaded(stored, nil)
	if d.machine.accounts.of(messages.BootstrapPeer()) == nil || d.machine.accounts.of(server(7)).stage != stageRegistered {
		t.Fatal("the bootstrap account was not found, or the registration was disturbed")
	}
}

// A server that is registered learns of what a look at the store has changed;
// registration sends an Update where it is something new.
func TestReloadAnnouncesWhatHasChanged(t *testing.T) {
	d := newDriver(t)
	d.step(messages.Start{})
	one := accounts.ToTree([]messages.Account{serverAccount(t, server(7), 1)})
	d.step(messages.AccountsLoaded{
		Token: d.loads[0].Token, Stored: accounts.Encode(one),
		FactoryErr: errors.New("bootstrap.psk_key_file: missing"), FactoryClass: messages.ClassBadCredentials,
	})
	d.register(server(7))
	d.factory = accounts.ToTree([]messages.Account{bootstrapAccount(t)})
	d.fire(timerLoad)
	d.loaded(accounts.ToTree([]messages.Account{serverAccount(t, server(7), 1), serverAccount(t, server(8), 2)}), nil)
	got := lastOrder[messages.ObjectsChanged](d)
	if got.Epoch != d.epoch(server(7)) || got.Lifetime != 24*time.Hour || len(got.Objects) != 2 || len(got.Objects[0].Instances) != 2 {
		t.Fatalf("%+v", got)
	}
	d.register(server(8))
}

// ordered makes accounts with a registration priority order.
func ordered(t *testing.T, block bool) *driver {
	first, second, third := serverAccount(t, server(1), 0), serverAccount(t, server(2), 1), serverAccount(t, server(3), 2)
	first.Retry = messages.Retry{Priority: new(uint64(1)), FailureBlock: &block}
	second.Retry = messages.Retry{Priority: new(uint64(2)), InitialDelay: seconds(30)}
	d := newDriver(t)
	d.machine.accounts = roster{{Account: &first}, {Account: &second}, {Account: &third}}
	d.machine.tree = accounts.ToTree(nil)
	d.machine.state = messages.StateStarting
	return d
}

// /1/x/13 to 15: servers with a priority come one after the other, the others
// at once.
func TestServersRegisterInTheirOrder(t *testing.T) {
	d := ordered(t, false)
	d.machine.effects = nil
	d.machine.order.unproven = true
	d.machine.startIdle(d.now)
	d.drain()
	if d.idle(server(1)) || !d.idle(server(2)) || d.idle(server(3)) {
		t.Fatalf("live %v", d.live)
	}
	d.fail(server(1), refused) // the next one's turn
	if got := d.wait(server(2)); got != 30*time.Second {
		t.Fatalf("/1/x/14 was %v", got)
	}
	d.register(server(2))
}

func TestFailureBlockKeepsTheOthersWaiting(t *testing.T) {
	d := ordered(t, true)
	d.machine.effects = nil
	d.machine.startIdle(d.now)
	d.drain()
	d.fail(server(1), refused)
	if !d.idle(server(2)) || d.timers[waitTimer(server(2))] != (time.Time{}) {
		t.Fatal("a blocked server began")
	}
	d.wait(server(1))
	d.register(server(1))
	if d.idle(server(2)) {
		t.Fatal("the next server did not begin")
	}
}

// /1/x/16: without it, no bootstrap.
func TestBootstrapOnRegistrationFailureCanBeForbidden(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.machine.accounts.of(server(1)).Retry.Bootstrap = new(false)
	e := d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	checkEvent(t, e, messages.ConnectInvalidParameters, 1, messages.ActionRetry, testR0)
}

// Policy lwm2m: five attempts, then a bootstrap whose hold-off time doubles
// with every failed one; connect errors before the first Register count alike.
func TestPolicyLwM2MIsExact(t *testing.T) {
	b := bootstrapAccount(t)
	b.HoldOff = 20 * time.Second
	d := newDriver(t, b, serverAccount(t, server(1), 1))
	d.machine.config.PolicyKind = PolicyLwM2M
	d.step(messages.Start{})
	d.loaded(nil, nil)
	d.machine.accounts.of(messages.BootstrapPeer()).HoldOff = 20 * time.Second
	for i, want := range []time.Duration{60, 120, 240, 480} {
		e := d.fail(server(1), messages.Failure{Class: messages.ClassDNS, Phase: messages.PhaseRegister})
		checkEvent(t, e, messages.ConnectDNSResolvingFailed, uint64(i+1), messages.ActionRetry, want*time.Second)
		d.wait(server(1))
	}
	e := d.fail(server(1), messages.Failure{Class: messages.ClassDNS, Phase: messages.PhaseRegister})
	checkEvent(t, e, messages.ConnectDNSResolvingFailed, 5, messages.ActionBootstrap, 20*time.Second)
	d.wait(server(1))
	for i, want := range []time.Duration{60, 120, 240, 480} {
		e := d.fail(messages.BootstrapPeer(), messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseBootstrap})
		checkEvent(t, e, messages.ConnectTimeout, uint64(i+1), messages.ActionRetry, max(want*time.Second, 20*time.Second<<(i+1)))
		d.wait(messages.BootstrapPeer())
	}
}

func TestPolicyAutoTakesWrittenResources(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.machine.accounts.of(server(1)).Retry = messages.Retry{Timer: seconds(7)}
	checkEvent(t, d.fail(server(1), refused), messages.ConnectNetworkError, 1, messages.ActionRetry, 7*time.Second)
	d = running(t, serverAccount(t, server(1), 0))
	d.machine.config.PolicyKind = PolicyExponential
	d.machine.accounts.of(server(1)).Retry = messages.Retry{Timer: seconds(7)}
	checkEvent(t, d.fail(server(1), refused), messages.ConnectNetworkError, 1, messages.ActionRetry, testR0)
}

// A call may overtake what begins the client's life.
func TestCallsRightAfterTheStart(t *testing.T) {
	for call, want := range map[messages.Call]messages.ErrorCode{
		messages.CallPause: 0, messages.CallReconnect: 0, messages.CallUpdate: messages.ConnectNotAllowed,
	} {
		d := newDriver(t, serverAccount(t, server(1), 0))
		answer := make(chan messages.Answered, 1)
		effects := d.machine.Step(d.now, messages.CallRequest{Call: call, Answer: answer})
		var answered *Answer
		first := true
		for _, effect := range effects {
			switch effect := effect.(type) {
			case Emit:
				if first && (effect.Event.Type != messages.EventState || effect.Event.State != messages.StateStarting) {
					t.Errorf("%v: the first event is %+v", call, effect.Event)
				}
				first = false
			case Answer:
				answered = &effect
			}
		}
		if answered == nil || answered.Code != want {
			t.Errorf("%v: answered %+v", call, answered)
		}
		if again := d.machine.Step(d.now, messages.Start{}); again != nil {
			t.Errorf("%v: started twice: %v", call, again)
		}
	}
}
