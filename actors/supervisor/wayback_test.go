package supervisor

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

var errUnread = errors.New("wrong checksum")

// wayBackDriver starts a client that is given the answer of the store.
func wayBackDriver(t *testing.T, answer messages.AccountsLoaded, configured ...messages.Account) *driver {
	t.Helper()
	d := newDriver(t, configured...)
	d.step(messages.Start{})
	answer.Token = d.loads[0].Token
	if answer.Factory == nil && answer.FactoryErr == nil {
		answer.Factory = d.factory
	}
	d.step(answer)
	return d
}

// wantUnread demands the event about the store, which says what is used. When
// action comes at once, it says nothing of the next look.
func wantUnread(t *testing.T, d *driver, action messages.Action, used string) {
	t.Helper()
	i := slices.IndexFunc(d.errors(), func(e messages.Event) bool { return e.Code == messages.ConnectorFailedToReadCredentials })
	if i < 0 {
		t.Fatalf("not reported: %+v", d.errors())
	}
	e := d.errors()[i]
	checkEvent(t, e, messages.ConnectorFailedToReadCredentials, 1, action, 0)
	if _, announced := e.RetryIn(); announced || !strings.Contains(e.Detail, used) || !strings.Contains(e.Detail, errUnread.Error()) {
		t.Errorf("%+v", e)
	}
}

// The steps of the way back, in order: each is taken only when those before it
// lead nowhere, and says what comes next.
func TestWayBack(t *testing.T) {
	boot, server, stored := bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(7), 1)
	older := accounts.Encode(accounts.ToTree([]messages.Account{boot, stored}))
	refused := accounts.Encode(accounts.ToTree([]messages.Account{boot}))
	badFile := errors.New("server.private_key: missing")
	tests := []struct {
		name       string
		answer     messages.AccountsLoaded
		configured []messages.Account
		begins     messages.Peer
		action     messages.Action
		used       string
		events     int
	}{
		{"the generation before",
			messages.AccountsLoaded{Stored: older, FellBack: true, Cause: errUnread},
			[]messages.Account{boot, server}, messages.ManagementPeer(7), messages.ActionNone, "the generation before is used", 1},
		{"the factory's account",
			messages.AccountsLoaded{StoredErr: errUnread, Refused: refused},
			[]messages.Account{boot, server}, messages.ManagementPeer(1), messages.ActionRegister, "the factory's account is used", 1},
		{"the factory's bootstrap account",
			messages.AccountsLoaded{StoredErr: errUnread, Refused: refused},
			[]messages.Account{boot}, messages.BootstrapPeer(), messages.ActionBootstrap, "the factory's bootstrap account is used", 1},
		{"the factory's bootstrap account, its other one being at fault",
			messages.AccountsLoaded{
				StoredErr: errUnread, FactoryErr: badFile, FactoryClass: messages.ClassBadCredentials,
				Factory: accounts.ToTree([]messages.Account{boot}),
			},
			nil, messages.BootstrapPeer(), messages.ActionBootstrap, "the factory's bootstrap account is used", 2},
		{"the bootstrap account of the record, the factory being empty",
			messages.AccountsLoaded{StoredErr: errUnread, Refused: refused},
			nil, messages.BootstrapPeer(), messages.ActionBootstrap, "its bootstrap account is used", 1},
		{"the bootstrap account of the record, the factory being unreadable",
			messages.AccountsLoaded{StoredErr: errUnread, Refused: refused, FactoryErr: badFile, FactoryClass: messages.ClassStoreRead},
			nil, messages.BootstrapPeer(), messages.ActionBootstrap, "its bootstrap account is used", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := wayBackDriver(t, tt.answer, tt.configured...)
			if look := d.timers[timerLoad]; look.IsZero() != tt.answer.FellBack || !look.IsZero() && look.Sub(d.now) != testR0 {
				t.Errorf("the next look comes at %v", look)
			}
			d.epoch(tt.begins)
			if len(d.live) != 1 || len(d.errors()) != tt.events {
				t.Errorf("live %v, events %+v", d.live, d.errors())
			}
			wantUnread(t, d, tt.action, tt.used)
		})
	}
}

