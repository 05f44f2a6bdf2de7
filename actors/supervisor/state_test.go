package supervisor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

const stateRecord = "state-1"

// reboot returns the driver of a new process over the same store, after a time
// off.
func (d *driver) reboot(off time.Duration, configured ...messages.Account) *driver {
	d.t.Helper()
	next := newDriver(d.t, configured...)
	next.now, next.records = d.now.Add(off), d.records
	next.step(messages.Start{})
	next.loaded(nil, nil)
	return next
}

// begins returns the order with which the present attempt of a server began.
func (d *driver) begins(id messages.Peer) messages.BeginRegistration {
	d.t.Helper()
	begun := lastOrder[messages.BeginRegistration](d)
	if begun.Epoch != d.epoch(id) {
		d.t.Fatalf("the present epoch is %d, and the last to begin was %d", d.epoch(id), begun.Epoch)
	}
	return begun
}

// stored returns the record of a server.
func (d *driver) state() accounts.State {
	d.t.Helper()
	state, err := accounts.DecodeState(d.records[stateRecord])
	if err != nil {
		d.t.Fatal(err)
	}
	return state
}

// update has the server accept an Update now.
func (d *driver) update(id messages.Peer, lifetime time.Duration) {
	d.t.Helper()
	d.step(messages.Updated{Epoch: d.epoch(id), Registration: messages.Registration{
		Location: []string{"rd", "1"}, Version: "1.1", Lifetime: lifetime, Accepted: d.now,
	}})
}

func TestAStartWithinTheLifetimeBeginsWithAnUpdate(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := running(t, account)
	d.register(server(1))
	b := d.reboot(23*time.Hour, account).begins(server(1))
	if b.Mode != messages.ModeUpdate || strings.Join(b.Previous.Location, "/") != "rd/1" || b.Previous.Version != "1.1" {
		t.Fatalf("%+v", b)
	}
	if at, _ := b.Previous.Expires(); at != d.now.Add(24*time.Hour) {
		t.Errorf("expires at %v", at)
	}
}

func TestAStartWithoutAUsableStateRegisters(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	other := account
	other.Credentials.Identity = "another"
	elsewhere := account
	elsewhere.URI = mustURI(t, "coaps://dm9.example")
	for name, tt := range map[string]struct {
		off     time.Duration
		account messages.Account
	}{
		"lifetime over":     {24 * time.Hour, account},
		"other credentials": {time.Hour, other},
		"other server":      {time.Hour, elsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			d := running(t, account)
			d.register(server(1))
			if b := d.reboot(tt.off, tt.account).begins(server(1)); b.Mode != messages.ModeRegister || b.Previous != nil {
				t.Errorf("%+v", b)
			}
		})
	}
}

// A clock that has jumped says nothing about a lifetime: the server knows.
func TestAWrongClockLeadsToAnUpdate(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	for name, jump := range map[string]time.Duration{
		"back to 1970": time.Until(time.Time{}), "a day back": -24 * time.Hour, "far ahead": 20 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			d := running(t, account)
			d.register(server(1))
			if name == "back to 1970" {
				jump = time.Unix(10, 0).Sub(d.now)
			}
			next := d.reboot(jump, account)
			b := next.begins(server(1))
			if b.Mode != messages.ModeUpdate || !b.Previous.Accepted.Equal(next.now) {
				t.Errorf("%+v", b)
			}
		})
	}
	t.Run("stored in 1970", func(t *testing.T) {
		d := newDriver(t, account)
		d.now = time.Unix(10, 0)
		d.step(messages.Start{})
		d.loaded(nil, nil)
		d.register(server(1))
		if b := d.reboot(50*365*24*time.Hour, account).begins(server(1)); b.Mode != messages.ModeUpdate {
			t.Errorf("%+v", b)
		}
	})
}

