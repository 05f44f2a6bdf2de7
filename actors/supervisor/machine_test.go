package supervisor

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

var (
	refused  = messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegister}
	timedOut = messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseRegister}
)

func rejectedWith(code messages.CoAPCode, phase messages.Phase) messages.Failure {
	return messages.Failure{Class: messages.ClassRejected, Answer: code, Phase: phase}
}

func TestFirstAttemptIsMadeAtOnce(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	b := lastOrder[messages.BeginRegistration](d)
	if b.Mode != messages.ModeRegister || !b.Deadline.Equal(d.now.Add(3*time.Minute)) {
		t.Fatalf("%+v", b)
	}
	d.register(server(1))
	if got := d.states(); got != "starting resolving connecting registering registered" {
		t.Fatalf("states: %s", got)
	}
	e := d.newest(messages.EventRegistered)
	if e.Location != "/rd/1" || e.LifetimeS != 86400 || e.LwM2M != "1.1" || e.Attempts != 1 || e.OfflineMS != nil {
		t.Fatalf("%+v", e)
	}
}

// The reference behaviour: every failed attempt doubles the delay, up to a week
// and without end; success resets to the original delay.
func TestDelaysDoubleAndSuccessResetsThem(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	want := testR0
	for attempt := uint64(1); attempt <= 40; attempt++ {
		checkEvent(t, d.fail(server(1), refused), messages.ConnectNetworkError, attempt, messages.ActionRetry, want)
		if !d.idle(server(1)) {
			t.Fatal("the failed incarnation lives on")
		}
		if got := d.wait(server(1)); got != want {
			t.Fatalf("attempt %d came after %v, want %v", attempt+1, got, want)
		}
		want = min(2*want, Week)
	}
	d.register(server(1))
	if e := d.newest(messages.EventRegistered); e.Attempts != 41 {
		t.Fatalf("%+v", e)
	}
	e := d.fail(server(1), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered})
	checkEvent(t, e, messages.ConnectNetworkError, 1, messages.ActionRetry, testR0)
}

// A finished handshake is no success.
func TestHandshakeAloneResetsNothing(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.fail(server(1), refused)
	d.wait(server(1))
	d.connected(server(1))
	checkEvent(t, d.fail(server(1), timedOut), messages.ConnectTimeout, 2, messages.ActionRetry, 2*testR0)
}

// Code 7, then Update where a Location is known.
func TestLostLinkReconnectsWithAnUpdate(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.fail(server(1), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered})
	d.wait(server(1))
	b := lastOrder[messages.BeginRegistration](d)
	if b.Mode != messages.ModeUpdate || b.Previous.Location[1] != "1" {
		t.Fatalf("%+v", b)
	}
	d.connected(server(1))
	d.now = d.now.Add(time.Second)
	d.step(messages.Registered{Epoch: d.epoch(server(1)), ByUpdate: true, Registration: *b.Previous})
	if e := d.newest(messages.EventRegistered); e.Attempts != 2 || *e.OfflineMS != 6000 {
		t.Fatalf("%+v", e)
	}
	d.newest(messages.EventRegistrationUpdated)
}

func TestLostLinkRegistersWhenTheLifetimeHasRunOut(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.fail(server(1), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered})
	for d.machine.accounts.of(server(1)).mode(d.now) == messages.ModeUpdate {
		d.wait(server(1))
		if d.machine.accounts.of(server(1)).mode(d.now) == messages.ModeUpdate {
			d.fail(server(1), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseUpdate})
		}
	}
	if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeRegister || b.Previous != nil {
		t.Fatalf("%+v", b)
	}
}

