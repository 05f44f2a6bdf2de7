package download

import (
	"errors"
	"net"
)

// NoSuchHost reports whether an error says that name servers know no such host, in contrast to
// one that says that they could not be asked.
func NoSuchHost(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}
