package journal

import (
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Record is what a journal has noted, as plain values that later events do not
// change.
type Record struct {
	Since       time.Time        // when the client's state last changed
	Transitions []messages.Event // the newest last, without updates of the registration
	Servers     []Server
	ByType      map[messages.EventType]uint64
	ByError     map[ErrorKey]uint64
}

// ErrorKey is what errors are counted by.
type ErrorKey struct {
	Server string // URI, empty for what concerns no server
	Code   messages.ErrorCode
}

// Server is what has happened with one server, or, under the empty URI, with
// the store and the files that the configuration names.
type Server struct {
	URI          string
	FailingSince time.Time       // first failure of the present run; zero when attempts do not fail
	Last         *messages.Event // the newest error about it, also when it is over; may be nil
	Failures     uint64          // of attempts, since the client began
	Successes    uint64          // registrations and bootstraps
	Reconnects   uint64          // registrations after a link was lost
}

// Next returns when the last error is followed by another attempt, or zero.
func (s Server) Next() time.Time {
	if s.Last == nil {
		return time.Time{}
	}
	delay, again := s.Last.RetryIn()
	if !again {
		return time.Time{}
	}
	return s.Last.Time.Add(delay)
}

// Find returns what is known of a server, which may be nothing.
func Find(servers []Server, uri string) Server {
	for _, s := range servers {
		if s.URI == uri {
			return s
		}
	}
	return Server{}
}

// Server returns what is known of a server, which may be nothing.
func (r Record) Server(uri string) Server { return Find(r.Servers, uri) }

// Events returns how many events of a type there have been.
func (r *Record) Events(kind string) uint64 { return r.ByType[messages.EventType(kind)] }

// Errors returns how many errors of a code there have been about a server.
func (r *Record) Errors(server string, code int) uint64 {
	return r.ByError[ErrorKey{server, messages.ErrorCode(code)}]
}

// Servers returns what has been noted of every server. It does not count as
// asking: what it is about is kept in any case.
func (j *Journal) Servers() []Server {
	list := make([]Server, 0, len(j.servers))
	for i := range j.servers {
		list = append(list, j.servers[i].read(&j.book))
	}
	return list
}

// Read returns what has been noted. From now on the journal keeps as much as it
// can: whoever has asked once may ask again.
func (j *Journal) Read() Record {
	j.asked = true
	r := Record{
		Since: j.since, Servers: j.Servers(),
		ByType: make(map[messages.EventType]uint64, len(j.byType)), ByError: make(map[ErrorKey]uint64, len(j.byError)),
	}
	for _, e := range j.transitions.entries() {
		r.Transitions = append(r.Transitions, j.book.decode(e))
	}
	for _, c := range j.byType {
		r.ByType[c.kind] = c.n
	}
	for _, c := range j.byError {
		r.ByError[c.key] = c.n
	}
	return r
}

func (s *server) read(b *book) Server {
	r := Server{URI: s.uri, Failures: s.failures, Successes: s.successes, Reconnects: s.reconnects}
	if s.trouble != nil {
		last := b.decode(s.trouble.last)
		last.Time = s.trouble.at
		r.FailingSince, r.Last = s.trouble.since, &last
	}
	return r
}
