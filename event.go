package holdfast

import (
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/messages"
)

// Event is one thing that an application may want to know. Which fields are
// set depends on Type; the others are absent from its JSON form, which is one
// line of `holdfast run --json`. An event never carries a secret.
type Event struct {
	Time     time.Time `json:"time"`
	Seq      uint64    `json:"seq"` // from 1, without gaps, per client
	Endpoint string    `json:"endpoint"`
	Type     EventType `json:"type"`
	Server   string    `json:"server,omitempty"` // URI of the server concerned

	State    State `json:"state,omitempty"`
	Previous State `json:"previous,omitempty"`

	Code     ErrorCode `json:"code,omitempty"`
	Name     string    `json:"name,omitempty"` // the code's name
	Phase    string    `json:"phase,omitempty"`
	Attempt  uint64    `json:"attempt,omitempty"` // consecutive failures, from 1
	Detail   string    `json:"detail,omitempty"`
	CoAP     string    `json:"coap,omitempty"` // "4.03", when a response was the cause
	TLSAlert *uint8    `json:"tls_alert,omitempty"`
	Action   Action    `json:"action,omitempty"`
	// RetryInMS is set when something will be tried again; milliseconds.
	RetryInMS *int64 `json:"retry_in_ms,omitempty"`
	// WaitsForTurn says that RetryInMS is longer than the policy's delay: the
	// attempts of all accounts together have a budget.
	WaitsForTurn bool   `json:"waits_for_turn,omitempty"`
	Remedy       string `json:"remedy,omitempty"` // what a person can do

	Accounts  int    `json:"accounts,omitempty"` // management accounts that a bootstrap delivered
	Location  string `json:"location,omitempty"`
	LifetimeS int64  `json:"lifetime_s,omitempty"`
	LwM2M     string `json:"lwm2m,omitempty"`
	Attempts  uint64 `json:"attempts,omitempty"`   // attempts that it took, the successful one included
	OfflineMS *int64 `json:"offline_ms,omitempty"` // since the link was lost; absent when there was none before

	Actor    string `json:"actor,omitempty"`
	Restarts uint64 `json:"restarts,omitempty"`

	cause error // what Detail says in words; Err wraps it
}

// RetryIn returns when something will be tried again, and whether it will.
func (e Event) RetryIn() (time.Duration, bool) {
	if e.RetryInMS == nil {
		return 0, false
	}
	return time.Duration(*e.RetryInMS) * time.Millisecond, true
}

// Err returns the error that an event of type [EventError] reports, an
// *[Error], and nil for every other type. Like the errors of calls it is
// compared by meaning: errors.Is(e.Err(), ErrNetwork). errors.As reaches the
// cause, such as a *net.DNSError, a syscall.Errno, an x509.UnknownAuthorityError
// or an *[AlertError]; of an event that came as JSON, or stands in an
// [Explanation] as a transition, only the text is left.
func (e Event) Err() error {
	if e.Type != EventError {
		return nil
	}
	return &Error{Code: e.Code, Phase: e.Phase, Err: explained(e.Detail, e.cause)}
}

// AlertError says that a server ended a DTLS handshake or session with an
// alert (RFC 5246 section 7.2). During a handshake nothing proves that an alert
// is the server's: anybody on the way can send one.
type AlertError struct {
	Number      uint8  // such as 48
	Description string // the number's name in the RFCs, such as "unknown_ca"
}

// Error returns a sentence for a person.
func (e *AlertError) Error() string { return "the server sent the alert " + e.Description }

// stoppedCause is the cause of a de-registration that failed, without the
// actors' own [messages.Failure].
func stoppedCause(cause error) error {
	if f, ok := errors.AsType[*messages.Failure](cause); ok {
		return explained(f.Error(), f.Cause)
	}
	return cause
}

// explained is the error with a text and a cause. It is nil when there is
// neither.
func explained(text string, cause error) error {
	if text == "" && cause == nil {
		return nil
	}
	e := &explainedError{text: text}
	if cause != nil {
		e.causes = append(e.causes, cause)
	}
	if alert := alertIn(cause); alert != nil {
		e.causes = append(e.causes, alert)
	}
	return e
}

// explainedError has the text of an event's detail, which says more than the
// cause alone: what the server answered, for example.
type explainedError struct {
	text   string
	causes []error
}

func (e *explainedError) Error() string { return e.text }

func (e *explainedError) Unwrap() []error { return e.causes }

// alertIn finds the alert of a server, of a handshake or of a session.
func alertIn(cause error) *AlertError {
	if e, ok := errors.AsType[*network.AlertError](cause); ok {
		return &AlertError{Number: e.Number, Description: network.AlertName(e.Number)}
	}
	if e, ok := errors.AsType[*network.ClosedError](cause); ok && e.Err == nil {
		return &AlertError{Number: e.Alert, Description: network.AlertName(e.Alert)}
	}
	return nil
}

// eventOf makes of what an actor reports what an application sees.
func eventOf(m messages.Event) Event {
	return Event{
		Time: m.Time, Seq: m.Seq, Endpoint: m.Endpoint,
		Type: m.Type, Server: m.Server, State: m.State, Previous: m.Previous,
		Code: m.Code, Name: m.Name, Phase: m.Phase, Attempt: m.Attempt, Detail: m.Detail, CoAP: m.CoAP,
		TLSAlert: m.TLSAlert, Action: m.Action, RetryInMS: m.RetryInMS, WaitsForTurn: m.WaitsForTurn, Remedy: m.Remedy,
		Accounts: m.Accounts, Location: m.Location, LifetimeS: m.LifetimeS, LwM2M: m.LwM2M,
		Attempts: m.Attempts, OfflineMS: m.OfflineMS, Actor: m.Actor, Restarts: m.Restarts,
		cause: m.Cause,
	}
}
