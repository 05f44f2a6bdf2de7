package interop

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// leakLooks is how often TestMain looks for goroutines that are left; each look
// takes goleak 0.4 s. Nothing is exempt; the readers of a peer's output end a
// little after the peer.
const leakLooks = 5

// sideBySide is how many tests run at a time unless -parallel says otherwise:
// they mostly wait, but each of them starts a Java process or two.
const sideBySide = "6"

// commandDir is where buildCommand leaves the binary.
var commandDir string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	if !given("test.parallel") {
		if err = flag.Set("test.parallel", sideBySide); err != nil {
			return 0, err
		}
	}
	if commandDir, err = os.MkdirTemp("", "holdfast-interop-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(commandDir)) }()
	if code = m.Run(); code != 0 {
		return code, nil
	}
	return 0, leaked()
}

// given reports whether a flag stands on the command line.
func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func leaked() (err error) {
	for range leakLooks {
		if err = goleak.Find(); err == nil {
			return nil
		}
	}
	return err
}
