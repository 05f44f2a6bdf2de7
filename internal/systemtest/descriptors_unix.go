//go:build unix

package systemtest

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// FewFiles is the limit of open files that Alone sets.
const FewFiles = 64

// aloneVariable names the test that this process was started for.
const aloneVariable = "HOLDFAST_TEST_ALONE"

// Alone runs a test again in a process of its own, in which it returns true: what it
// does to the limit of open files hurts nobody there. The soft one is FewFiles. In the
// first process it returns false when that is over.
func Alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVariable) == t.Name() {
		lower(t)
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), aloneVariable+"="+t.Name())
	if output, err := child.CombinedOutput(); err != nil {
		t.Errorf("alone: %v\n%s", err, output)
	}
	return false
}

func lower(t *testing.T) {
	t.Helper()
	l := Limit(t)
	l.Cur = FewFiles
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
}

// Limit returns the limits of open files of this process.
func Limit(t *testing.T) (l syscall.Rlimit) {
	t.Helper()
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// Exhaust opens files until none is left to be opened, and returns what closes them.
// The hard limit goes down to FewFiles first.
func Exhaust(t *testing.T) (release func()) {
	t.Helper()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: FewFiles, Max: FewFiles}); err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for range FewFiles {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return func() {
		for _, f := range files {
			_ = f.Close() // it was only opened
		}
	}
}