// docs/design.md, Silence: one event with retry_in_ms 0, one ladder at
// once with a fresh budget; silence within it is code 6, the next attempt
// count, and the policy's delay.
func TestSilenceRunsOneLadder(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	before := d.epoch(server(1))
	silence := messages.Failure{Class: messages.ClassSilence, Phase: messages.PhaseUpdate}
	checkEvent(t, d.fail(server(1), silence), messages.ConnectNetworkError, 1, messages.ActionRetry, 0)
	if d.epoch(server(1)) == before {
		t.Fatal("the ladder needs a new link")
	}
	b := lastOrder[messages.BeginRegistration](d)
	if b.Mode != messages.ModeUpdate || !b.Deadline.Equal(d.now.Add(3*time.Minute)) {
		t.Fatalf("%+v", b)
	}
	e := d.fail(server(1), messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseUpdate})
	checkEvent(t, e, messages.ConnectTimeout, 2, messages.ActionRetry, 2*testR0)
}

// Row 3: a refusal that leads to a bootstrap is a failure of the management
// account, whose delay the bootstrap waits for; the Register after it is
// immediate.
func TestRefusedRegisterBootstraps(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.BadRequest, messages.Forbidden} {
		d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		e := d.fail(server(1), rejectedWith(code, messages.PhaseRegister))
		checkEvent(t, e, messages.ConnectInvalidParameters, 1, messages.ActionBootstrap, testR0)
		if e.CoAP != code.String() {
			t.Fatalf("coap %q", e.CoAP)
		}
		if !d.idle(messages.BootstrapPeer()) {
			t.Fatal("the bootstrap did not wait")
		}
		d.wait(server(1))
		d.bootstrap()
		if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeRegister {
			t.Fatalf("%+v", b)
		}
		d.register(server(1))
	}
}

func TestRefusedRegisterWithoutBootstrapRetriesByThePolicy(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	e := d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	checkEvent(t, e, messages.ConnectInvalidParameters, 1, messages.ActionRetry, testR0)
	d.wait(server(1))
	checkEvent(t, d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister)), messages.ConnectInvalidParameters, 2, messages.ActionRetry, 2*testR0)
}

// A bootstrap entered as a recovery is counted until a registration succeeds,
// so that refused, bootstrap, refused never cycles faster than the policy.
func TestRefusedBootstrapRefusedObeysThePolicy(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	want := testR0
	for attempt := uint64(1); attempt <= 20; attempt++ {
		e := d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
		checkEvent(t, e, messages.ConnectInvalidParameters, attempt, messages.ActionBootstrap, want)
		if got := d.wait(server(1)); got != want {
			t.Fatalf("bootstrap %d came after %v, want %v", attempt, got, want)
		}
		d.bootstrap()
		want = min(2*want, Week)
	}
	d.register(server(1))
	e := d.fail(server(1), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegistered})
	checkEvent(t, e, messages.ConnectNetworkError, 1, messages.ActionRetry, testR0)
}

func TestFirstBootstrapLeadsToARegistration(t *testing.T) {
	d := running(t, bootstrapAccount(t))
	b := lastOrder[messages.BeginBootstrap](d)
	if b.Version != "1.1" || !b.Deadline.Equal(d.now.Add(3*time.Minute)) {
		t.Fatalf("%+v", b)
	}
	d.bootstrap()
	if e := d.newest(messages.EventBootstrapped); e.Accounts != 1 || e.Server != "coaps://bs.example" {
		t.Fatalf("%+v", e)
	}
	d.register(server(1))
	want := "starting resolving connecting bootstrapping resolving connecting registering registered"
	if got := d.states(); got != want {
		t.Fatalf("states: %s", got)
	}
}

// A Finish that is resent because our 2.04 was lost is still answered.
func TestFinishedBootstrapLinkLingers(t *testing.T) {
	d := running(t, bootstrapAccount(t))
	d.bootstrap()
	if len(d.live) != 2 {
		t.Fatalf("%d incarnations", len(d.live))
	}
	if got := d.fire(timerLinger); got != 93*time.Second {
		t.Fatalf("lingered %v", got)
	}
	if len(d.live) != 1 {
		t.Fatalf("%d incarnations", len(d.live))
	}
}

