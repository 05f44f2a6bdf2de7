package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// command makes the holdfast binary, once.
var command = sync.OnceValues(func() (binary string, err error) {
	binary = filepath.Join(commandDir, "holdfast")
	output, err := exec.Command("go", "build", "-o", binary, "../cmd/holdfast").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build of cmd/holdfast: %w\n%s", err, output)
	}
	return binary, nil
})

// buildCommand returns the holdfast binary.
func buildCommand(t testing.TB) string {
	t.Helper()
	binary, err := command()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// child is the client in a process of its own, which a test can kill.
type child struct {
	t       testing.TB
	command *exec.Cmd
	stderr  bytes.Buffer
	events  chan holdfast.Event // closed when the process was waited for
	err     error               // of that; read it after events is closed
	seen    []holdfast.Event
}

// launch starts the process; it ends with the test at the latest.
func launch(t testing.TB, binary, config string) *child {
	t.Helper()
	c := &child{
		t: t, command: exec.Command(binary, "run", "--config", config, "--json"),
		events: make(chan holdfast.Event, 1<<12),
	}
	c.command.Stderr = &c.stderr
	dieWithParent(c.command)
	output, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	go c.run(output, started)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.cleanup)
	return c
}

// run starts the process and waits for it on one thread: on Linux a child that
// is to die with its parent dies with the thread that forked it.
func (c *child) run(output io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.command.Start()
	started <- err
	if err != nil {
		return
	}
	c.listen(output)
	c.err = c.command.Wait()
	close(c.events)
}

func (c *child) listen(output io.Reader) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		var e holdfast.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			c.t.Errorf("a line that is no event: %q: %v", lines.Text(), err)
			continue
		}
		c.events <- e
	}
}

// wait returns when the process has ended and all that it said was read.
func (c *child) wait() error {
	for e := range c.events {
		c.seen = append(c.seen, e)
	}
	return c.err
}

func (c *child) cleanup() {
	_ = c.command.Process.Kill() // it has most often ended
	_ = c.wait()
	if !c.t.Failed() {
		return
	}
	c.t.Logf("standard error of process %d:\n%s", c.command.Process.Pid, &c.stderr)
	for _, e := range c.seen {
		c.t.Log(line(e))
	}
}

// kill ends the process by SIGKILL.
func (c *child) kill() {
	c.t.Helper()
	if err := c.command.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.wait() // "signal: killed"
}

// terminate ends it by SIGTERM; it has to exit with status 0.
func (c *child) terminate() {
	c.t.Helper()
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if err := c.wait(); err != nil {
		c.t.Errorf("after SIGTERM: %v", err)
	}
}

// next returns the next event of a type.
func (c *child) next(kind holdfast.EventType) holdfast.Event {
	c.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case e, open := <-c.events:
			if !open {
				c.t.Fatalf("the process has ended without a %s", kind)
			}
			c.seen = append(c.seen, e)
			if e.Type == kind {
				return e
			}
		case <-timeout.C:
			c.t.Fatalf("no %s within %v", kind, patience)
		}
	}
}
