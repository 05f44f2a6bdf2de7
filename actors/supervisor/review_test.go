package supervisor

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

var bootstrapRefused = messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseBootstrap}

// progressTo says that an incarnation connects to one of two addresses.
func (d *driver) progressTo(id messages.Peer, first, second string) {
	d.t.Helper()
	d.step(messages.Progress{
		Epoch: d.epoch(id), Stage: messages.StageConnecting,
		Addresses: []netip.AddrPort{netip.MustParseAddrPort(first), netip.MustParseAddrPort(second)},
		Chosen:    netip.MustParseAddrPort(first),
	})
}

// closing registers account 1 and asks for the end of the client's life.
func closing(t *testing.T) *driver {
	d := running(t, serverAccount(t, server(1), 0))
	d.progressTo(server(1), "192.0.2.1:5684", "192.0.2.2:5684")
	d.step(messages.Registered{Epoch: d.epoch(server(1)), Registration: messages.Registration{
		Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: d.now,
	}})
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	return d
}

// A Reregistering that was on its way when Close came must not hide the account
// from the end of the wait.
func TestStopEndsWhileTheServerRefusesAnUpdate(t *testing.T) {
	d := closing(t)
	d.step(messages.Reregistering{Epoch: d.epoch(server(1))})
	d.fire(timerStop)
	if d.stopped == nil || d.stopped.Code != messages.ConnectorUnregistrationFailed {
		t.Fatalf("%+v", d.stopped)
	}
}

// A link that is lost just as Close comes is no reason to try the server's
// next address.
func TestStopTriesNoFurtherAddress(t *testing.T) {
	d := closing(t)
	f := messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered, Peer: server(1), Epoch: d.epoch(server(1))}
	d.step(messages.Failed{Failure: f})
	if d.stopped == nil || d.stopped.Code != messages.ConnectorUnregistrationFailed || len(d.live) != 0 {
		t.Fatalf("%+v, %d incarnations", d.stopped, len(d.live))
	}
}

// A crash while the de-registration is under way ends that wait.
func TestStopEndsAtOnceWhenTheIncarnationCrashes(t *testing.T) {
	d := closing(t)
	d.step(messages.Crashed{Actor: "registration", Peer: server(1), Epoch: d.epoch(server(1)), Reason: errors.New("boom")})
	if d.stopped == nil || d.stopped.Code != messages.ConnectorUnregistrationFailed || len(d.live) != 0 {
		t.Fatalf("%+v, %d incarnations", d.stopped, len(d.live))
	}
}

// We are not registered with a server that has forgotten us.
func TestRefusedRegistrationIsNotReportedAsRegistered(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.report(server(1), rejectedWith(messages.NotFound, messages.PhaseUpdate), true)
	if d.machine.state != messages.StateWaiting {
		t.Errorf("state %s", d.machine.state)
	}
	d.wait(server(1))
	if d.machine.state != messages.StateRegistering {
		t.Errorf("state %s", d.machine.state)
	}
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	if d.stopped == nil || d.stopped.Code != messages.ConnectNotRegistered {
		t.Fatalf("%+v", d.stopped)
	}
}

// What a server asked for is kept when its link is lost meanwhile, or when
// another address could be tried.
func TestFloorOutlivesTheLink(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.progressTo(server(1), "192.0.2.1:5684", "192.0.2.2:5684")
	d.step(messages.Progress{Epoch: d.epoch(server(1)), Stage: messages.StageUp})
	busy := rejectedWith(messages.ServiceUnavailable, messages.PhaseUpdate)
	busy.MaxAge = new(time.Hour)
	d.report(server(1), busy, true)
	d.now = d.now.Add(time.Minute)
	e := d.fail(server(1), refused)
	checkEvent(t, e, messages.ConnectNetworkError, 2, messages.ActionRetry, 59*time.Minute)
	d.step(messages.NetworkUp{})
	if got := d.wait(server(1)); got != 59*time.Minute {
		t.Fatalf("waited %v", got)
	}
}