func TestFailedBootstrapRetriesByItsOwnCount(t *testing.T) {
	failures := []struct {
		failure messages.Failure
		code    messages.ErrorCode
	}{
		{rejectedWith(messages.BadRequest, messages.PhaseBootstrap), messages.ConnectBootstrapFailed},
		{messages.Failure{Class: messages.ClassBootstrapSilence, Phase: messages.PhaseBootstrap}, messages.ConnectBootstrapFailed},
		{messages.Failure{Class: messages.ClassClosed, Phase: messages.PhaseBootstrap}, messages.ConnectBootstrapFailed},
		{messages.Failure{Class: messages.ClassStoreWrite, Phase: messages.PhaseBootstrap}, messages.ConnectorFailedToStoreCredentials},
		{messages.Failure{Class: messages.ClassDNS, Phase: messages.PhaseBootstrap}, messages.ConnectDNSResolvingFailed},
		{messages.Failure{Class: messages.ClassAlert, Phase: messages.PhaseBootstrap}, messages.ConnectSecureConnectionFailed},
		{messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseBootstrap}, messages.ConnectTimeout},
	}
	d := running(t, bootstrapAccount(t))
	want := testR0
	for i, tt := range failures {
		checkEvent(t, d.fail(messages.BootstrapPeer(), tt.failure), tt.code, uint64(i+1), messages.ActionRetry, want)
		if got := d.wait(messages.BootstrapPeer()); got != want {
			t.Fatalf("attempt %d came after %v, want %v", i+2, got, want)
		}
		want *= 2
	}
	d.bootstrap()
	d.register(server(1))
}

// A bootstrap server that is gone must not keep us from a management server
// that is back.
func TestManagementIsTriedAgainWhenARecoveryBootstrapFails(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.fail(server(1), rejectedWith(messages.Forbidden, messages.PhaseRegister))
	d.wait(server(1))
	d.fail(messages.BootstrapPeer(), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseBootstrap})
	d.wait(server(1)) // the bootstrap, which is due at the same instant, goes first
	d.fail(messages.BootstrapPeer(), messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseBootstrap})
	d.register(server(1))
	if _, armed := d.timers[waitTimer(messages.BootstrapPeer())]; armed {
		t.Fatal("the recovery is over, but a bootstrap is due")
	}
	if d.machine.state != messages.StateRegistered {
		t.Fatalf("state %s", d.machine.state)
	}
}

// Row 12: "refused" needs the same answer from two consecutive handshakes, or
// a local proof; silence after a ServerHello counts as one.
func TestTwoHandshakeRule(t *testing.T) {
	stalled := messages.Failure{Class: messages.ClassHandshakeStalled, Phase: messages.PhaseRegister}
	alerted := messages.Failure{Class: messages.ClassCredentialsRefused, Phase: messages.PhaseRegister, Alert: new(uint8(45))}
	expired := messages.Failure{Class: messages.ClassOwnCertificate, Phase: messages.PhaseRegister}
	tests := []struct {
		name   string
		series []messages.Failure
		code   messages.ErrorCode
		action messages.Action
	}{
		{"one stall is a time-out", []messages.Failure{stalled}, messages.ConnectTimeout, messages.ActionRetry},
		{"two stalls running", []messages.Failure{stalled, stalled}, messages.ConnectSecureConnectionFailed, messages.ActionBootstrap},
		{"a stall between others", []messages.Failure{stalled, refused, stalled}, messages.ConnectTimeout, messages.ActionRetry},
		{"one alert is forgeable", []messages.Failure{alerted}, messages.ConnectSecureConnectionFailed, messages.ActionRetry},
		{"two alerts running", []messages.Failure{alerted, alerted}, messages.ConnectSecureConnectionFailed, messages.ActionBootstrap},
		{"different answers", []messages.Failure{stalled, alerted}, messages.ConnectSecureConnectionFailed, messages.ActionRetry},
		{"local proof", []messages.Failure{expired}, messages.ConnectSecureConnectionFailed, messages.ActionBootstrap},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
			var e messages.Event
			for i, f := range tt.series {
				if i > 0 {
					d.wait(server(1))
				}
				e = d.fail(server(1), f)
			}
			n := uint64(len(tt.series))
			checkEvent(t, e, tt.code, n, tt.action, testR0<<(n-1))
		})
	}
}

