package supervisor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

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
	if got := d.fire(timerLoad); got != LoadBound {
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
	d.step(Crashed{Role: core.Store, Reason: errors.New("boom")})
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
	if d.machine.accounts.of(server(7)).stage != stageRegistered {
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

// unread starts a client whose store cannot be read and whose factory has an
// account.
func unread(t *testing.T) *driver {
	t.Helper()
	d := newDriver(t, serverAccount(t, server(1), 0))
	d.step(messages.Start{})
	d.loaded(nil, errUnread)
	return d
}

// Row 17: a store that cannot be read is looked at again by the policy, without
// end, also while the factory's account keeps the client going. No look disturbs
// the registration.
func TestUnreadableStoreIsLookedAtAgainBesideTheFactory(t *testing.T) {
	d := unread(t)
	d.register(server(1))
	epoch := d.epoch(server(1))
	for n, used := range []string{"the factory's account", "what was read before", "what was read before"} {
		e := d.newest(messages.EventError)
		if n == 0 { // the Register comes at once
			checkEvent(t, e, messages.ConnectorFailedToReadCredentials, 1, messages.ActionRegister, 0)
		} else {
			checkEvent(t, e, messages.ConnectorFailedToReadCredentials, uint64(n+1), messages.ActionRetry, testR0<<n)
		}
		if !strings.Contains(e.Detail, used) {
			t.Errorf("%s", e.Detail)
		}
		if got := d.fire(timerLoad); got != testR0<<n {
			t.Fatalf("looked again after %v", got)
		}
		d.loaded(nil, errUnread)
	}
	if d.epoch(server(1)) != epoch || d.machine.state != messages.StateRegistered || len(d.said()) != 1 {
		t.Fatal("the registration was disturbed")
	}
	// There turns out to be nothing stored: the factory's account is the right one.
	d.fire(timerLoad)
	d.loaded(nil, nil)
	if _, armed := d.timers[timerLoad]; armed || d.epoch(server(1)) != epoch {
		t.Fatal("a look is planned, or the registration was disturbed")
	}
}

// What is stored takes the place of the factory's account as soon as it can be
// read. An account that leads to the same server stays registered.
func TestStoreThatCanBeReadAgainWins(t *testing.T) {
	same := serverAccount(t, server(1), 0)
	other := same
	other.Credentials.Identity = "delivered"
	further := serverAccount(t, server(7), 1)
	tests := []struct {
		name   string
		stored []messages.Account
		stays  bool // the registration of the factory's account
		begins messages.Peer
	}{
		{"the same and a further one", []messages.Account{same, further}, true, server(7)},
		{"other credentials", []messages.Account{other}, false, server(1)},
		{"another server", []messages.Account{further}, false, server(7)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := unread(t)
			d.register(server(1))
			epoch := d.epoch(server(1))
			d.fire(timerLoad)
			d.loaded(accounts.ToTree(tt.stored), nil)
			if _, stays := d.live[epoch]; stays != tt.stays {
				t.Errorf("the factory's account stays: %v", stays)
			}
			d.register(tt.begins)
			b := lastOrder[messages.BeginRegistration](d)
			if b.Mode != messages.ModeRegister || b.Account.Peer != tt.begins || len(d.live) != len(tt.stored) {
				t.Errorf("%+v, %d live", b, len(d.live))
			}
			if _, armed := d.timers[timerLoad]; armed {
				t.Error("a look is planned, but nothing is wrong")
			}
			// From now on a look changes nothing any more.
			d.machine.load(d.now)
			d.drain()
			d.loaded(nil, errUnread)
			if d.idle(tt.begins) || d.machine.origin != fromStore {
				t.Error("a later failure of the store took the stored account away")
			}
		})
	}
}

// The generation before serves while the newest cannot be read, and gives way to
// it. When nothing is newer after all, it stays.
func TestUnreadGenerationIsLookedAtAgain(t *testing.T) {
	older := serverAccount(t, server(1), 0)
	newer := older
	newer.Credentials.Identity = "renewed"
	record := func(a messages.Account) []byte { return accounts.Encode(accounts.ToTree([]messages.Account{a})) }
	for _, found := range []messages.Account{older, newer} {
		d := wayBackDriver(t, messages.AccountsLoaded{Stored: record(older), FellBack: true, Cause: errUnread, Unread: true})
		checkEvent(t, d.newest(messages.EventError), messages.ConnectorFailedToReadCredentials, 1, messages.ActionRetry, testR0)
		d.register(server(1))
		epoch := d.epoch(server(1))
		d.fire(timerLoad)
		d.step(messages.AccountsLoaded{Token: 2, Stored: record(found), Factory: d.factory})
		b := lastOrder[messages.BeginRegistration](d)
		if b.Account.Credentials.Identity != found.Credentials.Identity {
			t.Errorf("%q is used, not %q", b.Account.Credentials.Identity, found.Credentials.Identity)
		}
		if same := found.Credentials.Identity == older.Credentials.Identity; same != (d.epoch(server(1)) == epoch) {
			t.Errorf("%s: epoch %d", found.Credentials.Identity, d.epoch(server(1)))
		}
		if _, armed := d.timers[timerLoad]; armed {
			t.Error("a look is planned, but nothing is wrong")
		}
	}
}

// A pause ends the looks, a resume begins them anew; a hint about the network is
// one for the store, too: it may lie on it.
func TestLooksPauseWithTheClient(t *testing.T) {
	d := unread(t)
	d.register(server(1))
	d.call(messages.CallPause)
	if _, armed := d.timers[timerLoad]; armed {
		t.Fatal("a paused client looks")
	}
	d.call(messages.CallResume)
	if len(d.loads) != 2 {
		t.Fatalf("%d loads", len(d.loads))
	}
	d.loaded(nil, errUnread)
	d.step(messages.NetworkUp{})
	if len(d.loads) != 3 {
		t.Fatalf("%d loads", len(d.loads))
	}
}

// What was read before a bootstrap had stored its accounts, and arrives after
// that, does not take their place: neither the accounts of before nor the
// factory's. The next look counts again.
func TestAnswerOfBeforeABootstrapIsOutdated(t *testing.T) {
	before := accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(1), 1)})
	delivered := accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(7), 1)})
	for name, answer := range map[string]struct {
		tree *lwm2m.Tree
		err  error
	}{"the accounts of before": {before, nil}, "none": {nil, nil}, "not to be read": {nil, errUnread}} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, bootstrapAccount(t), serverAccount(t, server(1), 1))
			d.step(messages.Start{})
			d.loaded(nil, errUnread)
			d.fire(timerLoad) // it is looked at again
			d.call(messages.CallBootstrap)
			d.bootstrap(delivered)
			d.loaded(answer.tree, answer.err)
			if d.machine.accounts.of(server(7)) == nil || d.machine.accounts.of(server(1)) != nil {
				t.Fatalf("the accounts are %v", d.machine.servers())
			}
			if answer.err == nil {
				return
			}
			d.fire(timerLoad)
			d.loaded(before, nil)
			if d.machine.accounts.of(server(1)) == nil {
				t.Errorf("the next look does not count")
			}
		})
	}
}
