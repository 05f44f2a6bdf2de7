package storage

import (
	"errors"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/messages"
)

// absentDisk is a directory that cannot be used, until it is mended.
type absentDisk struct {
	failed error
	stored []byte
}

func (d *absentDisk) Load(string) (store.Record, error) {
	if d.stored == nil {
		return store.Record{}, store.ErrNotExist
	}
	return store.Record{Data: d.stored}, d.failed
}

func (d *absentDisk) Save(_ string, data []byte) (uint64, error) {
	if d.failed == nil {
		d.stored = data
	}
	return 1, d.failed
}

func (d *absentDisk) Delete(string) error {
	if d.failed == nil {
		d.stored = nil
	}
	return d.failed
}

func (d *absentDisk) Drop(string) error              { return d.failed }
func (d *absentDisk) SetAside(string) error          { return d.failed }
func (d *absentDisk) Names(string) ([]string, error) { return nil, d.failed }

var errUnreached = &store.WriteError{Op: "lock", Err: syscall.EROFS, Unreached: true}

// loaded is what a look at the store finds.
func loaded(s Sources) (data string, held error) {
	answer := s.load(messages.LoadAccounts{})
	return string(answer.Stored), answer.Held
}

func TestCredentialsWithoutADirectoryAreHeld(t *testing.T) {
	disk := &absentDisk{failed: errUnreached, stored: []byte("unreadable")}
	s := Sources{Records: disk, Factory: noFactory, held: &held{}}
	bootstrap := messages.Save{Token: 7, Record: messages.RecordCredentials, Data: []byte("new"), Hold: true}
	if answer := s.perform(bootstrap); answer != (core.Persisted{Token: 7, Held: errUnreached}) {
		t.Fatalf("%+v", answer)
	}
	if data, why := loaded(s); data != "new" || !errors.Is(why, errUnreached) {
		t.Errorf("read %q, %v", data, why)
	}
	write := messages.Save{Token: 8, Record: messages.RecordCredentials, Data: []byte("written")}
	if answer := s.perform(write); answer != (core.PersistFailed{Token: 8, Err: errUnreached}) {
		t.Errorf("what must be durable: %+v", answer)
	}
	if err := s.forget(); !errors.Is(err, errUnreached) {
		t.Errorf("a reset: %v", err)
	}
	disk.failed = errUnread // of another kind now, and still not written
	if data, why := loaded(s); data != "new" || !errors.Is(why, errUnread) {
		t.Errorf("read %q, %v", data, why)
	}
	disk.failed = nil
	if data, why := loaded(s); data != "new" || why != nil || string(disk.stored) != "new" {
		t.Errorf("read %q, %v, stored %q", data, why, disk.stored)
	}
	disk.stored = []byte("newer")
	if data, why := loaded(s); data != "newer" || why != nil {
		t.Errorf("read %q, %v", data, why)
	}
}

func TestWhatIsStoredOrResetIsNotHeld(t *testing.T) {
	for name, later := range map[string]func(Sources) any{
		"stored": func(s Sources) any {
			return s.perform(messages.Save{Record: messages.RecordCredentials, Data: []byte("newer")})
		},
		"reset": func(s Sources) any { return s.forget() },
	} {
		disk := &absentDisk{failed: errUnreached}
		s := Sources{Records: disk, Factory: noFactory, held: &held{}}
		s.perform(messages.Save{Record: messages.RecordCredentials, Data: []byte("old"), Hold: true})
		disk.failed = nil
		later(s)
		if data, why := loaded(s); data == "old" || why != nil {
			t.Errorf("%s: read %q, %v", name, data, why)
		}
	}
}

// A directory that has been ours has a generation before, which counts.
func TestADirectoryThatFailsLaterHoldsNothing(t *testing.T) {
	for _, err := range []error{&store.WriteError{Op: "write", Err: syscall.ENOSPC}, ErrBusy} {
		s := Sources{Records: &absentDisk{failed: err}, Factory: noFactory, held: &held{}}
		answer := s.perform(messages.Save{Token: 1, Record: messages.RecordCredentials, Data: []byte("new"), Hold: true})
		if answer != (core.PersistFailed{Token: 1, Err: err}) {
			t.Errorf("%v: %+v", err, answer)
		}
	}
}