func TestBootstrapAccountIsNeverReplacedByABootstrap(t *testing.T) {
	d := running(t, bootstrapAccount(t))
	alerted := messages.Failure{Class: messages.ClassCredentialsRefused, Phase: messages.PhaseBootstrap, Alert: new(uint8(115))}
	for attempt := range uint64(3) {
		e := d.fail(messages.BootstrapPeer(), alerted)
		checkEvent(t, e, messages.ConnectSecureConnectionFailed, attempt+1, messages.ActionRetry, testR0<<attempt)
		if e.TLSAlert == nil || *e.TLSAlert != 115 {
			t.Fatalf("%+v", e)
		}
		d.wait(messages.BootstrapPeer())
		if attempt > 0 { // refused twice: new ones can only come from files
			d.loaded(nil, nil)
		}
	}
}

// 4.29 and 5.03 to an Update: link and Location are kept, and the Update is
// repeated after max(policy, Max-Age).
func TestOverloadedServerIsLeftAlone(t *testing.T) {
	tests := []struct {
		code   messages.CoAPCode
		maxAge *time.Duration
		want   time.Duration
	}{
		{messages.TooManyRequests, nil, time.Minute},
		{messages.ServiceUnavailable, nil, time.Minute},
		{messages.TooManyRequests, new(90 * time.Second), 90 * time.Second},
		{messages.ServiceUnavailable, new(time.Duration(0)), testR0},
		{messages.TooManyRequests, new(1 << 32 * time.Second), Week},
	}
	for _, tt := range tests {
		d := running(t, serverAccount(t, server(1), 0))
		d.register(server(1))
		before := d.epoch(server(1))
		f := rejectedWith(tt.code, messages.PhaseUpdate)
		f.MaxAge = tt.maxAge
		checkEvent(t, d.report(server(1), f, true), messages.ConnectNetworkError, 1, messages.ActionRetry, tt.want)
		if d.epoch(server(1)) != before || d.machine.state != messages.StateRegistered {
			t.Fatal("the link was not kept")
		}

		// An update during a floor is not allowed, and a hint never
		// shortens it.
		if tt.want > testR0 {
			if got := d.call(messages.CallUpdate); got != messages.ConnectNotAllowed {
				t.Fatalf("%v", got)
			}
			d.step(messages.NetworkUp{})
		}
		if got := d.wait(server(1)); got != tt.want {
			t.Fatalf("%s: waited %v, want %v", tt.code, got, tt.want)
		}
		lastOrder[messages.SendUpdate](d)
	}
}

func TestOtherServerErrorRegistersTheSecondTime(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	failed := rejectedWith(messages.InternalServerError, messages.PhaseUpdate)
	checkEvent(t, d.report(server(1), failed, true), messages.ConnectNetworkError, 1, messages.ActionRetry, testR0)
	d.wait(server(1))
	lastOrder[messages.SendUpdate](d)
	checkEvent(t, d.report(server(1), failed, true), messages.ConnectNetworkError, 2, messages.ActionRegister, 2*testR0)
	d.wait(server(1))
	lastOrder[messages.SendRegister](d)
}

