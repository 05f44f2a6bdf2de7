package supervisor

import (
	"net/netip"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

func addresses(n int) (all []netip.AddrPort) {
	for i := range n {
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 5684))
	}
	return all
}

// The time that is left is shared by the addresses that are left, at least ten
// seconds each, and never beyond the end of the attempt.
func TestAttemptSharesItsTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		left         time.Duration
		known, tried int
		want         time.Duration
	}{
		{3 * time.Minute, 0, 0, 3 * time.Minute}, // not resolved yet: network shares it itself
		{3 * time.Minute, 1, 0, 3 * time.Minute},
		{3 * time.Minute, 3, 0, time.Minute},
		{2 * time.Minute, 3, 1, time.Minute},
		{time.Minute, 3, 2, time.Minute},
		{time.Minute, 3, 3, time.Minute},
		{time.Minute, 8, 0, 10 * time.Second},
		{5 * time.Second, 8, 6, 5 * time.Second},
	}
	for _, tt := range tests {
		a := attempt{deadline: now.Add(tt.left), addresses: addresses(tt.known), tried: tt.tried}
		if got := a.share(now).Sub(now); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// The addresses of one attempt are those that were resolved first; the next one
// begins after the one that was tried last.
func TestAttemptIteratesOverAddresses(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	all := addresses(3)
	a := attempt{deadline: now.Add(time.Minute)}
	refused := &messages.Failure{Class: messages.ClassRefused}
	if a.goesOn(now, refused) {
		t.Error("goes on without an address")
	}
	for i, address := range all {
		a.connecting(all, address)
		if got := a.goesOn(now, refused); got != (i < 2) {
			t.Errorf("after %d addresses: goes on %v", i+1, got)
		}
	}
	a.connecting(addresses(8), all[0]) // resolved anew: the attempt keeps to its list
	if len(a.addresses) != 3 || a.tried != 4 {
		t.Errorf("%+v", a)
	}
	next := a.next(now.Add(time.Hour))
	if next.chosen != all[0] || next.tried != 0 || next.addresses != nil || next.answered || !next.deadline.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", next)
	}
}

func TestAttemptEndsAtTheFirstAddress(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	fresh := attempt{deadline: now.Add(time.Minute), addresses: addresses(2), tried: 1}
	answered := fresh
	answered.answered = true
	tests := []struct {
		name    string
		attempt attempt
		class   messages.Class
		now     time.Time
		want    bool
	}{
		{"refused", fresh, messages.ClassRefused, now, true},
		{"an answer", fresh, messages.ClassRejected, now, false},
		{"a crash", fresh, messages.ClassCrash, now, false},
		{"after an answer", answered, messages.ClassRefused, now, false},
		{"out of time", fresh, messages.ClassRefused, now.Add(time.Minute), false},
	}
	for _, tt := range tests {
		if got := tt.attempt.goesOn(tt.now, &messages.Failure{Class: tt.class}); got != tt.want {
			t.Errorf("%s: goes on %v", tt.name, got)
		}
	}
}

func TestAttemptReportsWhatTellsMost(t *testing.T) {
	tests := []struct {
		seen []messages.Class
		want messages.Class
	}{
		{[]messages.Class{messages.ClassTimeout, messages.ClassRefused}, messages.ClassRefused},
		{[]messages.Class{messages.ClassRefused, messages.ClassTimeout}, messages.ClassRefused},
		{[]messages.Class{messages.ClassRefused, messages.ClassAlert, messages.ClassTimeout}, messages.ClassAlert},
		{[]messages.Class{messages.ClassAlert, messages.ClassServerCertificate}, messages.ClassAlert},
	}
	for _, tt := range tests {
		var a attempt
		for _, class := range tt.seen {
			a.note(messages.Failure{Class: class})
		}
		if got := a.outcome(); got.Class != tt.want || a.worst != nil {
			t.Errorf("%v: %v, %v left", tt.seen, got.Class, a.worst)
		}
	}
}

