package object

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Error refuses a request with a response code (RFC 7252 section 12.1.2) and a
// few words that the server gets as a diagnostic payload.
type Error struct {
	Code   lwm2m.Code // 4.xx or 5.xx; anything else is 5.00
	Detail string
}

// Error names the code and says why.
func (e *Error) Error() string { return fmt.Sprintf("%s %s", e.Code, e.Detail) }

// Refuse makes an [Error].
func Refuse(code lwm2m.Code, detail string) error { return &Error{Code: code, Detail: detail} }
