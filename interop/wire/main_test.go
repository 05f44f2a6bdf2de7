package wire

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// update captures the handshakes of testdata anew.
var update = flag.Bool("update", false, "capture the handshakes of testdata anew")

const (
	// sideBySide is how many tests run at the same time: what they wait for
	// is not the processor but the timers of resends, which are real.
	sideBySide = 48
	// leakLooks is how often TestMain looks for goroutines that are left; the
	// readers of a peer's output end a little after the peer.
	leakLooks = 5
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(sideBySide)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	common.close()
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