// Where nothing can be had at all, no packet leaves, and the client looks again
// by the policy.
func TestWayBackToNothing(t *testing.T) {
	server := accounts.Encode(accounts.ToTree([]messages.Account{serverAccount(t, server(1), 1)}))
	for name, refused := range map[string][]byte{
		"nothing": nil, "garbage": []byte("garbage"), "no bootstrap account": server,
	} {
		d := wayBackDriver(t, messages.AccountsLoaded{StoredErr: errUnread, Refused: refused})
		checkEvent(t, d.newest(messages.EventError), messages.ConnectorFailedToReadCredentials, 1, messages.ActionRetry, testR0)
		if len(d.live) != 0 {
			t.Errorf("%s: %v", name, d.live)
		}
	}
}

// Without a record that should be there, an account of the configuration that
// is at fault keeps the client at rest: a person is needed, nobody is bypassed.
func TestPartOfAFactoryIsOnlyAWayBack(t *testing.T) {
	d := wayBackDriver(t, messages.AccountsLoaded{
		Factory:    accounts.ToTree([]messages.Account{bootstrapAccount(t)}),
		FactoryErr: errors.New("server.private_key: missing"), FactoryClass: messages.ClassBadCredentials,
	})
	checkEvent(t, d.newest(messages.EventError), messages.ConnectorInvalidCredentials, 1, messages.ActionUser, testR0)
	if len(d.live) != 0 {
		t.Errorf("%v", d.live)
	}
}

// A bootstrap account that was the last resort gives way to the factory's
// management account when that can be read.
func TestMendedFactoryEndsTheLastResort(t *testing.T) {
	boot := bootstrapAccount(t)
	d := wayBackDriver(t, messages.AccountsLoaded{
		StoredErr: errUnread, FactoryErr: errors.New("missing"), FactoryClass: messages.ClassStoreRead,
		Factory: accounts.ToTree([]messages.Account{boot}),
	})
	if d.idle(messages.BootstrapPeer()) {
		t.Fatal("no bootstrap")
	}
	d.factory = accounts.ToTree([]messages.Account{boot, serverAccount(t, server(1), 1)})
	d.fire(timerLoad)
	d.loaded(nil, errUnread)
	if d.idle(server(1)) {
		t.Fatalf("%v", d.live)
	}
}

// What the accounts of the factory and of the record make together has to hold
// too; where it does not, the record's own bootstrap account may still serve.
func TestStoredAccountsThatDoNotFitTheFactory(t *testing.T) {
	stored := accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(7), 1)})
	i, _ := stored.Instance(0, 0)
	i.ID = 5
	stored.PutInstance(0, i)
	d := wayBackDriver(t, messages.AccountsLoaded{Stored: accounts.Encode(stored)}, bootstrapAccount(t))
	if e := d.newest(messages.EventError); e.Code != messages.ConnectorFailedToReadCredentials || e.Action != messages.ActionBootstrap {
		t.Errorf("%+v", e)
	}
	if d.idle(messages.BootstrapPeer()) {
		t.Errorf("%v", d.live)
	}
}

// The bootstrap account of a record may be in another instance than the factory's,
// where a bootstrap server has written a management account to /0/0: the factory's
// takes its place there.
func TestStoredBootstrapAccountThatHasMoved(t *testing.T) {
	stored := accounts.ToTree([]messages.Account{bootstrapAccount(t), serverAccount(t, server(7), 0)})
	moved, _ := stored.Instance(0, 0)
	account, _ := stored.Instance(0, 1)
	moved.ID, account.ID = 1, 0
	stored.PutInstance(0, moved)
	stored.PutInstance(0, account)
	factory := bootstrapAccount(t)
	factory.URI = mustURI(t, "coaps://new.example")
	d := newDriver(t, factory)
	d.step(messages.Start{})
	d.loaded(stored, nil)
	if len(d.errors()) > 0 || d.idle(server(7)) {
		t.Fatalf("%+v", d.errors())
	}
	if b := d.machine.bootstrapAccount(); b.SecurityInstance != 1 || b.URI.String() != "coaps://new.example" {
		t.Errorf("%+v", b.Account)
	}
}

// A provisioned record that cannot be used is reported, though one before it
// serves.
func TestOlderProvisionedRecordIsReported(t *testing.T) {
	d := wayBackDriver(t, messages.AccountsLoaded{FactoryCause: errUnread}, serverAccount(t, server(1), 0))
	checkEvent(t, d.newest(messages.EventError), messages.ConnectorFailedToReadCredentials, 1, messages.ActionNone, 0)
	d.register(server(1))
	if _, armed := d.timers[timerLoad]; armed {
		t.Error("a look is planned, but nothing can be mended by looking")
	}
}
