package netns

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// sideBySide is how many tests run at a time unless -parallel says otherwise:
// they mostly wait.
const sideBySide = "8"

// roles are what the test binary does when it is started inside a namespace;
// the first argument names the role.
var roles = map[string]func(args []string) error{
	clientRole: playClient,
	serverRole: playServer,
	dnsRole:    playDNS,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if play, known := roles[os.Args[1]]; known {
			os.Exit(exitCode(play(os.Args[2:])))
		}
	}
	flag.Parse()
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", sideBySide); err != nil {
			panic(err)
		}
	}
	removeLeftovers()
	goleak.VerifyTestMain(m)
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// given reports whether a flag stands on the command line.
func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}
