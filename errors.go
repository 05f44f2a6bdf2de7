package holdfast

import (
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/messages"
)

// ErrorCode is the number of an error. Numbers and names are those of the
// reference behaviour (docs/recovery.md).
type ErrorCode = messages.ErrorCode

// Error is what every call of this package returns. It carries the code, what
// the client was doing, and the cause.
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
