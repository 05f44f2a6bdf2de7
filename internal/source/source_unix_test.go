//go:build unix

package source

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is a command that a shell carries out: the tests want several things in one.
func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// pipe makes a named pipe.
func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommand(t *testing.T) {
	t.Setenv("HOLDFAST_SERVER_PSK_KEY", "c0ffee")
	t.Setenv("SENSOR", "attic")
	for _, tc := range []struct {
		argv      []string
		want, err string
	}{
		{shell("echo ' 21.5 '; echo noise >&2"), "21.5", ""},
		{[]string{"/bin/echo", "$HOME; exit 1", "*"}, "$HOME; exit 1 *", ""}, // no shell
		{shell(`echo "$SENSOR,$HOLDFAST_SERVER_PSK_KEY,"`), "attic,,", ""},
		{shell("cat"), "", ""}, // has no input
		{shell("echo 1; exit 3"), "", "the command has failed: exit status 3"},
		{shell("kill -9 $$"), "", "signal: killed"},
		{[]string{"/nowhere/read-sensor"}, "", "no such file or directory"},
		{shell("echo 2; sleep 60 &"), "2", ""}, // a child holds the output
		{shell("trap '' PIPE; while :; do echo 0123456789; done"), "", errTooLong.Error()},
	} {
		got, err := Command(tc.argv).Text(t.Context())
		if _, is := errors.AsType[*Error](err); got != tc.want || is != (tc.err != "") || is && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: %q, %v", tc.argv, got, err)
		}
	}
}

// A command that does not end is killed with its children: the pipe that all of them hold
// has no writer any more.
func TestACommandIsKilledWithItsChildren(t *testing.T) {
	held := pipe(t)
	gone := make(chan error, 1)
	go func() {
		f, err := os.Open(held) // until the command has it, too
		if err == nil {
			_, err = io.ReadAll(f)
			err = errors.Join(err, f.Close())
		}
		gone <- err
	}()
	script := "exec 3>" + held + "; sleep 600 & (sleep 600 & wait) & wait"
	_, err := limited(shell(script), 300*time.Millisecond).Text(t.Context())
	if e, _ := errors.AsType[*Error](err); e == nil || e.Reason != errTimeout.Error() {
		t.Errorf("%v", err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

// So is one for which nobody waits any more, and that is no failure of it.
func TestACommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun := pipe(t)
	go func() {
		defer cancel()
		if f, err := os.Open(begun); err == nil {
			_ = f.Close()
		}
	}()
	_, err := Command(shell("echo >" + begun + "; sleep 600")).Text(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAPipeIsNotWaitedFor(t *testing.T) {
	if _, err := File(pipe(t)).Text(t.Context()); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("%v", err)
	}
}

func TestBegin(t *testing.T) {
	if err := Begin(t.Context(), shell("exit 0")); err != nil {
		t.Errorf("well: %v", err)
	}
	err := Begin(t.Context(), shell("exit 4"))
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 4 {
		t.Errorf("badly: %v", err)
	}
	if err := Begin(t.Context(), []string{"/nowhere/reboot"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("not there: %v", err)
	}
}

// What goes on is left to itself, also when nobody waits any more.
func TestBegunGoesOn(t *testing.T) {
	done := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Begin(ctx, shell("echo done >"+done)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(done); strings.TrimSpace(string(got)) != "done" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