// Updates that change nothing are written once an hour, and a start knows that.
func TestUpdatesAreWrittenOnceAnHour(t *testing.T) {
	const lifetime = 5 * time.Minute
	account := serverAccount(t, server(1), 0)
	account.Lifetime = lifetime
	d := running(t, account)
	d.connected(server(1))
	d.step(messages.Registered{Epoch: d.epoch(server(1)), Registration: messages.Registration{
		Location: []string{"rd", "1"}, Version: "1.1", Lifetime: lifetime, Accepted: d.now,
	}})
	began := d.written
	if b := d.reboot(lifetime, account).begins(server(1)); b.Mode != messages.ModeRegister {
		t.Errorf("before the first Update the lifetime is exact: %+v", b)
	}
	for range 24 { // 4 hours and 48 minutes
		d.now = d.now.Add(12 * time.Minute)
		d.update(server(1), lifetime)
	}
	if writes := d.written - began; writes != 5 {
		t.Errorf("%d writes", writes)
	}
	d.now = d.now.Add(time.Minute)
	if b := d.reboot(0, account).begins(server(1)); b.Mode != messages.ModeUpdate {
		t.Errorf("%+v", b)
	}
	if b := d.reboot(lifetime+2*time.Hour, account).begins(server(1)); b.Mode != messages.ModeRegister {
		t.Errorf("%+v", b)
	}
}

func TestAServerThatAsksForUpdatesCausesFewWrites(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	began := d.written
	for range 3600 {
		d.now = d.now.Add(time.Second)
		d.update(server(1), 24*time.Hour)
	}
	if writes := d.written - began; writes > 2 {
		t.Errorf("%d writes in an hour", writes)
	}
}

func TestWhatTheServerHasForgottenIsForgotten(t *testing.T) {
	for name, end := range map[string]func(d *driver){
		"stop": func(d *driver) { d.step(messages.Stop{Deadline: d.now.Add(time.Second)}) },
		"bootstrap without it": func(d *driver) {
			d.call(messages.CallBootstrap)
			d.bootstrap(accounts.ToTree([]messages.Account{bootstrapAccount(d.t), serverAccount(d.t, server(2), 1)}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := running(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
			d.register(server(1))
			if d.records[stateRecord] == nil {
				t.Fatal("nothing is stored")
			}
			end(d)
			if d.records[stateRecord] != nil {
				t.Error("the state is still stored")
			}
		})
	}
}

// A client that is stopped while its server is out of reach still is registered
// there.
func TestAStopWithoutALinkKeepsTheState(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := running(t, account)
	d.register(server(1))
	d.fail(server(1), messages.Failure{Class: messages.ClassRefused})
	d.step(messages.Stop{Deadline: d.now.Add(time.Second)})
	if b := d.reboot(time.Hour, account).begins(server(1)); b.Mode != messages.ModeUpdate {
		t.Errorf("%+v", b)
	}
}

// After a factory reset nothing that was stored before counts.
func TestAFactoryResetRegisters(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.step(messages.CallRequest{Call: messages.CallFactoryReset})
	d.step(messages.CredentialsForgotten{Token: d.resets[0].Token})
	d.loaded(nil, nil) // the driver's store has kept the record
	if b := d.begins(server(1)); b.Mode != messages.ModeRegister {
		t.Errorf("%+v", b)
	}
	d.register(server(1))
	if d.records[stateRecord] == nil {
		t.Error("the new registration is not stored")
	}
}

// A record that cannot be used costs a Register and is said.
func TestAnUnusableStateIsReported(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	damaged := errors.New("wrong checksum")
	for name, stored := range map[string]messages.StoredState{
		"unreadable": {Err: damaged},
		"damaged":    {Data: []byte("garbage")},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, account)
			d.step(messages.Start{})
			d.step(messages.AccountsLoaded{
				Token: d.loads[0].Token, Factory: d.factory, States: map[string]messages.StoredState{stateRecord: stored},
			})
			if b := d.begins(server(1)); b.Mode != messages.ModeRegister {
				t.Errorf("%+v", b)
			}
			e := d.newest(messages.EventDegraded)
			if e.Actor != "store" || e.Server != "coaps://dm1.example" || e.Cause == nil || !strings.Contains(e.Detail, e.Cause.Error()) {
				t.Errorf("%+v", e)
			}
			if stored.Err != nil && !errors.Is(e.Cause, damaged) {
				t.Errorf("cause %v", e.Cause)
			}
		})
	}
}

