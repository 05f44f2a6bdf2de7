package lwm2mtest

import (
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Errors of the server's requests to clients.
var (
	// ErrNotRegistered: the endpoint is not registered.
	ErrNotRegistered = errors.New("lwm2mtest: endpoint is not registered")
	// ErrTimeout: all resends were unanswered, or no separate response came
	// within EXCHANGE_LIFETIME.
	ErrTimeout = errors.New("lwm2mtest: no answer")
	// ErrReset: the client answered RST.
	ErrReset = errors.New("lwm2mtest: reset by the client")
	// ErrClosed: the service or the DTLS session ended.
	ErrClosed = errors.New("lwm2mtest: connection is gone")
	// ErrBlockwise: a block-wise transfer broke (wrong block, body too large).
	ErrBlockwise = errors.New("lwm2mtest: block-wise transfer is broken")
	// ErrTooManyObservations: the endpoint has ServerOptions.MaxObservations.
	ErrTooManyObservations = errors.New("lwm2mtest: too many observations of the endpoint")
)

// Why an [ObserveRelation] has ended.
var (
	// ErrCancelled: by Cancel or Forget.
	ErrCancelled = errors.New("lwm2mtest: observation is cancelled")
	// ErrObservationEnded: the client has said so, by a notification that is an
	// error or has no Observe option, or has not accepted it to begin with.
	ErrObservationEnded = errors.New("lwm2mtest: observation was ended by the client")
	// ErrRegistrationEnded: the registration that it belonged to is not in force any more.
	ErrRegistrationEnded = errors.New("lwm2mtest: observation ended with its registration")
)

// FormatError says that a response is in no format that can be decoded.
type FormatError struct {
	Code   lwm2m.Code
	Format *lwm2m.Format // nil when the response names none
}

// Error returns a sentence for a person.
func (e *FormatError) Error() string {
	if e.Format == nil {
		return fmt.Sprintf("lwm2mtest: response %v without Content-Format", e.Code)
	}
	return fmt.Sprintf("lwm2mtest: response %v in Content-Format %d cannot be decoded", e.Code, *e.Format)
}
