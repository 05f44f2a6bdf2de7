package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// early is a certificate that is not valid yet, for so long.
func early(validIn time.Duration) messages.Failure {
	return messages.Failure{Class: messages.ClassClock, Phase: messages.PhaseRegister, ValidIn: validIn}
}

// reloads plays the look at the store that comes before the next attempt.
func (d *driver) reloads() {
	d.t.Helper()
	d.loaded(nil, nil)
}

// A certificate that is not valid yet leads to no bootstrap, and the attempt comes
// when it becomes valid, or earlier where the policy says so.
func TestWaitForACertificateToBecomeValid(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	for _, c := range []struct{ validIn, wait time.Duration }{
		{9 * time.Second, testR0},
		{4 * time.Second, 4 * time.Second},
		{time.Millisecond, time.Second},                        // a clock that is being slowed down
		{50 * 365 * 24 * time.Hour, 8 * testR0},                // 1970
		{0, 16 * testR0},                                       // expired by a wrong clock
		{33 * time.Second, 33 * time.Second}, {0, 64 * testR0}, // the count goes on
	} {
		checkEvent(t, d.fail(server(1), early(c.validIn)), messages.ConnectSecureConnectionFailed,
			d.machine.accounts.of(server(1)).outage.failures, messages.ActionRetry, c.wait)
		if waited := d.wait(server(1)); waited != c.wait {
			t.Fatalf("waited %v, want %v", waited, c.wait)
		}
		d.reloads()
	}
	if !d.idle(messages.BootstrapPeer()) {
		t.Error("a bootstrap has begun")
	}
}

// What a server asked for is kept.
func TestFloorOutlastsAnEarlyCertificate(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	busy := messages.Failure{Class: messages.ClassRejected, Phase: messages.PhaseRegister, Answer: messages.ServiceUnavailable, MaxAge: new(time.Hour)}
	d.fail(server(1), busy)
	d.step(messages.ClockStepped{})
	if !d.idle(server(1)) {
		t.Error("a step of the clock has shortened a pause")
	}
	if waited := d.wait(server(1)); waited != time.Hour {
		t.Errorf("waited %v", waited)
	}
}

// A step of the clock ends the waits that hang on it, and no others.
func TestClockStepEndsTheWaitsThatHangOnIt(t *testing.T) {
	for class, ends := range map[messages.Class]bool{
		messages.ClassClock: true, messages.ClassOwnCertificate: true, messages.ClassServerCertificate: true,
		messages.ClassTimeout: false, messages.ClassDNS: false, messages.ClassCredentialsRefused: false,
	} {
		d := running(t, serverAccount(t, server(1), 0))
		d.fail(server(1), messages.Failure{Class: class, Phase: messages.PhaseRegister})
		d.step(messages.ClockStepped{})
		if ends {
			d.reloads()
		}
		if begun := !d.idle(server(1)); begun != ends {
			t.Errorf("%s: begun %v", class, begun)
		}
	}
}

// At most one in 5 s counts, and one within them counts at their end.
func TestClockStepsAreSpacedAndNotLost(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.fail(server(1), early(time.Hour))
	d.step(messages.ClockStepped{})
	d.reloads() // the first counts at once
	for range 2 {
		d.fail(server(1), early(time.Hour))
		for range 3 {
			d.step(messages.ClockStepped{})
		}
		if waited := d.wait(server(1)); waited != hintInterval {
			t.Fatalf("waited %v", waited)
		}
		d.reloads()
	}
	d.fail(server(1), early(time.Hour))
	d.now = d.now.Add(hintInterval)
	d.step(messages.ClockStepped{})
	d.reloads()
	d.register(server(1))
}

// A clock in the future makes certificates expire, for which a bootstrap begins. When
// the clock is right again, the account tries itself.
func TestClockStepEndsTheWaitForABootstrap(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.fail(server(1), messages.Failure{Class: messages.ClassOwnCertificate, Phase: messages.PhaseRegister})
	d.wait(server(1)) // the bootstrap begins
	if d.idle(messages.BootstrapPeer()) {
		t.Fatal("no bootstrap")
	}
	d.step(messages.ClockStepped{})
	d.wait(server(1))
	d.reloads()
	d.register(server(1))
}

// Also before that the wait for it is over, and no bootstrap begins.
func TestClockStepBeforeTheBootstrap(t *testing.T) {
	d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.fail(server(1), messages.Failure{Class: messages.ClassOwnCertificate, Phase: messages.PhaseRegister})
	d.step(messages.ClockStepped{})
	d.reloads()
	d.register(server(1))
	if !d.idle(messages.BootstrapPeer()) {
		t.Error("a bootstrap has begun")
	}
}

