//go:build unix

package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// panicPatience is more than a process takes to start and to panic.
const panicPatience = time.Minute

// A panic while the client starts ends the process, with its cause on stderr.
func TestPanicInStart(t *testing.T) {
	m := newMachine(t, "")
	m.prepare(panicsInStart, nil)
	var stderr bytes.Buffer
	m.cmd.Stderr = &stderr
	if exit := m.endsByItself(); exit != exitFailed {
		t.Errorf("it ended with %d", exit)
	}
	for _, want := range []string{"holdfast: panic: a broken context\n", "Client).Start("} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr does not say %q: %s", want, &stderr)
		}
	}
}

// Neither does it wait for somebody to read that, with one processor, where the
// writer would keep everything else from running.
func TestPanicThatNobodyReads(t *testing.T) {
	m := newMachine(t, "")
	_, full := pipe(t)
	clog(t, full)
	m.prepare(panicsInStart, nil)
	m.cmd.Stderr = full
	m.cmd.Env = append(m.cmd.Env, "GOMAXPROCS=1")
	if exit := m.endsByItself(); exit != exitFailed {
		t.Errorf("it ended with %d", exit)
	}
}

// endsByItself runs the process until its end and returns the exit code, -1 for one
// that had to be killed.
func (m *machine) endsByItself() int {
	m.t.Helper()
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	watch := time.AfterFunc(panicPatience, func() { _ = m.cmd.Process.Kill() })
	defer watch.Stop()
	var exit *exec.ExitError
	if err := m.cmd.Wait(); !errors.As(err, &exit) {
		m.t.Fatalf("it ended with %v", err)
	}
	return exit.ExitCode()
}
