package holdfast

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of what a client remembers of its events. A bootstrap may move a
// device from server to server for years.
const (
	journalTransitions = 32
	journalServers     = 16
)

// journal remembers what an explanation and the metrics need of the events of
// one client: the last transitions, the present run of failures of each server,
// and counts. The hub's mutex guards it.
type journal struct {
	since       time.Time // when the client's state last changed
	transitions []Event   // the newest last
	servers     []serverJournal
	byType      map[EventType]uint64
	byError     map[errorKey]uint64
}

// errorKey is what errors are counted by.
type errorKey struct {
	server string // URI, empty for what concerns no server
	code   ErrorCode
}

// serverJournal is what has happened with one server, or, under the empty URI,
// with the store and the files that the configuration names.
type serverJournal struct {
	server       string // URI
	touched      time.Time
	failingSince time.Time
	last         *Event // the newest error about it
	failures     uint64 // of attempts, since the client began
	successes    uint64 // registrations and bootstraps
	reconnects   uint64 // registrations after a link was lost
}

// note takes one event, numbered and dated.
func (j *journal) note(e Event) {
	j.count(e)
	switch e.Type {
	case EventState:
		j.since = e.Time
	case EventError:
		j.failed(e)
	case EventRegistered, EventBootstrapped, EventRegistrationUpdated:
		j.succeeded(e)
	}
	if e.Type != EventRegistrationUpdated { // there may be many, and they change nothing
		j.remember(e)
	}
}

func (j *journal) count(e Event) {
	if j.byType == nil {
		j.byType, j.byError = map[EventType]uint64{}, map[errorKey]uint64{}
	}
	j.byType[e.Type]++
	if e.Type != EventError {
		return
	}
	j.byError[errorKey{e.Server, e.Code}]++
}

func (j *journal) remember(e Event) {
	if len(j.transitions) == journalTransitions {
		j.transitions = slices.Delete(j.transitions, 0, 1)
	}
	e.cause = nil // it may hold a chain of certificates, or the stack of a crash
	j.transitions = append(j.transitions, e)
}

// failed notes a failed attempt. Refused calls and dropped messages are none.
func (j *journal) failed(e Event) {
	if !isAttempt(e) {
		return
	}
	s := j.server(e.Server)
	s.touched = e.Time
	if s.failingSince.IsZero() {
		s.failingSince = e.Time
	}
	s.last = &e
	s.failures++
}

// isAttempt reports whether an error is about an attempt to be connected.
func isAttempt(e Event) bool {
	api, closing := messages.PhaseAPI.String(), messages.PhaseClose.String()
	return e.Phase != api && e.Phase != closing && e.Action != messages.ActionIgnore
}

func (j *journal) succeeded(e Event) {
	s := j.server(e.Server)
	s.touched, s.failingSince = e.Time, time.Time{}
	if e.Type == EventRegistrationUpdated {
		return
	}
	s.successes++
	if e.OfflineMS != nil {
		s.reconnects++
	}
	j.forgive(e.Time)
}

// forgive ends the trouble with the store once the client makes progress, unless
// it is going to read the store again.
func (j *journal) forgive(now time.Time) {
	for i := range j.servers {
		if s := &j.servers[i]; s.server == "" && !s.next().After(now) {
			s.failingSince = time.Time{}
		}
	}
}

// next returns when the last error is followed by another attempt, or zero.
func (s *serverJournal) next() time.Time {
	if s.last == nil {
		return time.Time{}
	}
	delay, again := s.last.RetryIn()
	if !again {
		return time.Time{}
	}
	return s.last.Time.Add(delay)
}

// server returns the entry of a server. When there are too many, the one without
// news for longest is dropped.
func (j *journal) server(uri string) *serverJournal {
	if i := slices.IndexFunc(j.servers, func(s serverJournal) bool { return s.server == uri }); i >= 0 {
		return &j.servers[i]
	}
	if len(j.servers) == journalServers {
		j.forgetOldest()
	}
	j.servers = append(j.servers, serverJournal{server: uri})
	return &j.servers[len(j.servers)-1]
}

func (j *journal) forgetOldest() {
	oldest := 0
	for i, s := range j.servers {
		if s.touched.Before(j.servers[oldest].touched) {
			oldest = i
		}
	}
	gone := j.servers[oldest].server
	j.servers = slices.Delete(j.servers, oldest, oldest+1)
	maps.DeleteFunc(j.byError, func(k errorKey, _ uint64) bool { return k.server == gone })
}

// clone returns a copy that later events do not change.
func (j *journal) clone() journal {
	c := *j
	c.transitions = slices.Clone(j.transitions)
	c.servers = slices.Clone(j.servers)
	c.byType, c.byError = maps.Clone(j.byType), maps.Clone(j.byError)
	return c
}