// One black-holed address among several cannot hide a good one: the attempt
// goes on at the next address, without a report and without a delay.
func TestAttemptTriesEveryAddress(t *testing.T) {
	addresses := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5684"), netip.MustParseAddrPort("192.0.2.2:5684"), netip.MustParseAddrPort("192.0.2.3:5684")}
	d := running(t, serverAccount(t, server(1), 0))
	for i, chosen := range addresses {
		epoch := d.epoch(server(1))
		d.step(messages.Progress{Epoch: epoch, Stage: messages.StageConnecting, Addresses: addresses, Chosen: chosen})
		if i == len(addresses)-1 {
			break
		}
		d.now = d.now.Add(time.Minute)
		d.step(messages.Failed{Failure: messages.Failure{Class: messages.ClassTimeout, Phase: messages.PhaseRegister, Peer: server(1), Epoch: epoch}})
		c := lastOrder[messages.Connect](d)
		if c.After != chosen || len(c.Addresses) != 3 {
			t.Fatalf("%+v", c)
		}
	}
	if n := len(d.errors()); n != 0 {
		t.Fatalf("%d errors within one attempt", n)
	}
	checkEvent(t, d.fail(server(1), timedOut), messages.ConnectTimeout, 1, messages.ActionRetry, testR0)
	d.wait(server(1))
	if c := lastOrder[messages.Connect](d); c.After != addresses[2] || len(c.Addresses) != 0 {
		t.Fatalf("the next attempt resolves anew and goes on after the last address: %+v", c)
	}
}

func TestAttemptOverSeveralAddressesReportsTheMostTellingFailure(t *testing.T) {
	addresses := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5684"), netip.MustParseAddrPort("192.0.2.2:5684")}
	d := running(t, serverAccount(t, server(1), 0))
	d.step(messages.Progress{Epoch: d.epoch(server(1)), Stage: messages.StageConnecting, Addresses: addresses, Chosen: addresses[0]})
	d.step(messages.Failed{Failure: messages.Failure{Class: messages.ClassServerCertificate, Phase: messages.PhaseRegister, Peer: server(1), Epoch: d.epoch(server(1))}})
	d.step(messages.Progress{Epoch: d.epoch(server(1)), Stage: messages.StageConnecting, Addresses: addresses, Chosen: addresses[1]})
	checkEvent(t, d.fail(server(1), timedOut), messages.ConnectSecureConnectionFailed, 1, messages.ActionRetry, testR0)
}

func TestNetworkHintEndsTheWaitButKeepsTheCount(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.fail(server(1), refused)
	d.step(messages.NetworkUp{})
	checkEvent(t, d.fail(server(1), refused), messages.ConnectNetworkError, 2, messages.ActionRetry, 2*testR0)
	d.now = d.now.Add(hintInterval - 1)
	d.step(messages.NetworkUp{})
	if !d.idle(server(1)) {
		t.Fatal("a second hint within five seconds was heeded")
	}
	d.now = d.now.Add(1)
	d.step(messages.NetworkUp{})
	if d.idle(server(1)) {
		t.Fatal("the hint was not heeded")
	}
}

// Go's monotonic clock stands still while Linux is suspended: what was slept
// counts as waiting, also for what a server asked for, and waking up is a hint.
func TestSleepCountsAsWaiting(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	f := rejectedWith(messages.ServiceUnavailable, messages.PhaseRegister)
	f.MaxAge = new(1280 * time.Second)
	d.fail(server(1), f)
	d.step(messages.Woke{Slept: 1000 * time.Second})
	if got := d.wait(server(1)); got != 280*time.Second {
		t.Fatalf("waited %v more", got)
	}
	d.fail(server(1), refused)
	d.now = d.now.Add(hintInterval)
	d.step(messages.Woke{Slept: time.Second})
	if d.idle(server(1)) {
		t.Fatal("the hint was not heeded")
	}
	d.register(server(1))
	d.step(messages.Woke{Slept: time.Hour})
	lastOrder[messages.SendUpdate](d)
	if want := []time.Duration{1000 * time.Second, time.Second, time.Hour}; !slices.Equal(d.naps, want) {
		t.Errorf("management was told of %v", d.naps)
	}
}