// Silence while a floor is pending waits for it, too: no ladder.
func TestLadderKeepsTheFloor(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	busy := rejectedWith(messages.TooManyRequests, messages.PhaseUpdate)
	busy.MaxAge = new(time.Hour)
	d.report(server(1), busy, true)
	e := d.fail(server(1), messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseRegistered})
	checkEvent(t, e, messages.ConnectNetworkError, 2, messages.ActionRetry, time.Hour)
}

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
	d.wait(messages.BootstrapPeer()) // due at the same instant as the other
	d.fire(waitTimer(server(1)))
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
	d.machine.accounts = map[messages.Peer]*account{messages.BootstrapPeer(): {Account: bootstrapAccount(t)}, server(1): {Account: delayed}}
	d.machine.startIdle(d.now, true) // as after a bootstrap
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

// Row 12: without a bootstrap server only new files can help, so they are read.
func TestOwnCertificateIsReadAnewWhereNoBootstrapCanReplaceIt(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	expired := messages.Failure{Class: messages.ClassOwnCertificate, Phase: messages.PhaseRegister}
	checkEvent(t, d.fail(server(1), expired), messages.ConnectSecureConnectionFailed, 1, messages.ActionRetry, testR0)
	d.wait(server(1))
	renewed := serverAccount(t, server(1), 0)
	renewed.Credentials.Identity = "renewed"
	d.factory = accounts.ToTree([]messages.Account{renewed})
	d.loaded(nil, nil)
	if b := lastOrder[messages.BeginRegistration](d); b.Account.Credentials.Identity != "renewed" {
		t.Fatal("the corrected credentials were not read")
	}
}

// A factory reset that fails changes nothing: a load under way still counts.
func TestFailedFactoryResetDoesNotLoseALoad(t *testing.T) {
	d := newDriver(t, serverAccount(t, server(1), 0))
	d.step(messages.Start{})
	d.step(messages.CallRequest{Call: messages.CallFactoryReset})
	d.loaded(nil, nil)
	d.step(messages.CredentialsForgotten{Token: d.resets[0].Token, Err: errors.New("read-only file system")})
	d.register(server(1))
}

// No lost message may strand a client that waits for its credentials.
func TestUnansweredLoadIsRepeated(t *testing.T) {
	d := newDriver(t, serverAccount(t, server(1), 0))
	d.step(messages.Start{})
	if got := d.fire(timerLoad); got != loadBound {
		t.Fatalf("given up after %v", got)
	}
	checkEvent(t, d.newest(messages.EventError), messages.ConnectorFailedToReadCredentials, 1, messages.ActionRetry, testR0)
	d.fire(timerLoad)
	if len(d.loads) != 2 {
		t.Fatalf("%d loads", len(d.loads))
	}
	d.loaded(nil, nil)
	if _, armed := d.timers[timerLoad]; armed {
		t.Fatal("a load is due, but nothing is wrong")
	}
	d.register(server(1))
}

// What the store was asked for when it crashed is asked for once more.
func TestStoreThatCrashedIsAskedAgain(t *testing.T) {
	d := newDriver(t, serverAccount(t, server(1), 0))
	d.step(messages.Start{})
	d.step(messages.CallRequest{Call: messages.CallFactoryReset})
	d.step(messages.Crashed{Actor: core.Store.String(), Shared: true, Reason: errors.New("boom")})
	d.fire(respawnTimer(core.Store))
	if len(d.loads) != 2 || len(d.resets) != 2 || d.resets[0] != d.resets[1] {
		t.Fatalf("loads %v, resets %v", d.loads, d.resets)
	}
	d.step(messages.CredentialsForgotten{Token: d.resets[1].Token})
	if !slices.Equal(d.answers, []messages.ErrorCode{0}) {
		t.Fatalf("answers %v", d.answers)
	}
	d.loaded(nil, nil)
	d.register(server(1))
}

