package peer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// jvmFlags make for a quick start and a small process: a test's server lives
// for seconds.
var jvmFlags = []string{
	"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m",
	"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
}

const leshanMain = "io.holdfast.interop.Main"

// buildLeshan runs the build once for each test binary and returns the
// directory of the peer. The script itself does nothing when all is built, and
// locks out other test binaries.
var buildLeshan = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "interop", "leshan")
	output, err := exec.Command("bash", filepath.Join(dir, "build.sh")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("peer: build of interop/leshan: %w\n%s", err, output)
	}
	return dir, nil
})

// leshanCommand returns the command that runs the peer, without the peer's own
// arguments, and the directory of its models. It ends the test when the peer
// cannot be built, which most often means that its libraries cannot be fetched.
func leshanCommand(t testing.TB) (command []string, models string) {
	t.Helper()
	dir, err := buildLeshan()
	if err != nil {
		unavailable(t, "%v", err)
	}
	target := filepath.Join(dir, "target")
	classPath := filepath.Join(target, "classes") + string(os.PathListSeparator) + filepath.Join(target, "lib", "*")
	command = append([]string{"java"}, jvmFlags...)
	return append(command, "-cp", classPath, leshanMain), filepath.Join(dir, "models")
}

// moduleRoot finds the directory of go.mod above the working directory, which
// for a test is its package's.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("peer: there is no go.mod above the working directory")
		}
		dir = parent
	}
}
