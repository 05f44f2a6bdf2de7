package storage

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/messages"
)

// shelf holds records as they were found.
type shelf struct {
	Records
	found map[string]error
	names []string
	log   []string
}

func (s *shelf) Names(prefix string) (names []string, err error) {
	for _, name := range s.names {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (s *shelf) Load(name string) (store.Record, error) {
	err := s.found[name]
	if errors.Is(err, errOlder) {
		return store.Record{Data: []byte("older"), FellBack: true, Cause: err}, nil
	}
	return store.Record{Data: []byte(name)}, err
}

func (s *shelf) Drop(name string) error {
	s.log = append(s.log, "drop "+name)
	return s.found[name]
}

func (s *shelf) Delete(name string) error {
	s.log = append(s.log, name)
	return s.found[name]
}

var (
	errOlder   = error(store.DamageChecksum)
	errUnread  = errors.New("input/output error")
	errLater   = &accounts.StateError{Reason: accounts.StateNewer}
	errMissing = store.ErrNotExist
)

// A generation before the newest is not used: its message IDs have been.
func TestStatesAreReadWholeOrNotAtAll(t *testing.T) {
	s := &shelf{
		names: []string{"state-1", "state-2", "state-3", "state-4", "state-5"},
		found: map[string]error{"state-2": errOlder, "state-3": errUnread, "state-4": errLater, "state-5": errMissing},
	}
	sources := Sources{Records: s, Factory: noFactory, held: &held{}}
	got := sources.load(messages.LoadAccounts{States: true}).States
	if len(got) != 3 || string(got["state-1"].Data) != "state-1" || got["state-1"].Err != nil ||
		got["state-2"].Data != nil || !errors.Is(got["state-2"].Err, errOlder) || !errors.Is(got["state-3"].Err, errUnread) {
		t.Errorf("%+v", got)
	}
	if states := sources.load(messages.LoadAccounts{}).States; states != nil {
		t.Errorf("%+v, and nobody asked", states)
	}
}

// What servers have written is read with the credentials, and not from a generation
// before the newest: servers have been told that the newest is durable.
func TestWhatServersWroteIsReadWholeOrNotAtAll(t *testing.T) {
	for found, want := range map[error]messages.StoredState{
		nil: {Data: []byte("server")}, errOlder: {Err: errOlder}, errUnread: {Err: errUnread, Unread: true}, errMissing: {},
	} {
		s := &shelf{found: map[string]error{"server": found}}
		got := Sources{Records: s, Factory: noFactory, held: &held{}}.load(messages.LoadAccounts{}).Written
		if string(got.Data) != string(want.Data) || !errors.Is(got.Err, want.Err) || got.Unread != want.Unread {
			t.Errorf("%v: %+v", found, got)
		}
	}
}

// A factory reset that cannot remove a state leaves the credentials that it
// belongs to.
func TestForgettingTakesTheStatesFirst(t *testing.T) {
	s := &shelf{names: []string{"state-1", "state-2"}}
	if err := (Sources{Records: s, held: &held{}}).forget(); err != nil || !slices.Equal(s.log, []string{"state-1", "state-2", "server", "credentials"}) {
		t.Errorf("%v, %v", s.log, err)
	}
	s = &shelf{names: []string{"state-1", "state-2"}, found: map[string]error{"state-1": errUnread}}
	if err := (Sources{Records: s, held: &held{}}).forget(); !errors.Is(err, errUnread) || slices.Contains(s.log, "credentials") {
		t.Errorf("%v, %v", s.log, err)
	}
}

// What may come back after a power loss is a state, and nothing else.
func TestOnlyStatesAreDropped(t *testing.T) {
	s := &shelf{}
	for _, record := range []string{"state-1", messages.RecordServer, messages.RecordCredentials} {
		if answer := (Sources{Records: s, held: &held{}}).perform(messages.Save{Token: 1, Record: record}); answer != (core.Persisted{Token: 1}) {
			t.Errorf("%s: %v", record, answer)
		}
	}
	if !slices.Equal(s.log, []string{"drop state-1", "server", "credentials"}) {
		t.Errorf("%q", s.log)
	}
}

// A record is read whole or not at all, and what is wrong with it is said.
func TestOneRecordIsRead(t *testing.T) {
	s := &shelf{found: map[string]error{"observations-2": errOlder, "observations-3": errUnread, "observations-4": errMissing}}
	sources := Sources{Records: s, Factory: noFactory, held: &held{}}
	for name, want := range map[string]messages.StoredState{
		"observations-1": {Data: []byte("observations-1")},
		"observations-2": {Err: errOlder},
		"observations-3": {Err: errUnread, Unread: true},
		"observations-4": {},
	} {
		got := sources.perform(messages.LoadRecord{Token: 7, Record: name}).(messages.RecordLoaded)
		if got.Token != 7 || string(got.Stored.Data) != string(want.Data) || !errors.Is(got.Stored.Err, want.Err) || got.Stored.Unread != want.Unread {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := failed(messages.LoadRecord{Token: 7}, ErrBusy).(messages.RecordLoaded); got.Token != 7 || !errors.Is(got.Stored.Err, ErrBusy) || !got.Stored.Unread {
		t.Errorf("a busy disk: %+v", got)
	}
}

func TestRecordsOfObservationsAreForgottenToo(t *testing.T) {
	s := &shelf{names: []string{"observations-1", "state-1"}, found: map[string]error{}}
	if err := Forget(s); err != nil || !slices.Equal(s.log, []string{"state-1", "observations-1", "server", "credentials"}) {
		t.Errorf("%v, %q", err, s.log)
	}
	sources := Sources{Records: s, Factory: noFactory, held: &held{}}
	s.log = nil
	sources.perform(messages.Save{Record: "observations-1"})
	if !slices.Equal(s.log, []string{"drop observations-1"}) {
		t.Errorf("%q", s.log)
	}
}