// A server that executes /1/x/9 at every registration makes no busy loop.
func TestTriggeredBootstrapsKeepADistance(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.register(server(1))
	d.step(messages.BootstrapTriggered{Epoch: d.epoch(server(1))})
	d.bootstrap()
	trigger := func() (waited time.Duration) {
		d.register(server(1))
		d.step(messages.BootstrapTriggered{Epoch: d.epoch(server(1))})
		d.step(messages.BootstrapTriggered{Epoch: d.epoch(server(1))}) // one is enough
		if d.idle(messages.BootstrapPeer()) {
			waited = d.wait(messages.BootstrapPeer())
		}
		d.bootstrap()
		return waited
	}
	for n := range 20 {
		if got, want := trigger(), min(testR0<<n, time.Hour); got != want {
			t.Fatalf("bootstrap %d came after %v, want %v", n+2, got, want)
		}
	}
	d.now = d.now.Add(time.Hour)
	if got := trigger(); got != 0 {
		t.Fatalf("after an hour without a trigger the next waited %v", got)
	}
}

func TestUpdateRequest(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	if got := d.call(messages.CallUpdate); got != messages.ConnectNotAllowed {
		t.Fatalf("%v", got)
	}
	d.register(server(1))
	if got := d.call(messages.CallUpdate); got != 0 {
		t.Fatalf("%v", got)
	}
	lastOrder[messages.SendUpdate](d)
	if e := d.newest(messages.EventError); e.Code != messages.ConnectNotAllowed || e.Phase != "api" {
		t.Fatalf("%+v", e)
	}
}

func TestStopDeregistersAndReports(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	lastOrder[messages.Deregister](d)
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	if d.stopped == nil || d.stopped.Code != 0 || len(d.live) != 0 {
		t.Fatalf("%+v, %d incarnations", d.stopped, len(d.live))
	}
	d.newest(messages.EventUnregistered)
	if d.machine.state != messages.StateStopped {
		t.Fatalf("state %s", d.machine.state)
	}
}

// The answer to an Update that was under way says nothing about the
// de-registration behind it.
func TestRefusedUpdateWhileStoppingIsNoFailedDeregistration(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	f := rejectedWith(messages.ServiceUnavailable, messages.PhaseUpdate)
	f.Peer, f.Epoch = server(1), d.epoch(server(1))
	d.step(messages.Failed{Failure: f, LinkUsable: true})
	if d.stopped != nil || len(d.errors()) != 0 {
		t.Fatalf("%+v, %+v", d.stopped, d.errors())
	}
	d.step(messages.Deregistered{Epoch: d.epoch(server(1))})
	if d.stopped == nil || d.stopped.Code != 0 {
		t.Fatalf("%+v", d.stopped)
	}
}

func TestStopIsBoundedWhenTheServerIsSilent(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
	if got := d.fire(timerStop); got != 5*time.Second {
		t.Fatalf("waited %v", got)
	}
	if d.stopped == nil || d.stopped.Code != messages.ConnectorUnregistrationFailed || len(d.live) != 0 {
		t.Fatalf("%+v", d.stopped)
	}
	if e := d.newest(messages.EventError); e.Code != messages.ConnectorUnregistrationFailed || e.Phase != "close" {
		t.Fatalf("%+v", e)
	}
}

func TestStopWithNothingToDeregister(t *testing.T) {
	states := map[string]func(*driver){
		"connecting": func(*driver) {},
		"waiting":    func(d *driver) { d.fail(server(1), refused) },
	}
	for name, reach := range states {
		t.Run(name, func(t *testing.T) {
			d := running(t, serverAccount(t, server(1), 0))
			reach(d)
			d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
			if d.stopped == nil || d.stopped.Code != messages.ConnectNotRegistered || len(d.live) != 0 {
				t.Fatalf("%+v", d.stopped)
			}
			for timer := range d.timers {
				t.Errorf("timer %s is left", timer)
			}
		})
	}
}