// A disk that fails is reported once, and the client goes on.
func TestAStateThatCannotBeStoredIsReportedOnce(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.disk = errors.New("no space left on device")
	d.register(server(1))
	d.update(server(1), 24*time.Hour)
	if got := d.errors(); len(got) != 1 || got[0].Code != messages.ConnectorFailedToStoreCredentials ||
		got[0].Action != messages.ActionNone || got[0].RetryInMS != nil || !errors.Is(got[0].Cause, d.disk) {
		t.Fatalf("%+v", got)
	}
	if d.machine.state != messages.StateRegistered || d.written != 2 {
		t.Errorf("state %s after %d writes: every accepted Update tries again", d.machine.state, d.written)
	}
	full := d.disk
	d.disk = nil
	d.update(server(1), 24*time.Hour)
	d.disk = full
	d.update(server(1), time.Hour)
	if len(d.errors()) != 2 {
		t.Error("a failure after a success is news")
	}
}

// A stop ends when the disk has answered, or with its deadline.
func TestAStopWaitsForTheDiskUntilItsDeadline(t *testing.T) {
	for name, answers := range map[string]bool{"answers": true, "hangs": false} {
		t.Run(name, func(t *testing.T) {
			d := running(t, serverAccount(t, server(1), 0))
			d.register(server(1))
			epoch := d.epoch(server(1))
			d.hung = true
			d.step(messages.Stop{Deadline: d.now.Add(5 * time.Second)})
			d.step(messages.Deregistered{Epoch: epoch})
			if d.stopped != nil {
				t.Fatal("stopped while the record says that we are registered")
			}
			if d.hung = false; answers {
				d.answerSaves()
			} else {
				d.fire(timerStop)
			}
			if d.stopped == nil || d.stopped.Code != 0 {
				t.Fatalf("%+v", d.stopped)
			}
		})
	}
}

// A restored Location whose owner crashes over it, twice, is set aside.
func TestAStateThatCrashesItsOwnerAgainIsSetAside(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := running(t, account)
	d.register(server(1))
	d = d.reboot(time.Hour, account)
	crash := func() {
		d.step(Crashed{Role: core.Owner, Peer: server(1), Epoch: d.epoch(server(1)), Reason: errors.New("boom")})
	}
	crash()
	if d.wait(server(1)); d.begins(server(1)).Mode != messages.ModeUpdate || len(d.aside) != 0 {
		t.Fatal("one crash may have had another reason")
	}
	crash()
	if d.wait(server(1)); d.begins(server(1)).Mode != messages.ModeRegister || len(d.aside) != 1 || d.aside[0] != stateRecord {
		t.Fatalf("set aside: %v", d.aside)
	}
	if d.newest(messages.EventDegraded).Detail == "" {
		t.Error("it is not said")
	}
}

// What a server has confirmed is not to blame.
func TestAConfirmedStateIsNotSetAside(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := running(t, account)
	d.register(server(1))
	d = d.reboot(time.Hour, account)
	for range 3 {
		d.connected(server(1))
		d.step(messages.Registered{Epoch: d.epoch(server(1)), ByUpdate: true, Registration: messages.Registration{
			Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: d.now,
		}})
		d.step(Crashed{Role: core.Owner, Peer: server(1), Epoch: d.epoch(server(1)), Reason: errors.New("boom")})
		d.wait(server(1))
	}
	if len(d.aside) != 0 {
		t.Errorf("set aside: %v", d.aside)
	}
}

// A supervisor that crashes again once it has been restored trusts no record.
func TestASupervisorThatKeepsCrashingSetsTheStateAside(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	first := running(t, account)
	first.register(server(1))
	d := newDriver(t, account)
	d.records = first.records
	d.machine = Resume(testConfig(), new(Memory{}.SetAside(2)))
	d.step(messages.Start{})
	d.loaded(nil, nil)
	if b := d.begins(server(1)); b.Mode != messages.ModeRegister || len(d.aside) != 1 {
		t.Errorf("%+v, set aside: %v", b, d.aside)
	}
}

