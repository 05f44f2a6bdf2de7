package reporting

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Spec is what a server has asked for with one Observe. Nothing of it changes while
// the observation lives.
type Spec struct {
	Peer    messages.Peer
	Token   string       // of the request; with the peer it names the observation (RFC 7641 section 4.1)
	Targets []lwm2m.Path // one, or those of an Observe-Composite request
	// Composite says that it was an Observe-Composite request, also when it has one
	// target.
	Composite bool
	Format    messages.Format // of the answer and of every notification
	Key       string          // of the request, as messages.Notify wants it
}

// Observation is one observation of one server.
type Observation struct {
	Spec
	Report
	// ID names it on a link; no two of a process have the same.
	ID uint64
	// Proven is the last link on which the server has shown that it knows of the
	// observation: by asking for it, or by acknowledging a notification.
	Proven messages.Epoch

	at    time.Time // when it is due
	index int       // in the agenda; -1 while it is not there
}

// names reports whether the spec is of the observation that a peer and a token name.
func (s Spec) names(peer messages.Peer, token string) bool { return s.Peer == peer && s.Token == token }

// same reports whether an observation is asked for that is there already.
func (s Spec) same(other Spec) bool {
	return s.names(other.Peer, other.Token) && s.Composite == other.Composite && s.Format == other.Format &&
		s.Key == other.Key && slices.Equal(s.Targets, other.Targets)
}

// name is what tells observations apart.
type name struct {
	peer  messages.Peer
	token string
}

func (s Spec) name() name { return name{s.Peer, s.Token} }