func TestStoreDecidesWhichAccountsCount(t *testing.T) {
	stored := accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(7), 1)})

	t.Run("what a bootstrap stored wins", func(t *testing.T) {
		d := newDriver(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		d.step(messages.Start{})
		d.loaded(stored, nil)
		if d.idle(server(7)) || !d.idle(server(1)) {
			t.Fatalf("%v", d.live)
		}
	})
	t.Run("unreadable: the configured account does, and it is reported", func(t *testing.T) {
		d := newDriver(t, serverAccount(t, server(1), 0))
		d.step(messages.Start{})
		d.loaded(nil, errors.New("input/output error"))
		if d.idle(server(1)) {
			t.Fatalf("%v", d.live)
		}
		if e := d.newest(messages.EventError); e.Code != messages.ConnectorFailedToReadCredentials || e.Phase != "store" {
			t.Fatalf("%+v", e)
		}
	})
	t.Run("unreadable and nothing configured: read again by the policy", func(t *testing.T) {
		d := newDriver(t)
		d.step(messages.Start{})
		for attempt := range uint64(3) {
			d.loaded(nil, errors.New("input/output error"))
			checkEvent(t, d.newest(messages.EventError), messages.ConnectorFailedToReadCredentials, attempt+1, messages.ActionRetry, testR0<<attempt)
			if got := d.fire(timerLoad); got != testR0<<attempt {
				t.Fatalf("waited %v", got)
			}
		}
		d.loaded(stored, nil)
		d.register(server(7))
	})
	t.Run("nothing anywhere: a person is needed, no packet leaves", func(t *testing.T) {
		d := newDriver(t)
		d.step(messages.Start{})
		d.loaded(nil, nil)
		checkEvent(t, d.newest(messages.EventError), messages.ConnectorInvalidCredentials, 1, messages.ActionUser, testR0)
		if len(d.live) != 0 {
			t.Fatalf("%v", d.live)
		}
	})
}

func TestCrashOfAnActorReplacesItsIncarnation(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.step(Crashed{Role: core.Link, Peer: server(1), Epoch: d.epoch(server(1)), Reason: errors.New("boom")})
	checkEvent(t, d.newest(messages.EventError), messages.ConnectUnknownError, 1, messages.ActionRetry, testR0)
	d.wait(server(1))
	if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeUpdate {
		t.Fatal("the crash cost the Location")
	}
}

// A crash loop slows down and is reported, also when every cycle registers;
// what was restored may be what crashes, so it is given up.
func TestCrashLoopSlowsDownAndIsReported(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	var waits []time.Duration
	for range 25 {
		d.register(server(1))
		d.step(Crashed{Role: core.Owner, Peer: server(1), Epoch: d.epoch(server(1)), Reason: errors.New("boom")})
		waits = append(waits, d.wait(server(1)))
	}
	d.newest(messages.EventDegraded)
	if b := lastOrder[messages.BeginRegistration](d); b.Mode != messages.ModeRegister {
		t.Error("the restored Location was not given up")
	}
	if waits[0] != testR0 || waits[24] < 24*time.Hour {
		t.Errorf("waits %v", waits)
	}
}

func TestSharedSiblingIsRespawnedAlone(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	for _, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
		d.step(Crashed{Role: core.Management, Reason: errors.New("boom")})
		if got := d.fire(respawnTimer(core.Management)); got != want {
			t.Fatalf("respawned after %v, want %v", got, want)
		}
	}
	d.newest(messages.EventDegraded)
	if d.machine.state != messages.StateRegistered {
		t.Fatalf("state %s", d.machine.state)
	}
}

// No lost message may strand an account.
func TestSilentIncarnationIsGivenUp(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	if got := d.fire(guardTimer(server(1))); got != 3*time.Minute+guardGrace {
		t.Fatalf("given up after %v", got)
	}
	checkEvent(t, d.newest(messages.EventError), messages.ConnectUnknownError, 1, messages.ActionRetry, testR0)
	d.wait(server(1))
	d.register(server(1))
}

