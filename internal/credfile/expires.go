package credfile

import (
	"crypto/x509"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Expires returns when the own certificate of an account does, whatever else may be
// wrong with its files; zero without one, and where it cannot be read.
func Expires(s Source) time.Time {
	if s.Mode != messages.SecurityX509 {
		return time.Time{}
	}
	chain := (&reader{}).chain(s)
	if len(chain) == 0 {
		return time.Time{}
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return time.Time{}
	}
	return leaf.NotAfter
}
