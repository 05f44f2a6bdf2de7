package holdfast

import (
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// ErrorCode is the number of an error. Numbers and names are those of the
// reference behaviour (docs/recovery.md, which also says what is done about
// each).
type ErrorCode int

// The error codes, each with the name that events and String give it. Code 1
// was never used.
const (
	CodeBootstrapFailed    ErrorCode = 2  // ConnectBootstrapFailed: the bootstrap server refused, or what it delivered cannot be used
	CodeInvalidParameters  ErrorCode = 3  // ConnectInvalidParameters: the configuration is invalid, or a server refused the registration's parameters
	CodeInvalidCredentials ErrorCode = 4  // ConnectorInvalidCredentials: own credentials cannot be used
	CodeNotRegistered      ErrorCode = 5  // ConnectNotRegistered: there is no registration to end
	CodeTimeout            ErrorCode = 6  // ConnectTimeout: nothing came back
	CodeNetwork            ErrorCode = 7  // ConnectNetworkError: refused, unreachable, closed, or an error of the server's
	CodeResponseParse      ErrorCode = 8  // ConnectResponseParseFailed: a message that breaks the protocol
	CodeUnknown            ErrorCode = 9  // ConnectUnknownError: nothing else fits, such as a crash
	CodeMemory             ErrorCode = 10 // ConnectMemoryConnectFail: a limit of the configuration is exceeded
	CodeNotAllowed         ErrorCode = 11 // ConnectNotAllowed: the state does not allow the call
	CodeSecureConnection   ErrorCode = 12 // ConnectSecureConnectionFailed: the DTLS handshake was refused, by us or the server
	CodeDNS                ErrorCode = 13 // ConnectDnsResolvingFailed: the server's name leads to no address
	CodeUnregistration     ErrorCode = 14 // ConnectorUnregistrationFailed: the server did not confirm the de-registration
	CodeEnrolment          ErrorCode = 15 // EnrolmentFailed: there is no new certificate, or the server does not take it
	CodeStoreCredentials   ErrorCode = 16 // ConnectorFailedToStoreCredentials: the state directory cannot be written
	CodeReadCredentials    ErrorCode = 17 // ConnectorFailedToReadCredentials: it cannot be read, or is damaged
)

// String returns the code's name, such as "ConnectTimeout".
func (c ErrorCode) String() string { return messages.ErrorCode(c).String() }

// Error is what most calls of this package return, and [Event.Err]; ErrStore
// and errors of a context are not of this type. It carries the code, what the
// client was doing, and the cause.
//
// Compare by meaning, not by text: errors.Is(err, holdfast.ErrNetwork) is true
// for every *Error of the same code, and errors.As reaches the cause.
type Error struct {
	Code  ErrorCode
	Phase Phase
	Err   error // the cause; may be nil
}

// The errors by code, for errors.Is.
var (
	ErrBootstrapFailed    = &Error{Code: CodeBootstrapFailed}
	ErrInvalidParameters  = &Error{Code: CodeInvalidParameters}
	ErrInvalidCredentials = &Error{Code: CodeInvalidCredentials}
	ErrNotRegistered      = &Error{Code: CodeNotRegistered}
	ErrTimeout            = &Error{Code: CodeTimeout}
	ErrNetwork            = &Error{Code: CodeNetwork}
	ErrResponseParse      = &Error{Code: CodeResponseParse}
	ErrUnknown            = &Error{Code: CodeUnknown}
	ErrMemory             = &Error{Code: CodeMemory}
	ErrNotAllowed         = &Error{Code: CodeNotAllowed}
	ErrSecureConnection   = &Error{Code: CodeSecureConnection}
	ErrDNS                = &Error{Code: CodeDNS}
	ErrUnregistration     = &Error{Code: CodeUnregistration}
	ErrEnrolment          = &Error{Code: CodeEnrolment}
	ErrStoreCredentials   = &Error{Code: CodeStoreCredentials}
	ErrReadCredentials    = &Error{Code: CodeReadCredentials}
)

// ErrStore says that the state directory cannot be used at all: locked by
// another process, not a directory, not to be created, or open to other users.
// Provision and FactoryReset return it, Start only for one that is locked. The
// cause names the path and what to do about it.
var ErrStore = errors.New("holdfast: the state directory cannot be used")

// ErrStoreInUse says that another process has locked the state directory. It
// comes with ErrStore; the cause names the process.
var ErrStoreInUse = errors.New("another process uses it")

// Error returns the code's name, the phase and the cause.
func (e *Error) Error() string {
	text := "holdfast: " + e.Code.String()
	if e.Phase != "" {
		text += " (" + string(e.Phase) + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// SendError says why a server has not got what [Client.Send] was to send, or has not
// taken it.
type SendError struct {
	Server uint16 // short server ID; 0 when no server is registered
	Reason SendReason
	Code   lwm2m.Code // of the server's answer, with SendRefused; it may be none
	Detail string     // words of the server, or of an object; may be empty
}

// SendReason is why a Send has failed.
type SendReason uint8

// The reasons of a [SendError].
const (
	SendNotRegistered = SendReason(messages.SendNotRegistered) // the client is not registered there
	SendVersion       = SendReason(messages.SendVersion)       // the server speaks LwM2M 1.0
	SendMuted         = SendReason(messages.SendMuted)         // the server has not allowed it by /1/x/23
	SendPaused        = SendReason(messages.SendPaused)        // the server has asked for a pause
	SendBusy          = SendReason(messages.SendBusy)          // too many are under way
	SendNothing       = SendReason(messages.SendNothing)       // nothing of it is there, or may be read by the server
	SendUnreadable    = SendReason(messages.SendUnreadable)    // an object has failed, which the log says
	SendRefused       = SendReason(messages.SendRefused)       // the server's answer is an error
	SendSilent        = SendReason(messages.SendSilent)        // there was no answer, or the link was lost
)

// String returns the reason in a few words.
func (r SendReason) String() string {
	names := [...]string{
		"sent", "the client is not registered", "the server speaks LwM2M 1.0, which has no Send",
		"the server has not allowed it: Mute Send (/1/x/23) is not false", "the server has asked for a pause",
		"too many Sends are under way", "nothing of it is there, or may be read by the server",
		"an object could not be read", "the server has refused it", "the server has not answered",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Error names the server and says why.
func (e *SendError) Error() string {
	text := fmt.Sprintf("holdfast: Send to server %d: %s", e.Server, e.Reason)
	if e.Code != lwm2m.CodeEmpty {
		text += " (" + e.Code.String() + ")"
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// AlertError says that a server ended a DTLS handshake or session with an
// alert (RFC 5246 section 7.2). errors.As finds it behind an *[Error]. During a
// handshake nothing proves that an alert is the server's: anybody on the way can
// send one.
type AlertError struct {
	Number      uint8  // such as 48
	Description string // the number's name in the RFCs, such as "unknown_ca"
}

// Error returns a sentence for a person.
func (e *AlertError) Error() string { return "the server sent the alert " + e.Description }

// codeError wraps a cause in the error of its code.
func codeError(code ErrorCode, phase Phase, cause error) *Error {
	return &Error{Code: code, Phase: phase, Err: cause}
}

// storeError wraps the cause for which the store could not be opened.
func storeError(cause error) error {
	var locked *store.LockedError
	if errors.As(cause, &locked) {
		cause = &inUseError{cause}
	}
	return fmt.Errorf("%w: %w", ErrStore, cause)
}

// inUseError is ErrStoreInUse, in the words of its cause.
type inUseError struct{ error }

func (e *inUseError) Unwrap() error { return e.error }

// Is implements the convention of errors.Is.
func (e *inUseError) Is(target error) bool { return target == ErrStoreInUse }
