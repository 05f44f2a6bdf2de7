package netns

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait that nothing is measured by. A machine that is
// busy with other tests is slow, and loss has bad luck now and then.
const patience = 2 * time.Minute

// process is the test binary in a role on a host. It takes commands as lines
// on its standard input, ends when that ends, and says what happens as lines
// on its standard output.
type process struct {
	t       *testing.T
	command *exec.Cmd
	stdin   io.WriteCloser
	stderr  bytes.Buffer
	lines   chan []byte // closed when the process was waited for
	err     error       // of that; read it after lines is closed
	killed  bool
}

// launch starts a role; it ends with the test at the latest.
func (h *host) launch(role string, args ...string) *process {
	h.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	// ip becomes the program: the process is the same.
	args = append([]string{"netns", "exec", h.name, binary, role}, args...)
	p := &process{t: h.t, command: exec.Command("ip", args...), lines: make(chan []byte, 1<<14)}
	p.command.Stderr = &p.stderr
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := p.command.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		h.t.Fatal(err)
	}
	started := make(chan error)
	go p.run(output, started)
	if err := <-started; err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.cleanup)
	return p
}

// run starts the process and waits for it on one thread: a child that is to
// die with its parent dies with the thread that forked it.
func (p *process) run(output io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.command.Start()
	started <- err
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		p.lines <- bytes.Clone(lines.Bytes())
	}
	p.err = p.command.Wait()
	close(p.lines)
}

// do sends a command.
func (p *process) do(command string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.stdin, command); err != nil {
		p.t.Errorf("%s: %v", command, err)
	}
}

// signal sends a signal.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.t.Errorf("%v: %v", s, err)
	}
}

// kill ends the process by SIGKILL, and returns when it is gone.
func (p *process) kill() {
	p.t.Helper()
	p.killed = true
	p.signal(syscall.SIGKILL)
	p.drain()
}

func (p *process) drain() {
	for range p.lines {
		continue
	}
}

// cleanup ends the process as asked for, or the hard way; it must not have
// failed, as it does after a data race.
func (p *process) cleanup() {
	if p.killed {
		return
	}
	timer := time.AfterFunc(patience, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	_ = p.stdin.Close() // the process may have ended
	p.drain()
	if p.err != nil {
		p.t.Errorf("process %d: %v", p.command.Process.Pid, p.err)
	}
	if p.t.Failed() {
		p.t.Logf("standard error of process %d:\n%s", p.command.Process.Pid, &p.stderr)
	}
}