// Row 17: what is in use stays in use when the store cannot be read later on.
func TestReadFailureLeavesTheAccountsInForce(t *testing.T) {
	d := newDriver(t)
	d.step(messages.Start{})
	stored := serverAccount(t, server(1), 1)
	stored.Credentials.Identity = "delivered"
	tree := accounts.ToTree([]messages.Account{bootstrapAccount(t), stored})
	d.loaded(tree, nil)
	d.fail(server(1), messages.Failure{Class: messages.ClassBadCredentials, Phase: messages.PhaseRegister})
	d.wait(server(1))
	d.factory = accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1)})
	d.loaded(nil, errors.New("input/output error"))
	b := lastOrder[messages.BeginRegistration](d)
	if b.Account.Credentials.Identity != "delivered" {
		t.Fatal("the factory's account took the place of the one that was in use")
	}
}

// Files that could not be used are looked at again after a pause, too.
func TestResumeLooksAtUnusableFilesAgain(t *testing.T) {
	d := newDriver(t)
	d.step(messages.Start{})
	stored := accounts.ToTree([]messages.Account{serverAccount(t, server(7), 1)})
	missing := messages.AccountsLoaded{
		Token: d.loads[0].Token, Stored: accounts.Encode(stored),
		FactoryErr: errors.New("bootstrap.psk_key_file: missing"), FactoryClass: messages.ClassStoreRead,
	}
	d.step(missing)
	d.call(messages.CallPause)
	d.call(messages.CallResume)
	if len(d.loads) != 2 {
		t.Fatal("the files are forgotten")
	}
	d.register(server(7))
	d.factory = lwm2m.NewTree()
	d.loaded(stored, nil)
	if d.machine.accounts[server(7)].stage != stageRegistered {
		t.Fatal("the registration was disturbed")
	}
}

// Waking up is a hint for the next look at the files, too; within five seconds
// of another one, what was slept counts as waiting.
func TestSleepCountsForTheLoad(t *testing.T) {
	d := newDriver(t)
	d.step(messages.Start{})
	d.loaded(nil, errors.New("input/output error"))
	d.step(messages.Woke{Slept: time.Second})
	if len(d.loads) != 2 {
		t.Fatal("the hint was not heeded")
	}
	d.loaded(nil, errors.New("input/output error"))
	d.step(messages.Woke{Slept: 2 * time.Second})
	if got := d.timers[timerLoad].Sub(d.now); got != 2*testR0-2*time.Second {
		t.Fatalf("%v to wait", got)
	}
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

// Row 12: two refused handshakes ask for new credentials; an alert is
// forgeable, so the Location is kept until the new ones are stored.
func TestRefusedHandshakesKeepTheLocation(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	alerted := messages.Failure{Class: messages.ClassCredentialsRefused, Phase: messages.PhaseUpdate, Alert: new(uint8(115))}
	d.fail(server(1), alerted)
	d.wait(server(1))
	if e := d.fail(server(1), alerted); e.Action != messages.ActionBootstrap {
		t.Fatalf("%+v", e)
	}
	d.wait(server(1))
	d.fail(messages.BootstrapPeer(), bootstrapRefused)
	d.wait(server(1))
	if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeUpdate {
		t.Fatal("the alerts cost the Location")
	}
}

// Status follows every account, not only the one that the client's state is
// about.
func TestStatusFollowsEveryAccount(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	effects := d.machine.Step(d.now, messages.Progress{Epoch: d.epoch(server(2)), Stage: messages.StageConnecting})
	if len(effects) != 1 {
		t.Fatalf("%d effects", len(effects))
	}
	if p, ok := effects[0].(Publish); !ok || p.Snapshot.Connections[1].State != messages.StateConnecting {
		t.Fatalf("%+v", effects[0])
	}
}
