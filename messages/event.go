package messages

import "time"

// EventType is the type of an [Event].
type EventType string

// The event types (docs/contract.md, Events).
const (
	EventState               EventType = "state"
	EventError               EventType = "error"
	EventBootstrapped        EventType = "bootstrapped"
	EventRegistered          EventType = "registered"
	EventRegistrationUpdated EventType = "registration_updated"
	EventUnregistered        EventType = "unregistered"
	EventDisabled            EventType = "disabled"
	EventAwake               EventType = "awake"
	EventAsleep              EventType = "asleep"
	EventDegraded            EventType = "degraded"
)

// Action is what the client does about an error.
type Action string

// The actions (docs/contract.md, Events).
const (
	ActionRetry     Action = "retry"     // the same again, after RetryIn
	ActionBootstrap Action = "bootstrap" // bootstrap for new credentials, after RetryIn
	ActionRegister  Action = "register"  // register anew, after RetryIn
	ActionIgnore    Action = "ignore"    // dropped; nothing else changes
	ActionNone      Action = "none"      // nothing is to be done
	ActionUser      Action = "user"      // a person is needed
)

// Event is one thing that an application may want to know. Which fields are
// set depends on Type; the others are absent from its JSON form, which is that
// of docs/contract.md, Events. An event never carries a secret.
type Event struct {
	Time     time.Time `json:"time"`
	Seq      uint64    `json:"seq"` // from 1, without gaps, per client
	Endpoint string    `json:"endpoint"`
	Type     EventType `json:"type"`
	Server   string    `json:"server,omitempty"` // URI of the server concerned

	State    State `json:"state,omitempty"`
	Previous State `json:"previous,omitempty"`

	Code     ErrorCode `json:"code,omitempty"`
	Name     string    `json:"name,omitempty"` // the code's name, see ErrorCode.String
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
	Remedy       string `json:"remedy,omitempty"`

	Accounts  int    `json:"accounts,omitempty"` // management accounts that a bootstrap delivered
	Location  string `json:"location,omitempty"`
	LifetimeS int64  `json:"lifetime_s,omitempty"`
	LwM2M     string `json:"lwm2m,omitempty"`
	Attempts  uint64 `json:"attempts,omitempty"`   // attempts that it took, the successful one included
	OfflineMS *int64 `json:"offline_ms,omitempty"` // since the link was lost; absent when there was none before

	Actor    string `json:"actor,omitempty"`
	Restarts uint64 `json:"restarts,omitempty"`

	// Cause is what Detail says in words, for errors.Is and errors.As; nil
	// where there is nothing but an answer or silence. It never is a [Failure].
	Cause error `json:"-"`
}

// RetryIn returns when something will be tried again, and whether it will.
func (e *Event) RetryIn() (time.Duration, bool) {
	if e.RetryInMS == nil {
		return 0, false
	}
	return time.Duration(*e.RetryInMS) * time.Millisecond, true
}

// NeedsPerson reports whether an error goes on until a person does something:
// credentials, a configuration or a clock have to be put right. What is retried
// because a network or a server may come back needs none, nor does what a bootstrap
// is to mend.
func (e *Event) NeedsPerson() bool {
	switch e.Action {
	case ActionUser:
		return true
	case ActionBootstrap, ActionIgnore, ActionNone:
		return false
	}
	return e.Code == ConnectInvalidParameters || e.Code == ConnectorInvalidCredentials || e.Code == ConnectSecureConnectionFailed
}
