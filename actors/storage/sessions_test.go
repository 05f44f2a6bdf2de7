package storage

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/messages"
)

// sessionShelf holds records of sessions, and says what was done to them.
type sessionShelf struct {
	Records
	data     map[string][]byte
	older    bool // the newest generation is damaged
	refuses  error
	identity [32]byte
	log      []string
}

func (s *sessionShelf) Identity() ([32]byte, bool) { return s.identity, s.identity != [32]byte{} }

// all are the names of all records.
func (s *sessionShelf) all() []string {
	names, _ := s.Names("")
	return names
}

func (s *sessionShelf) Names(prefix string) (names []string, err error) {
	for name := range s.data {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (s *sessionShelf) Load(name string) (store.Record, error) {
	if s.older {
		return store.Record{Data: s.data[name], FellBack: true, Cause: errOlder}, nil
	}
	return store.Record{Data: s.data[name]}, nil
}

func (s *sessionShelf) Save(name string, data []byte) (uint64, error) {
	s.log = append(s.log, "save "+name)
	if s.refuses == nil {
		s.data[name] = data
	}
	return 1, s.refuses
}

func (s *sessionShelf) Delete(name string) error {
	s.log = append(s.log, "delete "+name)
	delete(s.data, name)
	return nil
}

// sessionRecord is a record of a movable session, or of one that is resumed, made in a place.
func sessionRecord(place accounts.Digest, movable bool) []byte {
	direction := func(with byte) record.Direction {
		return record.Direction{Key: bytes.Repeat([]byte{with}, 16), Salt: bytes.Repeat([]byte{with}, 4), CID: []byte{with}}
	}
	state := dtls.Exported{Suite: dtls.PSKWithAES128CCM8, Proof: dtls.Proof{Kind: dtls.ProofPSK}}
	s := accounts.Session{Place: place, Since: time.Unix(1_700_000_000, 0)}
	if movable {
		state.Record = &record.State{Cipher: record.AES128CCM8, Epoch: 1, Next: 4, Sealed: 4, Write: direction(1), Read: direction(2)}
		s.Reserved = messages.SequenceBlock
	} else {
		state.Resume = &dtls.Resumption{ID: []byte{1}, Suite: state.Suite, Master: bytes.Repeat([]byte{3}, 48)}
	}
	s.State = state.Encode()
	return accounts.EncodeSession(s)
}

// A session is claimed before anybody goes on with it: what is on the disk then leaves to
// the next process what this one does not use.
func TestSessionsAreClaimed(t *testing.T) {
	here := accounts.Digest{7}
	s := &sessionShelf{identity: here, data: map[string][]byte{"session-1": sessionRecord(here, true), "session-2": sessionRecord(here, false)}}
	from := uint64(messages.SequenceBlock)
	for range 3 {
		claimed := Sources{Records: s}.sessions(s.all(), here)
		ours, err := accounts.DecodeSession(claimed["session-1"])
		if err != nil || len(claimed) != 2 {
			t.Fatalf("%v, %d claimed", err, len(claimed))
		}
		state, err := dtls.ParseExported(ours.State)
		if err != nil || state.Record.Next != from || ours.Reserved != from+messages.SequenceBlock {
			t.Fatalf("%v: goes on from %d to %d", err, state.Record.Next, ours.Reserved)
		}
		left, err := accounts.DecodeSession(s.data["session-1"])
		if err != nil || left.Reserved != ours.Reserved {
			t.Fatalf("%v: leaves what begins with %d, and uses what is below %d", err, left.Reserved, ours.Reserved)
		}
		from = ours.Reserved
	}
	if slices.ContainsFunc(s.log, func(did string) bool { return strings.HasPrefix(did, "delete") }) {
		t.Errorf("%q", s.log)
	}
}

// What is in doubt is removed, and nobody is given it.
func TestDoubtfulSessionsAreRemoved(t *testing.T) {
	here := accounts.Digest{7}
	for name, doubt := range map[string]func(*sessionShelf){
		"made elsewhere": func(s *sessionShelf) { s.data["session-1"] = sessionRecord(accounts.Digest{8}, true) },
		"nowhere":        func(s *sessionShelf) { s.identity = accounts.Digest{} },
		"older":          func(s *sessionShelf) { s.older = true },
		"unreadable":     func(s *sessionShelf) { s.data["session-1"] = []byte{1} },
		"empty":          func(s *sessionShelf) { s.data["session-1"] = nil },
		"not claimed":    func(s *sessionShelf) { s.refuses = errors.New("no space") },
	} {
		s := &sessionShelf{identity: here, data: map[string][]byte{"session-1": sessionRecord(here, true)}}
		doubt(s)
		sources := Sources{Records: s}
		if claimed := sources.sessions(s.all(), sources.place()); len(claimed) > 0 || s.data["session-1"] != nil || !slices.Contains(s.log, "delete session-1") {
			t.Errorf("%s: %d claimed, %q", name, len(claimed), s.log)
		}
	}
}

// The record of a session that is dropped does not come back: its removal waits for the
// medium.
func TestDroppedSessionIsGoneForGood(t *testing.T) {
	s := &sessionShelf{data: map[string][]byte{"session-1": {1}}}
	Sources{Records: s, held: &held{}}.perform(messages.Save{Record: "session-1"})
	if !slices.Equal(s.log, []string{"delete session-1"}) {
		t.Errorf("%q", s.log)
	}
}
