package credfile

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// Expires returns when the own certificate of an account does, whatever else may be
// wrong with its files; zero without one, and where it cannot be read.
func Expires(s Source) time.Time {
	if s.Mode != messages.SecurityX509 {
		return time.Time{}
	}
	r := &reader{}
	return validity.Expiry(arranged(r.chain(s), r.key(s)))
}
