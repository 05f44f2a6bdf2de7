package messages

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

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
	EventFirmware            EventType = "firmware"
	EventCredentialsRenewed  EventType = "credentials_renewed"
	EventMoved               EventType = "moved"
	EventNetwork             EventType = "network"
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
	Session   string `json:"session,omitempty"`    // what the link has cost, as SessionOrigin names it

	// Expires is when the new certificate does, of renewed credentials; whole seconds, UTC.
	Expires time.Time `json:"expires,omitzero"`

	Interface string `json:"interface,omitempty"` // of this machine, that is used

	Actor    string `json:"actor,omitempty"`
	Restarts uint64 `json:"restarts,omitempty"`

	// Of an update: the values that the object has (5, or 10252), as numbers. The JSON form
	// has FirmwareState as its state.
	Object         uint16 `json:"object,omitempty"`
	FirmwareState  *int64 `json:"-"`
	FirmwareResult *int64 `json:"result,omitempty"`
	Progress       *int64 `json:"progress,omitempty"` // bytes that are there
	Total          *int64 `json:"total,omitempty"`    // bytes; absent while that is not known
	Asks           string `json:"asks,omitempty"`     // what the gateway is asked, as FirmwareQuestion names it

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

// FirmwareEnded reports whether an event of an update says that it has ended, and whether
// it has failed. An installation that can be tried again has failed, and not ended.
func (e *Event) FirmwareEnded() (ended, failed bool) {
	if e.FirmwareState == nil || e.FirmwareResult == nil {
		return false, false
	}
	state, result := *e.FirmwareState, *e.FirmwareResult
	if e.Object == firmware.ObjectUpdate {
		ended = state == firmware.Object5Idle && result != firmware.Object5Initial
		kept := state == firmware.Object5Downloaded && result != firmware.Object5Initial && result != firmware.Object5Deferred
		return ended, (ended || kept) && result != firmware.Object5Success
	}
	ended = state == int64(firmware.StateIdle) && result != int64(firmware.ResultNone)
	return ended, ended && result != int64(firmware.ResultSuccess)
}

// FirmwareFetches reports whether an event of an update is about the download.
func (e *Event) FirmwareFetches() bool {
	switch {
	case e.FirmwareState == nil:
		return false
	case e.Object == firmware.ObjectUpdate:
		return *e.FirmwareState == firmware.Object5Downloading
	}
	return *e.FirmwareState == int64(firmware.StateDownloading)
}

// fieldsOf is an event without its methods, which would lead back to them.
type fieldsOf Event

// firmwareForm is the JSON form of an event of an update, whose state is a number.
type firmwareForm struct {
	fieldsOf
	State *int64 `json:"state,omitempty"`
}

// MarshalJSON writes the form that docs/contract.md, Events describes. It leaves it to the
// encoder around it whether <, > and & are escaped.
func (e Event) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if e.Type == EventFirmware {
		err := encoder.Encode(firmwareForm{fieldsOf(e), e.FirmwareState})
		return out.Bytes(), err
	}
	err := encoder.Encode(fieldsOf(e))
	return out.Bytes(), err
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Event) UnmarshalJSON(data []byte) error {
	var kind struct{ Type EventType }
	if err := json.Unmarshal(data, &kind); err != nil {
		return err
	}
	if kind.Type != EventFirmware {
		return json.Unmarshal(data, (*fieldsOf)(e))
	}
	form := firmwareForm{fieldsOf: fieldsOf(*e)}
	err := json.Unmarshal(data, &form)
	*e = Event(form.fieldsOf)
	e.FirmwareState = form.State
	return err
}
