package interop

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// leakLooks is how often TestMain looks for goroutines that are left; each look
// takes goleak 0.4 s. Nothing is exempt; the readers of a peer's output end a
// little after the peer.
const leakLooks = 5

func TestMain(m *testing.M) {
	code := m.Run()
	if err := leaked(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func leaked() (err error) {
	for range leakLooks {
		if err = goleak.Find(); err == nil {
			return nil
		}
	}
	return err
}
