package supervisor

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

var bootstrapRefused = messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseBootstrap}

// A floor of the bootstrap server outlives the recovery that it was for.
func TestBootstrapFloorOutlivesTheRecovery(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	d.wait(server(1))
	busy := rejectedWith(messages.ServiceUnavailable, messages.PhaseBootstrap)
	busy.MaxAge = new(time.Hour)
	d.fail(messages.BootstrapPeer(), busy)
	d.wait(server(1))
	d.register(server(1))
	if got := d.call(messages.CallBootstrap); got != messages.ConnectNotAllowed {
		t.Fatalf("%v", got)
	}
	d.step(messages.BootstrapTriggered{Epoch: d.epoch(server(1))})
	if got := d.wait(messages.BootstrapPeer()); got != time.Hour-testR0 {
		t.Fatalf("waited %v", got)
	}
	d.bootstrap()
}

// lockstep is a client whose policy has one delay only, so that management and
// bootstrap account are always due at the same instant.
func lockstep(t *testing.T) *driver {
	d := newDriver(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.machine.config.Policy.Max = testR0
	d.step(messages.Start{})
	d.loaded(nil, nil)
	return d
}

// A bootstrap server that is gone must not keep us from a management server
// that is back, also when both are due at the same instant each time.
func TestManagementIsNotStarvedByABootstrapThatFails(t *testing.T) {
	d := lockstep(t)
	d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	d.wait(server(1))
	d.fail(messages.BootstrapPeer(), bootstrapRefused)
	if d.timers[waitTimer(server(1))] != d.timers[waitTimer(messages.BootstrapPeer())] {
		t.Fatalf("not due at the same instant: %v", d.timers)
	}
	d.wait(messages.BootstrapPeer())
	if !d.idle(server(1)) {
		t.Fatal("a Register beside a bootstrap that may replace the account")
	}
	d.fail(messages.BootstrapPeer(), bootstrapRefused)
	d.register(server(1)) // its delay was over: at once
}

// An account that has not failed yet and whose initial delay (/1/x/14) ends
// during a bootstrap that fails is tried then.
func TestInitialDelayThatEndsDuringABootstrapIsNotForgotten(t *testing.T) {
	delayed := serverAccount(t, server(1), 1)
	delayed.Retry.InitialDelay = seconds(30)
	d := newDriver(t)
	d.machine.state, d.machine.tree = messages.StateStarting, accounts.ToTree(nil)
	d.machine.accounts = roster{{Account: new(bootstrapAccount(t))}, {Account: &delayed}}
	d.machine.order.unproven = true // as after a bootstrap
	d.machine.startIdle(d.now)
	d.drain()
	if got := d.call(messages.CallBootstrap); got != 0 {
		t.Fatalf("%v", got)
	}
	d.wait(server(1))
	d.fail(messages.BootstrapPeer(), bootstrapRefused)
	d.register(server(1))
}

// An Update or a Register on a link that works is not cut off by a bootstrap
// that fails meanwhile.
func TestFailedBootstrapLeavesAWorkingLinkAlone(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.connected(server(1))
	d.report(server(1), rejectedWith(messages.InternalServerError, messages.PhaseUpdate), true)
	d.wait(server(1)) // the Update is repeated
	d.call(messages.CallBootstrap)
	d.fail(messages.BootstrapPeer(), bootstrapRefused)
	if _, armed := d.timers[waitTimer(server(1))]; armed {
		t.Fatal("a second attempt is due while one is under way")
	}
}

// A bootstrap account whose credentials were read anew is tried again, also
// beside management accounts.
func TestBootstrapGoesOnAfterAReload(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	d.call(messages.CallBootstrap)
	d.fail(messages.BootstrapPeer(), messages.Failure{Class: messages.ClassBadCredentials, Phase: messages.PhaseBootstrap})
	d.wait(messages.BootstrapPeer())
	d.loaded(nil, nil)
	d.bootstrap()
}

// A trigger of an older link, or one that comes when the client is silent,
// begins nothing.
func TestLateBootstrapTriggerIsDropped(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	trigger := messages.BootstrapTriggered{Epoch: d.epoch(server(1))}
	d.call(messages.CallPause)
	d.step(trigger)
	if len(d.live) != 0 {
		t.Fatal("a paused client makes an attempt")
	}
	d.call(messages.CallResume)
	d.step(trigger)
	if !d.idle(messages.BootstrapPeer()) {
		t.Fatal("a trigger of an older link was heeded")
	}
}

// What becomes of accounts whose waits end at one instant does not depend on whose
// timer comes first.
func TestOneInstantHasOneOrder(t *testing.T) {
	for _, first := range []messages.Peer{messages.BootstrapPeer(), server(1), server(2)} {
		d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(2), 2))
		d.fail(server(2), refused)
		d.fail(server(1), refused)
		d.call(messages.CallBootstrap)
		d.fail(messages.BootstrapPeer(), bootstrapRefused)
		d.wait(first)
		if got := d.busy(); !slices.Equal(got, []messages.Peer{messages.BootstrapPeer()}) {
			t.Fatalf("%s expired first: %v began, and the bootstrap may replace the accounts", first, got)
		}
		d.fail(messages.BootstrapPeer(), bootstrapRefused)
		if d.epoch(server(1)) > d.epoch(server(2)) {
			t.Fatalf("%s expired first: server 2 began before server 1", first)
		}
	}
}

