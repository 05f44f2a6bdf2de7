package journal

import (
	"slices"
	"time"
	"unsafe"

	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of what is remembered. A bootstrap may move a device from server to
// server for years.
const (
	Transitions = 32 // kept from the first Read on
	Servers     = 16
	// Unasked is how many bytes a journal takes at most, with everything that
	// only it refers to, until somebody asks: with up to two servers that fail.
	// Each further failing server takes up to 250 more.
	Unasked = 1 << 10
	// unaskedBudget leaves room for what the allocator rounds up.
	unaskedBudget = Unasked * 7 / 8
)

// Journal is what is remembered of one client. Its zero value has seen nothing.
// It is not safe for concurrent use.
type Journal struct {
	asked       bool
	since       time.Time // when the client's state last changed
	book        book
	transitions tape
	servers     []server
	byType      []typeCount
	byError     []errorCount
}

type typeCount struct {
	kind messages.EventType
	n    uint64
}

type errorCount struct {
	key ErrorKey
	n   uint64
}

// server is what has happened with one server, or, under the empty URI, with
// the store and the files that the configuration names.
type server struct {
	uri        string
	heard      uint64   // Seq of the newest event about it
	trouble    *trouble // nil until an attempt has failed
	failures   uint64   // of attempts, since the client began
	successes  uint64   // registrations and bootstraps
	reconnects uint64   // registrations after a link was lost
}

// trouble is about attempts that have failed.
type trouble struct {
	since time.Time // of the first in the present run; zero when that is over
	at    time.Time // of the newest, with the reading of the monotonic clock
	last  entry     // the newest
}

// Note takes one event, numbered and dated.
func (j *Journal) Note(e messages.Event) {
	j.count(e)
	switch e.Type {
	case messages.EventState:
		j.since = e.Time
	case messages.EventError:
		j.failed(e)
	case messages.EventRegistered, messages.EventBootstrapped, messages.EventRegistrationUpdated:
		j.succeeded(e)
	}
	if !j.routine(&e) {
		j.transitions.add(j.book.encode(e))
	}
	j.shrink()
}

// maxTexts is when a journal looks which of its texts are still referred to.
const maxTexts = 2 * Transitions

// shrink forgets the oldest transitions, as far as the bounds demand.
func (j *Journal) shrink() {
	for j.transitions.n > Transitions {
		j.transitions.dropOldest()
	}
	if len(j.book.texts) > maxTexts {
		j.rewrite()
	}
	for !j.asked && j.size() > unaskedBudget && j.transitions.n > 1 {
		for range (j.transitions.n + 3) / 4 { // a few at a time: rewriting is the work
			j.transitions.dropOldest()
		}
		j.rewrite()
	}
}

// rewrite encodes all entries anew, so that no text is kept for those that are
// gone.
func (j *Journal) rewrite() {
	var fresh book
	var transitions tape
	move := func(from entry) entry {
		e := j.book.decode(from)
		return fresh.encode(e)
	}
	for _, e := range j.transitions.entries() {
		transitions.add(move(e))
	}
	for i := range j.servers {
		if t := j.servers[i].trouble; t != nil {
			t.last = move(t.last)
		}
	}
	j.book, j.transitions = fresh, transitions
}

// size returns the bytes that the journal takes, with what only it refers to.
func (j *Journal) size() int {
	n := int(unsafe.Sizeof(*j)) + j.book.held + sizeOf(j.book.texts) + cap(j.transitions.data) +
		sizeOf(j.servers) + sizeOf(j.byType) + sizeOf(j.byError)
	for _, s := range j.servers {
		if s.trouble != nil {
			n += int(unsafe.Sizeof(*s.trouble)) + cap(s.trouble.last)
		}
	}
	return n
}

func sizeOf[T any](list []T) int { return cap(list) * int(unsafe.Sizeof(*new(T))) }

func (j *Journal) count(e messages.Event) {
	i := slices.IndexFunc(j.byType, func(c typeCount) bool { return c.kind == e.Type })
	if i < 0 {
		i, j.byType = len(j.byType), grown(j.byType, typeCount{kind: e.Type})
	}
	j.byType[i].n++
	switch {
	case e.Type != messages.EventError:
	case ofUpdate(e):
		j.countError(ErrorKey{Code: e.Code}) // servers of images come and go with each update
	default:
		j.countError(ErrorKey{e.Server, e.Code})
	}
}

func (j *Journal) countError(key ErrorKey) {
	i := slices.IndexFunc(j.byError, func(c errorCount) bool { return c.key == key })
	if i < 0 {
		i, j.byError = len(j.byError), grown(j.byError, errorCount{key: key})
	}
	j.byError[i].n++
}

// grown appends one value to a list that has few and seldom gets more: append
// would make room for twice as many.
func grown[T any](list []T, value T) []T {
	if len(list) == cap(list) {
		list = append(make([]T, 0, len(list)+1), list...)
	}
	return append(list, value)
}

// failed notes a failed attempt. Refused calls and dropped messages are none.
func (j *Journal) failed(e messages.Event) {
	if !isAttempt(e) {
		return
	}
	s := j.server(e.Server)
	s.heard = e.Seq
	s.failures++
	if s.trouble == nil {
		s.trouble = &trouble{}
	}
	if s.trouble.since.IsZero() {
		s.trouble.since = e.Time
	}
	s.trouble.at, s.trouble.last = e.Time, j.book.encode(e)
}

// routine reports whether there may be many such events, which change nothing.
func (j *Journal) routine(e *messages.Event) bool {
	switch e.Type {
	case messages.EventRegistrationUpdated, messages.EventAwake, messages.EventAsleep:
		return true
	case messages.EventFirmware:
		return j.onlyProgress(e)
	}
	return false
}

// onlyProgress reports whether an event of an update says no more than the one before, but
// for how much of the image is there.
func (j *Journal) onlyProgress(e *messages.Event) bool {
	for _, from := range slices.Backward(j.transitions.entries()) {
		was := j.book.decode(from)
		if was.Type == messages.EventFirmware {
			return was.Object == e.Object && was.Asks == e.Asks && was.Detail == e.Detail &&
				sameNumber(was.FirmwareState, e.FirmwareState) && sameNumber(was.FirmwareResult, e.FirmwareResult)
		}
	}
	return false
}

func sameNumber(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }

// isAttempt reports whether an error is about an attempt to be connected.
func isAttempt(e messages.Event) bool {
	api, closing := messages.PhaseAPI.String(), messages.PhaseClose.String()
	return e.Phase != api && e.Phase != closing && e.Action != messages.ActionIgnore && !ofUpdate(e)
}

// ofUpdate reports whether an error is about a firmware update, whose download says nothing
// about how the client stands with its servers.
func ofUpdate(e messages.Event) bool { return e.Phase == messages.PhaseFirmware.String() }

func (j *Journal) succeeded(e messages.Event) {
	s := j.server(e.Server)
	s.heard = e.Seq
	if s.trouble != nil {
		s.trouble.since = time.Time{}
	}
	if e.Type == messages.EventRegistrationUpdated {
		return
	}
	s.successes++
	if e.OfflineMS != nil {
		s.reconnects++
	}
	j.forgive(e.Time)
}

// forgive ends what was wrong with the store once the client is connected,
// unless it is going to look again.
func (j *Journal) forgive(now time.Time) {
	for i := range j.servers {
		s := &j.servers[i]
		if s.uri == "" && s.trouble != nil && !s.read(&j.book).Next().After(now) {
			s.trouble.since = time.Time{}
		}
	}
}

// server returns the entry of a server. When there are too many, the one that
// nothing has been heard of for longest is forgotten.
func (j *Journal) server(uri string) *server {
	if i := slices.IndexFunc(j.servers, func(s server) bool { return s.uri == uri }); i >= 0 {
		return &j.servers[i]
	}
	if len(j.servers) == Servers {
		j.forgetOldest()
	}
	j.servers = grown(j.servers, server{uri: uri})
	return &j.servers[len(j.servers)-1]
}

func (j *Journal) forgetOldest() {
	oldest := 0
	for i, s := range j.servers {
		if s.heard < j.servers[oldest].heard {
			oldest = i
		}
	}
	gone := j.servers[oldest].uri
	j.servers = slices.Delete(j.servers, oldest, oldest+1)
	j.byError = slices.DeleteFunc(j.byError, func(c errorCount) bool { return c.key.Server == gone })
}
