package holdfast

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/messages"
)

// What the actors say to each other may change at any time, and what an
// application sees may not. Here the one becomes the other.

// eventOf makes of what an actor reports what an application sees.
func eventOf(m messages.Event) Event {
	return Event{
		Time: m.Time, Seq: m.Seq, Endpoint: m.Endpoint, Type: EventType(m.Type), Server: m.Server,
		State: State(m.State), Previous: State(m.Previous),
		Code: ErrorCode(m.Code), Name: m.Name, Phase: Phase(m.Phase), Attempt: m.Attempt, Detail: m.Detail,
		CoAP: m.CoAP, TLSAlert: m.TLSAlert, Action: Action(m.Action), NextAttempt: shifted(m.Time, m.RetryInMS, 1),
		WaitsForTurn: m.WaitsForTurn, Remedy: m.Remedy,
		Accounts: m.Accounts, Location: m.Location, Lifetime: time.Duration(m.LifetimeS) * time.Second,
		LwM2M: m.LwM2M, Attempts: m.Attempts, LostAt: shifted(m.Time, m.OfflineMS, -1),
		Session: m.Session, Expires: m.Expires, Interface: m.Interface, Actor: m.Actor, Restarts: m.Restarts, Firmware: firmwareOf(m),
		cause: m.Cause,
	}
}

// messageOf is the inverse of eventOf. The JSON form of an event is that of the
// message.
func messageOf(e Event) messages.Event {
	m := messages.Event{
		Time: e.Time, Seq: e.Seq, Endpoint: e.Endpoint, Type: messages.EventType(e.Type), Server: e.Server,
		State: messages.State(e.State), Previous: messages.State(e.Previous),
		Code: messages.ErrorCode(e.Code), Name: e.Name, Phase: string(e.Phase), Attempt: e.Attempt, Detail: e.Detail,
		CoAP: e.CoAP, TLSAlert: e.TLSAlert, Action: messages.Action(e.Action),
		WaitsForTurn: e.WaitsForTurn, Remedy: e.Remedy,
		Accounts: e.Accounts, Location: e.Location, LifetimeS: int64(e.Lifetime / time.Second),
		LwM2M: e.LwM2M, Attempts: e.Attempts, Session: e.Session, Expires: e.Expires, Interface: e.Interface, Actor: e.Actor, Restarts: e.Restarts,
		Cause: e.cause,
	}
	if delay, again := e.RetryIn(); again {
		m.RetryInMS = new(delay.Milliseconds())
	}
	if d, was := e.Offline(); was {
		m.OfflineMS = new(d.Milliseconds())
	}
	if f := e.Firmware; f != nil {
		m.Object, m.FirmwareState, m.FirmwareResult, m.Progress, m.Asks = f.Object, &f.State, &f.Result, &f.Progress, f.Asks
		if f.Total != 0 {
			m.Total = &f.Total
		}
	}
	return m
}

// firmwareOf returns what an event says of an update, or nil.
func firmwareOf(m messages.Event) *FirmwareProgress {
	if m.FirmwareState == nil {
		return nil
	}
	return &FirmwareProgress{
		Object: m.Object, State: *m.FirmwareState, Result: valueOf(m.FirmwareResult),
		Progress: valueOf(m.Progress), Total: valueOf(m.Total), Asks: m.Asks,
	}
}

// valueOf returns 0 for nil.
func valueOf(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// shifted returns t, later or earlier by so many milliseconds, and zero for
// nil.
func shifted(t time.Time, ms *int64, sign time.Duration) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return t.Add(sign * time.Duration(*ms) * time.Millisecond)
}

// MarshalJSON writes the form that docs/contract.md, Events describes.
func (e Event) MarshalJSON() ([]byte, error) { return marshal(messageOf(e)) }

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Event) UnmarshalJSON(data []byte) error {
	var m messages.Event
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	*e = eventOf(m)
	return nil
}

// marshal is json.Marshal that leaves it to the encoder around it whether <, >
// and & are escaped.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return out.Bytes(), err
}

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

// classified lets the store, which reads the factory's accounts for the
// supervisor, tell what is wrong with them.
func classified(err error) error {
	if faults, ok := errors.AsType[*CredentialsError](err); ok {
		return &classifiedError{err, messages.ErrorCode(faults.Code())}
	}
	return err
}

type classifiedError struct {
	error
	code messages.ErrorCode
}

func (e *classifiedError) Unwrap() error { return e.error }

// Code classifies the error for the recovery table.
func (e *classifiedError) Code() messages.ErrorCode { return e.code }