// Files that had expired by the clock are looked at again.
func TestClockStepLooksAtTheFiles(t *testing.T) {
	d := newDriver(t)
	d.step(messages.Start{})
	d.loaded(nil, nil) // no account
	looks := len(d.loads)
	d.step(messages.ClockStepped{})
	d.fire(timerLoad)
	if len(d.loads) != looks+1 {
		t.Errorf("%d looks", len(d.loads)-looks)
	}
}

// What is known of the time: the build, the newest record, the newest certificate.
func TestKnownTime(t *testing.T) {
	leaf := func(validIn time.Duration) []byte {
		ca, err := testpki.NewAuthority("CA")
		if err != nil {
			t.Fatal(err)
		}
		issued, err := ca.Issue(testpki.Request{ValidIn: validIn})
		if err != nil {
			t.Fatal(err)
		}
		return issued.Cert.Raw
	}
	certified := serverAccount(t, server(1), 0)
	certified.Credentials = messages.Credentials{
		Mode: messages.SecurityX509, Certificate: [][]byte{leaf(0)}, ServerCertificates: [][]byte{leaf(48 * time.Hour)},
	}
	m := New(testConfig())
	check := func(what string, want time.Time) {
		t.Helper()
		if got := m.known(); got.Sub(want).Abs() > time.Minute {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("nothing", time.Time{})
	built := time.Now().Add(24 * time.Hour)
	m.config.Built = built
	check("build", built)
	m.admit(m.newAccount(certified))
	check("certificate", time.Now().Add(48*time.Hour))
	m.durableOf(server(1)).accepted = built.AddDate(1, 0, 0)
	check("record", built.AddDate(1, 0, 0))
	m.durableOf(server(1)).accepted = built.AddDate(50, 0, 0)
	check("record of a clock in the future", time.Now().Add(48*time.Hour))
}

// The record that a start finds counts, and is what the links are told.
func TestStoredRecordIsKnownToTheLinks(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	accepted := d.now
	next := newDriver(t, serverAccount(t, server(1), 0))
	next.records, next.now = d.records, time.Unix(100, 0)
	next.step(messages.Start{})
	next.loaded(nil, nil)
	if in := lastOrder[messages.Connect](next); !in.Known.Equal(accepted) {
		t.Errorf("known %v, want %v", in.Known, accepted)
	}
}

// And so is a bootstrap, which has certificates to judge.
func TestBootstrapKnowsTheTime(t *testing.T) {
	d := newDriver(t, bootstrapAccount(t))
	d.machine.config.Built = d.now.Add(time.Hour)
	d.step(messages.Start{})
	d.loaded(lwm2m.NewTree(), nil)
	if in := lastOrder[messages.BeginBootstrap](d); !in.Known.Equal(d.now.Add(time.Hour)) {
		t.Errorf("known %v", in.Known)
	}
}

// A step while an attempt is under way, which is judged by the clock as it was, is not
// lost.
func TestClockStepDuringAnAttempt(t *testing.T) {
	for _, class := range []messages.Class{messages.ClassClock, messages.ClassOwnCertificate, messages.ClassServerCertificate} {
		d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
		d.now = d.now.Add(time.Second)
		d.step(messages.ClockStepped{})
		d.now = d.now.Add(time.Second)
		f := messages.Failure{Class: class, Phase: messages.PhaseRegister}
		checkEvent(t, d.fail(server(1), f), messages.ConnectSecureConnectionFailed, 1, messages.ActionRetry, 0)
		d.wait(server(1))
		d.reloads()
		// Once: the next attempt is judged by the clock as it is.
		d.now = d.now.Add(time.Second)
		e := d.fail(server(1), f)
		if retry, _ := e.RetryIn(); retry != 2*testR0 {
			t.Errorf("%s: %v", class, retry)
		}
	}
}

// Where the policy would bootstrap at last, or wait for a day, it still waits for the
// certificate.
func TestEarlyCertificateWithExhaustedSequences(t *testing.T) {
	d := newDriver(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
	d.machine.config.PolicyKind = PolicyLwM2M
	d.step(messages.Start{})
	d.loaded(nil, nil)
	for range 12 {
		e := d.fail(server(1), early(20*time.Second))
		if retry, _ := e.RetryIn(); retry > 20*time.Second || e.Action != messages.ActionRetry {
			t.Fatalf("%+v", e)
		}
		d.wait(server(1))
		d.reloads()
	}
}
