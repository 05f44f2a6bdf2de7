package holdfast

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/messages"
)

// Explanation says what a client is doing, why it is not connected, and what
// comes next and when. Its String is for a person; its JSON form is the answer
// to GET /v1/explain. It carries no secret.
type Explanation struct {
	Time     time.Time `json:"time"` // of the explanation
	Endpoint string    `json:"endpoint"`
	State    State     `json:"state"`
	Since    time.Time `json:"since,omitzero"` // when the state was entered
	// Connections are the server accounts, the bootstrap account first.
	Connections []Connection `json:"connections"`
	// Trouble is set when store or credentials cannot be read or used.
	Trouble *Trouble `json:"trouble,omitempty"`
	// Transitions are the last events, at most 32, the newest last; those
	// about updates of the registration are left out. Until somebody asks for
	// the first time, a client remembers as many as fit in a few hundred bytes.
	Transitions []Event `json:"transitions"`
}

// Connection is what is known of one server account.
type Connection struct {
	Account string `json:"account"` // "bootstrap", or "server 1" with the short server ID
	Server  string `json:"server"`  // URI
	State   State  `json:"state"`
	// Location, LifetimeS (seconds; 0 is infinite) and ConfirmedAt, when the
	// server last accepted a Register or an Update, are set while it is
	// thought to know us.
	Location    string    `json:"location,omitempty"`
	LifetimeS   *int64    `json:"lifetime_s,omitempty"`
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
	// Trouble is set while attempts fail.
	Trouble *Trouble `json:"trouble,omitempty"`
	// LastError is the newest error about this server, also when it is over.
	LastError *Event `json:"last_error,omitempty"`
	// Next is set when something will be tried.
	Next *NextStep `json:"next,omitempty"`
	// Shed counts what was dropped; absent when nothing was.
	Shed *Shed `json:"shed,omitempty"`
}

// Shed counts what the links of a server have dropped, by reason.
type Shed = messages.Shed

// Trouble is a run of failures that has not ended.
type Trouble struct {
	Since    time.Time `json:"since"`    // of the first of them
	Failures uint64    `json:"failures"` // running
	Error    *Event    `json:"error"`    // the newest of them
	Next     *NextStep `json:"next,omitempty"`
}

// NextStep is what a client will do, and when.
type NextStep struct {
	Action Action    `json:"action"`
	At     time.Time `json:"at"`
	InMS   int64     `json:"in_ms"` // milliseconds from the time of the explanation, not negative
	// WaitsForTurn says that it would come sooner by the policy: the attempts
	// of all accounts together have a budget.
	WaitsForTurn bool `json:"waits_for_turn,omitempty"`
}

// Action is what a client does about an error.
type Action = messages.Action

// Explain says what the client is doing, and why.
func (c *Client) Explain() Explanation {
	status, record := c.hub.record()
	return explain(c.config.Endpoint, status, record, time.Now())
}

func explain(endpoint string, status Status, record journal.Record, now time.Time) Explanation {
	e := Explanation{
		Time: now, Endpoint: endpoint, State: status.State, Since: record.Since,
		Connections: []Connection{}, Transitions: eventsOf(record.Transitions),
	}
	for _, c := range status.Connections {
		e.Connections = append(e.Connections, explainConnection(c, record.Server(c.Server), now))
	}
	e.Trouble = storeTrouble(record.Server(""), now)
	return e
}

func explainConnection(c messages.ConnectionStatus, record journal.Server, now time.Time) Connection {
	last := lastOf(record)
	out := Connection{
		Account: c.Peer.String(), Server: c.Server, State: c.State,
		LastError: last, Next: nextStep(c.NextAttempt, last, now),
	}
	if c.Shed != (Shed{}) {
		out.Shed = &c.Shed
	}
	if out.Next != nil {
		out.Next.WaitsForTurn = c.WaitsForTurn
	}
	if c.Location != "" {
		out.Location, out.ConfirmedAt = c.Location, c.RegisteredAt
		out.LifetimeS = new(int64(c.Lifetime / time.Second))
	}
	if c.Failures > 0 && last != nil && !record.FailingSince.IsZero() {
		out.Trouble = &Trouble{Since: record.FailingSince, Failures: c.Failures, Error: last, Next: out.Next}
	}
	return out
}

// lastOf returns the last error of a server as an application sees it, or nil.
func lastOf(record journal.Server) *Event {
	if record.Last == nil {
		return nil
	}
	return new(eventOf(*record.Last))
}

func eventsOf(all []messages.Event) []Event {
	events := make([]Event, 0, len(all))
	for _, e := range all {
		events = append(events, eventOf(e))
	}
	return events
}

// storeTrouble is about what concerns no server.
func storeTrouble(record journal.Server, now time.Time) *Trouble {
	last := lastOf(record)
	if last == nil || record.FailingSince.IsZero() {
		return nil
	}
	return &Trouble{
		Since: record.FailingSince, Failures: last.Attempt, Error: last,
		Next: nextStep(record.Next(), last, now),
	}
}

// nextStep says what comes at an instant; nil when that is zero.
func nextStep(at time.Time, last *Event, now time.Time) *NextStep {
	if at.IsZero() {
		return nil
	}
	step := &NextStep{Action: messages.ActionRetry, At: at, InMS: max(at.Sub(now), 0).Milliseconds()}
	if last != nil && last.RetryInMS != nil {
		step.Action = last.Action
	}
	return step
}
