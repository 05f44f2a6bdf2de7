package holdfast

import (
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast/messages"
)

// ErrorCode is the number of an error; the values are those of the original
// client's enumeration. Its String is the name in the seed.
type ErrorCode = messages.ErrorCode

// Error is what every call of this package returns. It carries the code, what
// the client was about, and the cause.
//
// Compare by meaning, not by text: errors.Is(err, holdfast.ErrNetwork) is true
// for every *Error of the same code, and errors.As reaches the cause.
type Error struct {
	Code  ErrorCode
	Phase string // as in the events: "api", "config", "store" ...
	Err   error  // the cause; may be nil
}

// The errors by code, for errors.Is.
var (
	ErrBootstrapFailed    = &Error{Code: messages.ConnectBootstrapFailed}
	ErrInvalidParameters  = &Error{Code: messages.ConnectInvalidParameters}
	ErrInvalidCredentials = &Error{Code: messages.ConnectorInvalidCredentials}
	ErrNotRegistered      = &Error{Code: messages.ConnectNotRegistered}
	ErrTimeout            = &Error{Code: messages.ConnectTimeout}
	ErrNetwork            = &Error{Code: messages.ConnectNetworkError}
	ErrResponseParse      = &Error{Code: messages.ConnectResponseParseFailed}
	ErrUnknown            = &Error{Code: messages.ConnectUnknownError}
	ErrMemory             = &Error{Code: messages.ConnectMemoryConnectFail}
	ErrNotAllowed         = &Error{Code: messages.ConnectNotAllowed}
	ErrSecureConnection   = &Error{Code: messages.ConnectSecureConnectionFailed}
	ErrDNS                = &Error{Code: messages.ConnectDNSResolvingFailed}
	ErrUnregistration     = &Error{Code: messages.ConnectorUnregistrationFailed}
	ErrStoreCredentials   = &Error{Code: messages.ConnectorFailedToStoreCredentials}
	ErrReadCredentials    = &Error{Code: messages.ConnectorFailedToReadCredentials}
)

// ErrStore says that the state directory cannot be used at all: locked by
// another process, not a directory, not to be created. Start returns it; the
// cause names the directory and, when it is locked, the process.
var ErrStore = errors.New("holdfast: the state directory cannot be used")

// Error returns the code's name, the phase and the cause.
func (e *Error) Error() string {
	text := "holdfast: " + e.Code.String()
	if e.Phase != "" {
		text += " (" + e.Phase + ")"
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

// codeError wraps a cause in the error of its code.
func codeError(code ErrorCode, phase messages.Phase, cause error) *Error {
	return &Error{Code: code, Phase: phase.String(), Err: cause}
}

// storeError wraps the cause for which Start could not open the store.
func storeError(cause error) error { return fmt.Errorf("%w: %w", ErrStore, cause) }
