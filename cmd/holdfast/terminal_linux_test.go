package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func openFor(t *testing.T, path string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// newTerminal makes a pseudo-terminal (pts(4)).
func newTerminal(t *testing.T) *os.File {
	t.Helper()
	_, terminal := openTerminal(t)
	return terminal
}

// openTerminal makes one, and returns the side of the person as well.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	if _, err := os.Stat("/dev/ptmx"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("this machine has no pseudo-terminals")
	}
	master = openFor(t, "/dev/ptmx", os.O_RDWR|unix.O_NOCTTY)
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return master, openFor(t, fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY)
}

// Somebody reads at a terminal, and at no other device: neither colours nor waiting
// for an outcome is for /dev/null. Events that stand on one terminal are missing on
// another one.
func TestTerminals(t *testing.T) {
	one, other := newTerminal(t), newTerminal(t)
	null := openFor(t, os.DevNull, os.O_WRONLY)
	file := openFor(t, filepath.Join(t.TempDir(), "file"), os.O_CREATE|os.O_WRONLY)
	_, pipe := pipe(t)
	p := &program{}
	for _, f := range []io.Writer{null, openFor(t, "/dev/full", os.O_WRONLY), openFor(t, "/dev/zero", os.O_WRONLY), file, pipe, io.Discard} {
		if p.terminal(f) || sameTerminal(f, f) || sameTerminal(f, one) || sameTerminal(one, f) {
			t.Errorf("%v is taken for a terminal", f)
		}
	}
	stream := newOutput(one, nil)
	defer stream.close()
	if !p.terminal(one) || !p.terminal(stream) || !sameTerminal(one, stream) {
		t.Errorf("%s is taken for none", one.Name())
	}
	if sameTerminal(one, other) {
		t.Errorf("%s is taken for %s", one.Name(), other.Name())
	}
}
