package property_test

import (
	"bytes"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/messages"
)

// memory is what one life of a client leaves to the next one.
type memory struct {
	delivered bool   // a bootstrap has been completed
	unknown   bool   // a life ended within a bootstrap: it may have been stored without a word
	record    []byte // what the latest one stored; nil when that is not known
	damaged   bool   // a record has been damaged
	intact    bool   // a generation of the credentials has not been damaged
}

// shelf is what the model knows of the store: what has to be in it, and what
// has to be said about it.
//
// What it knows of the policy: the store is read when the client starts, when
// an account waits for its credentials to be read, and when an error event has
// announced it. What cannot be read is reported in one event for each source,
// with another look, while the client goes on with what it has. A generation
// that is damaged and was fallen back from is reported without one.
type shelf struct {
	memory
	manages bool      // the client has a management account
	boots   bool      // it has a bootstrap account
	due     time.Time // when the store is read next; zero when that is not planned
	asked   time.Time // when a reading was due and a pause came
	looks   uint64    // consecutive readings that failed and announced another one
	at      time.Time // of the latest trouble
	unread  time.Time // when something could not be read, last
	expect  []say     // events about it that have to come at that instant
	refused int       // bootstraps that could not be stored and are not reported yet
	saved   bool      // the bootstrap under way is stored
	savedAt time.Time // when the latest one was
	unkept  int       // states that could not be stored, where that is not reported yet
	mute    bool      // the latest state could not be stored: the next failure is no news
}

// states returns what the store may hold, as the matrix has it.
func (s *shelf) states(provisioned bool) []matrix.StoreState {
	begun := matrix.Fresh
	if provisioned {
		begun = matrix.Provisioned
	}
	switch {
	case s.delivered:
		return []matrix.StoreState{matrix.Bootstrapped}
	case s.unknown:
		return []matrix.StoreState{begun, matrix.Bootstrapped}
	}
	return []matrix.StoreState{begun}
}

// say is an event about a store that cannot be read.
type say struct {
	attempt uint64
	retry   time.Duration
	again   bool // it announces another look
}

// overdue finds what should have come before the entry.
func (m *model) overdue(e entry) {
	s := &m.shelf
	if (len(s.expect) > 0 || s.refused > 0 || s.unkept > 0) && s.at.Before(e.at) {
		m.failf(e, "trouble with the disk at %v was not reported", s.at)
		s.expect, s.refused, s.unkept = nil, 0, 0
	}
	if !s.due.IsZero() && s.due.Before(e.at) {
		m.failf(e, "the store was not read at %v", s.due)
		s.due = time.Time{}
	}
}

// asked takes the order to read the store. Where no reading is due by itself, an
// account wants to know its credentials anew before it begins.
func (m *model) asked(e entry) {
	if m.b.due.Equal(e.at) && !m.shelf.due.Equal(e.at) {
		m.b.reads = e.at
	}
}

// loaded takes what the client has read. Accounts that are new begin at once.
func (m *model) loaded(e entry) {
	s, in := &m.shelf, e.loaded
	awaited := slices.ContainsFunc(m.everyone(), func(t *track) bool { return t.due.Equal(e.at) })
	if !s.due.Equal(e.at) && !awaited && !m.resumedAt.Equal(e.at) && !s.asked.Equal(e.at) {
		m.failf(e, "the store was read out of turn; due at %v", s.due)
	}
	s.due, s.at = time.Time{}, e.at
	if e.faulty {
		s.unread = e.at
	}
	m.intact(e)
	managed, booted := s.manages, s.boots
	s.manages = managed || !m.plan.Setup.boots() || in.Stored != nil
	s.boots = booted || m.plan.Setup.boots() && (in.Stored != nil || in.Factory != nil)
	m.announce(e, managed)
	switch {
	case m.paused:
	case s.manages:
		m.start(e)
	case s.boots && !booted:
		m.beginNow(e, &m.b)
	}
}

// sound reports whether the newest credentials were read, or there are none.
func sound(in messages.AccountsLoaded) bool { return in.StoredErr == nil && !in.FellBack }

