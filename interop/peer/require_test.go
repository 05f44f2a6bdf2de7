package peer

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// recorder is a testing.TB whose Fatalf and Skipf are noted.
type recorder struct {
	testing.TB
	fatal, skip string
}

func (*recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skip = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// require runs Require to its end on a goroutine that it may end.
func require(t *testing.T, kind Kind) *recorder {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Require(r, kind)
	}()
	<-done
	return r
}

func TestMissingPeerSkips(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(RequireVariable, "")
	for kind := range needs {
		r := require(t, kind)
		if r.fatal != "" || !strings.Contains(r.skip, "apt-get install") {
			t.Errorf("%s: fatal %q, skip %q, want a skip that says what to install", kind, r.fatal, r.skip)
		}
	}
}

func TestMissingPeerFailsWhenRequired(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(RequireVariable, "1")
	for kind := range needs {
		r := require(t, kind)
		if r.skip != "" || !strings.Contains(r.fatal, "apt-get install") {
			t.Errorf("%s: fatal %q, skip %q, want a failure that says what to install", kind, r.fatal, r.skip)
		}
	}
}

func TestUnknownKindFails(t *testing.T) {
	t.Setenv(RequireVariable, "")
	if r := require(t, "nonesuch"); r.fatal == "" {
		t.Error("an unknown kind of peer was accepted")
	}
}