// A Register on a link that works is no attempt at the addresses of the one that
// brought the link up, however short ago that was: what fails goes by the policy.
func TestARegisterOnTheSameLinkTriesNoOtherAddress(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1))
	d.progressTo(server(1), "192.0.2.1:5683", "192.0.2.2:5683")
	epoch := d.epoch(server(1))
	d.step(messages.Registered{Epoch: epoch, Registration: messages.Registration{Location: []string{"rd"}, Lifetime: time.Hour, Accepted: d.now}})
	d.step(messages.Reregistering{Epoch: epoch})
	e := d.fail(server(1), messages.Failure{Class: messages.ClassUnreachable, Phase: messages.PhaseRegister})
	checkEvent(t, e, messages.ConnectNetworkError, 1, messages.ActionRetry, d.wait(server(1)))
}

// The only address that was known at first has the whole attempt, until another one is
// resolved: then it has its part of what is left.
func TestAnAddressThatComesLateHasItsShare(t *testing.T) {
	late := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:5683")}
	alone := func() *driver {
		d := running(t, serverAccount(t, server(1), 1))
		first := netip.MustParseAddrPort("192.0.2.1:5683")
		d.step(messages.Progress{
			Epoch: d.epoch(server(1)), Stage: messages.StageConnecting, Addresses: []netip.AddrPort{first}, Chosen: first,
		})
		d.now = d.now.Add(time.Second)
		d.step(messages.Joined{Epoch: d.epoch(server(1)), Addresses: late})
		return d
	}
	d := alone()
	epoch := d.epoch(server(1))
	if took, want := d.fire(shareTimer(server(1))), (testConfig().Budget-time.Second)/2; took != want {
		t.Errorf("after %v, want %v", took, want)
	}
	if d.epoch(server(1)) == epoch || len(d.errors()) > 0 {
		t.Errorf("it does not go on: %v", d.errors())
	}
	d = alone()
	epoch = d.epoch(server(1))
	d.step(messages.Registered{Epoch: epoch, Registration: messages.Registration{Location: []string{"rd"}, Lifetime: time.Hour, Accepted: d.now}})
	if _, armed := d.timers[shareTimer(server(1))]; armed {
		t.Error("a registered client goes on to another address")
	}
}

// While a link waits for its turn to shake hands no time of the attempt passes, for its
// guard and for the shares of late addresses; and the account says what it waits for.
func TestWaitForAHandshakeDoesNotCount(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 1))
	epoch, first := d.epoch(server(1)), netip.MustParseAddrPort("192.0.2.1:5684")
	d.step(messages.Progress{Epoch: epoch, Stage: messages.StageConnecting, Addresses: []netip.AddrPort{first}, Chosen: first})
	deadline := d.machine.live(epoch).attempt.deadline
	d.step(messages.Joined{Epoch: epoch, Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:5684")}})
	d.step(messages.Postponed{Epoch: epoch + 1, By: time.Hour, Waits: true})
	d.step(messages.Postponed{Epoch: epoch, By: time.Hour, Waits: true})
	s := d.machine.snapshot().Connections[0]
	if s.WaitsFor != messages.WaitsForAdmission || !s.Attempt.Step.Turn.Equal(d.now) {
		t.Errorf("it waits for %q since %v", s.WaitsFor, s.Attempt.Step.Turn)
	}
	d.now = d.now.Add(50 * time.Minute)
	d.step(messages.Postponed{Epoch: epoch, By: -10 * time.Minute})
	s = d.machine.snapshot().Connections[0]
	if s.WaitsFor != messages.WaitsForNothing || !s.Attempt.Step.Turn.IsZero() || !s.Attempt.Deadline.Equal(deadline.Add(50*time.Minute)) {
		t.Errorf("it waits for %q since %v, until %v", s.WaitsFor, s.Attempt.Step.Turn, s.Attempt.Deadline)
	}
	if took, want := d.fire(shareTimer(server(1))), testConfig().Budget/2; took != want {
		t.Errorf("the share ends after %v, want %v", took, want)
	}
}