// Message IDs go on over links and starts: what a link may have used is left out,
// and a record is ahead of what is in use.
func TestMessageIDsAreNotUsedAgain(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := running(t, account)
	var first []uint16
	for range 3 { // links
		first = append(first, d.firstMID)
		d.register(server(1))
		for range 20 {
			d.step(messages.MessageIDsUsed{Epoch: d.epoch(server(1))})
			if ahead := d.state().NextMID - d.firstMID; uint64(ahead) < d.used+idsLow {
				t.Fatalf("%d are in use, and the record covers %d", d.used, ahead)
			}
			d.used += messages.MessageIDBlock
		}
		d.fail(server(1), messages.Failure{Class: messages.ClassRefused})
		d.used = 0
		d.wait(server(1))
	}
	if first[0] != 100 || first[1] != 100+21*messages.MessageIDBlock || first[2] != first[1]+21*messages.MessageIDBlock {
		t.Errorf("the links began with %v", first)
	}
	covered := d.state().NextMID
	if next := d.reboot(time.Minute, account); next.firstMID != covered || next.state().NextMID != covered+messages.MessageIDBlock*8 {
		t.Errorf("%d, covered to %d; the record was at %d", next.firstMID, next.state().NextMID, covered)
	}
}

// A record that a failed write has left on the disk goes with the registration:
// else a later start would begin with a Location that the server has given up.
func TestARecordOfAFailedWriteIsRemoved(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	if d.records[stateRecord] == nil {
		t.Fatal("nothing was written")
	}
	d.disk = errors.New("full")
	d.now = d.now.Add(2 * time.Hour)
	d.update(server(1), 24*time.Hour)
	d.disk = nil
	d.step(messages.Stop{Deadline: d.now.Add(time.Second)})
	if data := d.records[stateRecord]; data != nil {
		t.Errorf("%d bytes are left", len(data))
	}
}

// The same holds for a record that was of no use when the client started.
func TestAnUnusableRecordIsRemovedWithTheRegistration(t *testing.T) {
	account := serverAccount(t, server(1), 0)
	d := running(t, account)
	d.records = map[string][]byte{stateRecord: []byte("garbage")}
	next := d.reboot(time.Hour, account)
	next.disk = errors.New("full") // it stays what it is
	next.register(server(1))
	next.disk = nil
	next.step(messages.Stop{Deadline: next.now.Add(time.Second)})
	if data := next.records[stateRecord]; data != nil {
		t.Errorf("%q is left", data)
	}
}

// The record says whether the server observes, and the first session after a start is
// told so. What the disk could not be told of observations voids the record.
func TestTheStateSpeaksOfObservations(t *testing.T) {
	account := serverAccount(t, server(1), 1)
	d := running(t, account)
	d.register(server(1))
	d.step(messages.ObservationsKept{Peer: server(1), Record: true})
	if !d.state().Observed {
		t.Fatal("the record does not say so")
	}
	next := d.reboot(time.Minute, account)
	next.connected(server(1))
	next.step(messages.Registered{Epoch: next.epoch(server(1)), ByUpdate: true, Registration: messages.Registration{
		Location: []string{"rd", "1"}, Version: "1.1", Lifetime: time.Hour, Accepted: next.now,
	}})
	if up := next.machine.sessions.at(server(1)); !up.Resumed || !up.Observed {
		t.Errorf("%+v", up)
	}
	next.step(messages.ObservationsKept{Peer: server(1), Record: true, Behind: true})
	if _, is := next.records[stateRecord]; is {
		t.Error("the record stays that is out of date")
	}
	next.update(server(1), 2*time.Hour)
	if _, is := next.records[stateRecord]; is {
		t.Error("it is written again meanwhile")
	}
	next.step(messages.ObservationsKept{Peer: server(1)})
	if next.state().Observed {
		t.Error("the record still says so")
	}
}