// intact demands that what was stored is found, or that the disk is to blame.
func (m *model) intact(e entry) {
	s, in := &m.shelf, e.loaded
	if s.savedAt.Equal(e.at) && s.record != nil && !bytes.Equal(in.Stored, s.record) {
		return // it had been read before that bootstrap was stored
	}
	switch {
	case !sound(in) && !e.faulty && !s.damaged, in.FactoryErr != nil && !e.faulty:
		m.failf(e, "a sound disk cannot be read")
	case s.intact && !e.faulty && in.Stored == nil:
		m.failf(e, "an intact generation was not used")
	case sound(in) && s.delivered && in.Stored == nil:
		m.failf(e, "what a bootstrap delivered is lost")
	case sound(in) && s.record != nil && !bytes.Equal(in.Stored, s.record):
		m.failf(e, "what a bootstrap delivered has been replaced")
	}
	if sound(in) {
		s.delivered, s.unknown, s.record = in.Stored != nil, false, in.Stored
	}
}

// announce notes which events have to come about what could not be read. A store
// that cannot be read at all is looked at again, and so is the factory's record;
// a damaged generation that was fallen back from is only reported. Without any account
// there is one event, whatever the reason, and another look. The event names that
// look unless an attempt comes first: where no management account is in use yet.
func (m *model) announce(e entry, managed bool) {
	s, in := &m.shelf, e.loaded
	usable := s.manages || s.boots
	unread := !usable || in.StoredErr != nil || in.Unread // the first trouble is looked at again
	if s.looks++; !unread && in.FactoryErr == nil {
		s.looks = 0
	}
	retry := systemtest.Delay(m.plan.R0, max(s.looks, 1)-1) // whatever the policy of the accounts
	named := func(named bool) say {
		if !named {
			return say{attempt: max(s.looks, 1)}
		}
		return say{attempt: s.looks, retry: retry, again: true}
	}
	if s.looks > 0 {
		s.due = e.at.Add(retry)
	}
	if !usable || !sound(in) {
		s.expect = append(s.expect, named(!usable || in.Unread || unread && managed))
	}
	if usable && in.FactoryErr != nil {
		s.expect = append(s.expect, named(true))
	}
}

// unreadable takes an event about the store.
func (m *model) unreadable(e entry) {
	s := &m.shelf
	if len(s.expect) == 0 {
		m.failf(e, "nothing was wrong with the store")
		return
	}
	want := s.expect[0]
	s.expect = s.expect[1:]
	retry, again := e.event.RetryIn()
	if got := (say{attempt: e.event.Attempt, retry: retry, again: again}); got != want {
		m.failf(e, "it should be %+v", want)
	}
	if e.event.Code != holdfast.CodeReadCredentials {
		m.failf(e, "its code should be %d", holdfast.CodeReadCredentials)
	}
}

// saved takes a bootstrap that is stored: from now on it must not get lost.
func (m *model) saved(e entry) {
	m.shelf.saved, m.shelf.savedAt, m.shelf.record = true, e.at, e.record
}

// refused takes a bootstrap that could not be stored.
func (m *model) refused(e entry) {
	s := &m.shelf
	s.refused, s.at = s.refused+1, e.at
	if !e.faulty {
		m.failf(e, "a sound disk stored nothing")
	}
}

// unstored takes the one event of a bootstrap that could not be stored.
func (m *model) unstored(e entry) {
	s := &m.shelf
	if e.event.Code != holdfast.CodeStoreCredentials {
		return
	}
	if s.refused == 0 {
		m.failf(e, "nothing was to be stored")
		return
	}
	s.refused--
}

// lost takes a state that could not be stored, which is reported until one can be.
func (m *model) lost(e entry) {
	s := &m.shelf
	if !e.faulty {
		m.failf(e, "a sound disk stored nothing")
	}
	if !s.mute {
		s.mute, s.at = true, e.at
		s.unkept++
	}
}

// unkept takes the event about that. It is no failed attempt.
func (m *model) unkept(e entry) {
	s := &m.shelf
	if s.unkept == 0 {
		m.failf(e, "no state was lost, or that has been said")
		return
	}
	s.unkept--
	if _, again := e.event.RetryIn(); again || e.event.Attempt != 1 {
		m.failf(e, "it should be said once, and nothing waits for it")
	}
}

// delivered takes a bootstrap that has ended.
func (m *model) delivered(e entry) {
	s := &m.shelf
	if !s.saved {
		m.failf(e, "what was delivered is not stored")
	}
	s.delivered, s.manages, s.saved = true, true, false
}