func TestUndecodableMessagesAreReportedOnceASecond(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	malformed := messages.Malformed{Epoch: d.epoch(server(1)), Cause: errors.New("truncated option")}
	for range 1000 {
		d.step(malformed)
	}
	if n := len(d.errors()); n != 1 {
		t.Fatalf("%d events", n)
	}
	checkEvent(t, d.newest(messages.EventError), messages.ConnectResponseParseFailed, 1, messages.ActionIgnore, 0)
	d.now = d.now.Add(malformedInterval)
	d.step(malformed)
	if n := len(d.errors()); n != 2 {
		t.Fatalf("%d events", n)
	}
	if d.machine.state != messages.StateRegistered {
		t.Fatalf("state %s", d.machine.state)
	}
}

func TestServersAreIndependent(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	d.register(server(2))
	d.fail(server(1), refused)
	if d.idle(server(2)) || d.machine.accounts.of(server(2)).stage != stageRegistered {
		t.Fatal("a dead link disturbed another")
	}
	d.wait(server(1))
	d.register(server(1))
	if d.machine.state != messages.StateRegistered {
		t.Fatalf("state %s", d.machine.state)
	}
}

func TestOlderEpochsAreDropped(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	old := d.epoch(server(1))
	d.fail(server(1), refused)
	d.wait(server(1))
	events := len(d.events)
	stale := []any{
		messages.Failed{Failure: messages.Failure{Class: messages.ClassRefused, Peer: server(1), Epoch: old}},
		messages.Registered{Epoch: old}, messages.Updated{Epoch: old},
		messages.Progress{Epoch: old, Stage: messages.StageUp},
		messages.Bootstrapped{Epoch: old}, messages.Malformed{Epoch: old},
		Crashed{Role: core.Owner, Peer: server(1), Epoch: old, Reason: errors.New("late")},
	}
	for _, in := range stale {
		d.step(in)
	}
	if len(d.events) != events {
		t.Fatalf("late messages made events: %+v", d.events[events:])
	}
}

// Every class has a row without conditions.
func TestTableIsComplete(t *testing.T) {
	for _, class := range messages.Classes() {
		found := false
		for _, row := range table {
			if row.Class == class && len(row.Phases) == 0 && len(row.Answers) == 0 && !row.Twice {
				found = true
			}
			if row.Remedy == "" || row.Code == 0 || row.Step == 0 {
				t.Errorf("incomplete row: %+v", row)
			}
		}
		if !found {
			t.Errorf("no row without conditions for %s", class)
		}
	}
}

// An address that was resolved late is tried after those that were there.
func TestAttemptTriesLateAddresses(t *testing.T) {
	six, late := netip.MustParseAddrPort("[2001:db8::1]:5684"), netip.MustParseAddrPort("192.0.2.1:5684")
	d := running(t, serverAccount(t, server(1), 0))
	try := func(chosen netip.AddrPort, addresses ...netip.AddrPort) {
		t.Helper()
		d.step(messages.Progress{Epoch: d.epoch(server(1)), Stage: messages.StageConnecting, Addresses: addresses, Chosen: chosen})
	}
	try(six, six)
	d.step(messages.Joined{Epoch: d.epoch(server(1)), Addresses: []netip.AddrPort{late, six}})
	d.step(messages.Joined{Epoch: d.epoch(server(1)) + 1, Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:5684")}})
	d.step(messages.Failed{Failure: messages.Failure{Class: messages.ClassRefused, Phase: messages.PhaseRegister, Peer: server(1), Epoch: d.epoch(server(1))}})
	if c := lastOrder[messages.Connect](d); c.After != six || !slices.Equal(c.Addresses, []netip.AddrPort{six, late}) {
		t.Fatalf("%+v", c)
	}
	try(late, six, late)
	checkEvent(t, d.fail(server(1), timedOut), messages.ConnectNetworkError, 1, messages.ActionRetry, testR0)
}
