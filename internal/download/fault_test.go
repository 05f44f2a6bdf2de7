package download

import (
	"io"
	"testing"
)

// Where a connection broke that was made before, no host is said.
func TestConnectionErrorsReadWell(t *testing.T) {
	for want, e := range map[string]*ConnectionError{
		"the server's connection: read: unexpected EOF":           {Op: opRead, Err: io.ErrUnexpectedEOF},
		"the server's connection: dial a.test:80: unexpected EOF": {Op: opDial, Host: "a.test:80", Err: io.ErrUnexpectedEOF},
		"the server's connection: write":                          {Op: opWrite},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
