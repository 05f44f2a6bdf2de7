package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slowDisk takes a second for everything, and notes the order.
type slowDisk struct {
	log    []string
	busy   bool
	failed error
	stored store.Record
	loaded error
	states []string
}

func (d *slowDisk) work(what string) {
	if d.busy {
		panic("two jobs at the disk at once")
	}
	d.busy = true
	time.Sleep(time.Second)
	d.busy = false
	d.log = append(d.log, what)
}

func (d *slowDisk) Load(name string) (store.Record, error) {
	d.work("load " + name)
	return d.stored, d.loaded
}

func (d *slowDisk) Save(name string, data []byte) (uint64, error) {
	d.work(fmt.Sprintf("save %s %s", name, data))
	return 1, d.failed
}

func (d *slowDisk) Delete(name string) error {
	d.work("delete " + name)
	return d.failed
}

func (d *slowDisk) Drop(name string) error {
	d.work("drop " + name)
	return d.failed
}

// ask sends requests to a storage actor and returns the answers in order.
func ask(t *testing.T, sources Sources, requests ...any) []any {
	t.Helper()
	system := actorkit.NewSystem(nil)
	storage := system.Root.Spawn(Props(sources, actorkit.PropsOptions{}))
	answers := make(chan any, len(requests))
	asker := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch message := ctx.Message().(type) {
		case []any:
			for _, request := range message {
				ctx.Request(storage, request)
			}
		case messages.AccountsLoaded, messages.CredentialsForgotten, core.Persisted, core.PersistFailed:
			answers <- message
		}
	}))
	system.Root.Send(asker, requests)
	var got []any
	for range requests {
		got = append(got, <-answers)
	}
	if err := actorkit.PoisonInOrder(context.Background(), system, asker, storage); err != nil {
		t.Error(err)
	}
	actorkit.Shutdown(system)
	time.Sleep(2 * time.Second)
	return got
}

func (d *slowDisk) SetAside(name string) error {
	d.work("set aside " + name)
	return d.failed
}

func (d *slowDisk) Names(string) ([]string, error) { return d.states, nil }

func noFactory() (*lwm2m.Tree, error) { return lwm2m.NewTree(), nil }

func TestJobsOnOneRecordAreDoneOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{}
		began := time.Now()
		got := ask(t, Sources{Records: disk, Factory: noFactory},
			messages.Save{Token: 1, Record: "credentials", Data: []byte("a")},
			messages.LoadAccounts{Token: 2},
			messages.ForgetCredentials{Token: 3},
			messages.Save{Token: 4, Record: "credentials", Data: []byte("b")},
			messages.Save{Token: 5, Record: "server", Data: []byte("c")})
		if took := time.Since(began); took != 9*time.Second { // two of them the end of the bubble
			t.Errorf("took %v", took)
		}
		want := []string{"save credentials a", "load credentials", "load server", "delete server", "delete credentials", "save credentials b", "save server c"}
		if !slices.Equal(disk.log, want) {
			t.Errorf("%q", disk.log)
		}
		if got[0] != (core.Persisted{Token: 1}) || got[2] != (messages.CredentialsForgotten{Token: 3}) || got[3] != (core.Persisted{Token: 4}) || got[4] != (core.Persisted{Token: 5}) {
			t.Errorf("%+v", got)
		}
	})
}

// slowRecords takes a second for every record, and lets them pass each other.
type slowRecords struct {
	mu  sync.Mutex
	log []string
}

func (d *slowRecords) work(what string) {
	time.Sleep(time.Second)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, what)
}

func (d *slowRecords) Load(name string) (store.Record, error) {
	d.work("load " + name)
	return store.Record{}, store.ErrNotExist
}

func (d *slowRecords) Save(name string, data []byte) (uint64, error) {
	d.work(fmt.Sprintf("save %s %s", name, data))
	return 1, nil
}

func (d *slowRecords) Delete(name string) error {
	d.work("delete " + name)
	return nil
}

func (d *slowRecords) Drop(name string) error {
	d.work("drop " + name)
	return nil
}

func (d *slowRecords) SetAside(name string) error {
	d.work("set aside " + name)
	return nil
}

func (d *slowRecords) Names(string) ([]string, error) { return nil, nil }

func TestRecordsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowRecords{}
		began := time.Now()
		ask(t, Sources{Records: disk, Factory: noFactory},
			messages.LoadAccounts{Token: 1},
			messages.Save{Token: 2, Record: "a", Data: []byte("1")},
			messages.Save{Token: 3, Record: "b", Data: []byte("2")},
			messages.Save{Token: 4, Record: "a"})
		if took := time.Since(began); took != 4*time.Second { // two of them the end of the bubble
			t.Errorf("took %v", took)
		}
		if i := slices.Index(disk.log, "save a 1"); i > 2 || !slices.Contains(disk.log[i+1:], "delete a") {
			t.Errorf("%q", disk.log)
		}
	})
}

func TestFailuresOfTheDiskComeBackAsValues(t *testing.T) {
	broken := errors.New("no space left on device")
	synctest.Test(t, func(t *testing.T) {
		got := ask(t, Sources{Records: &slowDisk{failed: broken}, Factory: noFactory},
			messages.Save{Token: 1, Record: "credentials", Data: []byte("a")}, messages.ForgetCredentials{Token: 2})
		if got[0] != (core.PersistFailed{Token: 1, Err: broken}) || got[1] != (messages.CredentialsForgotten{Token: 2, Err: broken}) {
			t.Errorf("%+v", got)
		}
	})
}

// coded is an error that says which code it has.
type coded messages.ErrorCode

func (c coded) Error() string            { return messages.ErrorCode(c).String() }
func (c coded) Code() messages.ErrorCode { return messages.ErrorCode(c) }

// older is an error about a record newer than the one that is used.
type older struct{ error }

func (older) FellBack() bool  { return true }
func (o older) Unwrap() error { return o.error }

func TestLoadTellsWhatIsMissingFromWhatIsBroken(t *testing.T) {
	unreadable := errors.New("input/output error")
	unfit := &store.ReadError{Err: unreadable, Refused: []byte("r")}
	tests := []struct {
		name    string
		disk    slowDisk
		factory error
		want    messages.AccountsLoaded
	}{
		{"nothing stored", slowDisk{loaded: store.ErrNotExist}, nil, messages.AccountsLoaded{}},
		{"stored", slowDisk{stored: store.Record{Data: []byte("x")}}, nil, messages.AccountsLoaded{Stored: []byte("x")}},
		{"an older generation", slowDisk{stored: store.Record{Data: []byte("x"), FellBack: true, Cause: unreadable}}, nil,
			messages.AccountsLoaded{Stored: []byte("x"), FellBack: true, Cause: unreadable, Unread: true}},
		{"an older generation, the newest being damaged", slowDisk{stored: store.Record{Data: []byte("x"), FellBack: true, Cause: store.DamageChecksum}}, nil,
			messages.AccountsLoaded{Stored: []byte("x"), FellBack: true, Cause: store.DamageChecksum}},
		{"content that cannot be used", slowDisk{loaded: unfit}, nil, messages.AccountsLoaded{StoredErr: unfit, Refused: []byte("r")}},
		{"an older provisioned record", slowDisk{loaded: store.ErrNotExist}, older{unreadable}, messages.AccountsLoaded{FactoryCause: unreadable}},
		{"unreadable", slowDisk{loaded: unreadable}, nil, messages.AccountsLoaded{StoredErr: unreadable}},
		{"file unusable", slowDisk{loaded: store.ErrNotExist}, coded(messages.ConnectorInvalidCredentials), messages.AccountsLoaded{FactoryClass: messages.ClassBadCredentials}},
		{"file unreadable", slowDisk{loaded: store.ErrNotExist}, coded(messages.ConnectorFailedToReadCredentials), messages.AccountsLoaded{FactoryClass: messages.ClassStoreRead}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				factory := func() (*lwm2m.Tree, error) { return lwm2m.NewTree(), tt.factory }
				got := ask(t, Sources{Records: &tt.disk, Factory: factory}, messages.LoadAccounts{Token: 9})[0].(messages.AccountsLoaded)
				if got.Token != 9 || string(got.Stored) != string(tt.want.Stored) || got.FellBack != tt.want.FellBack || got.Unread != tt.want.Unread ||
					!errors.Is(got.StoredErr, tt.want.StoredErr) || got.Cause != tt.want.Cause || string(got.Refused) != string(tt.want.Refused) ||
					got.FactoryClass != tt.want.FactoryClass || !errors.Is(got.FactoryCause, tt.want.FactoryCause) ||
					(got.FactoryErr != nil) != (tt.want.FactoryClass != 0) || got.Factory == nil {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}
