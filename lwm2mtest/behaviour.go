package lwm2mtest

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Kind is a kind of request that clients make, and of entry in the server's
// history.
type Kind uint8

// The kinds. Expired, Malformed and Fetch are entries of the history only.
const (
	Register         Kind = iota + 1 // POST /rd
	Update                           // POST on a Location
	Deregister                       // DELETE on a Location
	BootstrapRequest                 // POST /bs
	Send                             // POST /dp
	Other                            // anything else; answered 4.04 or 4.05
	Expired                          // a registration's lifetime ran out
	Malformed                        // a datagram that is no CoAP message
	Fetch                            // a client has begun to fetch a file; see Server.Fetches and Server.SpoilFile
	// Enrolment (RFC 9148); see Server.SetEnrolment.
	DiscoverEnrolment // GET /.well-known/core
	Authorities       // GET crts
	Enrol             // POST sen
	Reenrol           // POST sren
)

// String returns the kind's name in kebab case.
func (k Kind) String() string {
	names := [...]string{"invalid", "register", "update", "deregister", "bootstrap-request", "send", "other", "expired", "malformed", "fetch",
		"discover-enrolment", "authorities", "enrol", "reenrol"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Behaviour is how the server treats a request instead of just answering it.
// Of Silent, Reset, AckOnly and Raw, one at most makes sense. The zero value is
// good behaviour.
type Behaviour struct {
	// Answer is sent instead of processing the request, unless it is Empty.
	Answer lwm2m.Code
	// Payload goes with the answer: diagnostic text.
	Payload string
	// MaxAge goes with the answer, in seconds.
	MaxAge *uint32

	Silent  bool   // no answer at all, also not to resends
	Reset   bool   // RST
	AckOnly bool   // an empty acknowledgement, and then nothing
	Raw     []byte // this datagram, encrypted on DTLS

	// Process makes Silent, Reset, AckOnly and Raw take effect after the
	// request was processed, as if the answer had been lost.
	Process bool

	Delay           time.Duration // before the answer
	Separate        bool          // acknowledge at once, answer in a message of its own after Delay
	WithoutLocation bool          // no Location-Path in the answer to a Register
	Twice           bool          // send the answer twice
}

// processes reports whether the request is processed under this behaviour.
func (f Behaviour) processes() bool {
	if f.Answer != lwm2m.CodeEmpty {
		return false
	}
	return f.Process || !(f.Silent || f.Reset || f.AckOnly || f.Raw != nil)
}

// edit applies the behaviour to the content of an answer.
func (f Behaviour) edit(a answer) answer {
	if f.Answer != lwm2m.CodeEmpty {
		a = answer{code: f.Answer}
	}
	if f.Payload != "" {
		a.payload = []byte(f.Payload)
	}
	if f.MaxAge != nil {
		a.maxAge = f.MaxAge
	}
	if f.WithoutLocation {
		a.location = nil
	}
	return a
}

// answered returns the code that the history notes.
func (f Behaviour) answered(a answer) lwm2m.Code {
	if f.Silent || f.Reset || f.AckOnly || f.Raw != nil {
		return lwm2m.CodeEmpty
	}
	return f.edit(a).code
}

// fault is a behaviour that waits for its requests.
type fault struct {
	endpoint string // empty: any
	kind     Kind
	left     int // negative: for ever
	Behaviour
}

// Misbehave makes the server treat the next n requests of a kind and an
// endpoint in that way; an empty endpoint means any, a negative n means until
// [Server.Behave]. Behaviours queue: each request takes the first one that
// matches. Resends of a request are the same request.
func (s *Server) Misbehave(endpoint string, kind Kind, n int, f Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n != 0 {
		s.faults = append(s.faults, &fault{endpoint: endpoint, kind: kind, left: n, Behaviour: f})
	}
}

// Behave forgets all misbehaviour.
func (s *Server) Behave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// behaviour takes the behaviour for one request. The lock is held.
func (s *Server) behaviour(endpoint string, kind Kind) Behaviour {
	i := slices.IndexFunc(s.faults, func(f *fault) bool {
		return f.kind == kind && (f.endpoint == "" || f.endpoint == endpoint)
	})
	if i < 0 {
		return Behaviour{}
	}
	f := s.faults[i]
	if f.left > 0 {
		f.left--
	}
	if f.left == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return f.Behaviour
}

// SendRaw sends a datagram to a registered endpoint, encrypted on DTLS. It
// need not be CoAP. The error is ErrNotRegistered, or nil.
func (s *Server) SendRaw(endpoint string, data []byte) error {
	p, err := s.peerOf(endpoint)
	if err != nil {
		return err
	}
	s.locked(func(b *batch) { p.send(b, slices.Clone(data)) })
	return nil
}