// Who has waited longer goes first, also where the clock is late.
func TestEarlierWaitGoesFirst(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1), serverAccount(t, server(2), 2))
	d.fail(server(2), refused)
	d.now = d.now.Add(time.Second)
	d.fail(server(1), refused)
	d.wait(server(1))
	if d.epoch(server(2)) > d.epoch(server(1)) {
		t.Fatal("server 1 began before server 2")
	}
}

// An account that was to bootstrap, and has to try itself, waits as its own policy
// has it: by OMA's series, or by what a server has written, and not by doubling r0.
func TestDelayAfterAFailedBootstrapIsTheAccountsOwn(t *testing.T) {
	for name, tt := range map[string]struct {
		kind   PolicyKind
		retry  messages.Retry
		before int // failures before the refusal
		want   time.Duration
	}{
		"doubling":                {PolicyAuto, messages.Retry{}, 1, 2 * testR0},
		"OMA":                     {PolicyLwM2M, messages.Retry{}, 1, 2 * time.Minute},
		"OMA, the series is over": {PolicyLwM2M, messages.Retry{}, 4, time.Minute},
		"written by a server":     {PolicyAuto, messages.Retry{Timer: seconds(20)}, 2, 80 * time.Second},
		"one attempt, no delay":   {PolicyAuto, messages.Retry{Count: new(uint64(1)), Timer: seconds(0)}, 0, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			managed := serverAccount(t, server(1), 1)
			d := newDriver(t, bootstrapAccount(t), managed)
			d.machine.config.PolicyKind = tt.kind
			d.step(messages.Start{})
			d.loaded(nil, nil)
			d.machine.accounts.of(server(1)).Retry = tt.retry
			for range tt.before {
				d.fail(server(1), refused)
				d.wait(server(1))
			}
			d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
			if d.idle(messages.BootstrapPeer()) {
				d.wait(server(1))
			}
			d.fail(messages.BootstrapPeer(), bootstrapRefused)
			if got := d.timers[waitTimer(server(1))].Sub(d.now); got != tt.want {
				t.Errorf("it waits %v, want %v", got, tt.want)
			}
		})
	}
}

// A bootstrap resets no count of a management account, and does not mix them: a
// server that was well is not to wait as long as one that was gone for a week.
func TestBootstrapLeavesEveryAccountItsCount(t *testing.T) {
	same := []messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(2), 2)}
	swapped := slices.Clone(same)
	swapped[1].URI, swapped[2].URI = same[2].URI, same[1].URI
	other := append(slices.Clone(same[:2]), serverAccount(t, server(3), 2))
	for name, tt := range map[string]struct {
		delivered     []messages.Account
		first, second uint64 // attempts of the registrations, by short server ID
	}{
		"the same servers":          {same, 4, 1},
		"the servers change places": {swapped, 4, 4},
		"another server":            {other, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			d := running(t, same...)
			d.register(server(2))
			for range 3 {
				d.fail(server(1), refused)
				d.wait(server(1))
			}
			d.call(messages.CallBootstrap)
			d.bootstrap(accounts.ToTree(tt.delivered))
			for i, want := range []uint64{tt.first, tt.second} {
				d.register(tt.delivered[i+1].Peer)
				if e := d.newest(messages.EventRegistered); e.Attempts != want {
					t.Errorf("%s registered with attempt %d, want %d", tt.delivered[i+1].Peer, e.Attempts, want)
				}
			}
		})
	}
}
