package peer

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// errExited tells that a peer ended by itself.
var errExited = errors.New("peer: the process has ended")

// pipeGrace is how long after a peer's end its pipes may stay open, in case
// that it left them to a child.
const pipeGrace = 2 * time.Second

// process is a command that runs until the test ends, at the latest.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output *transcript
	exited chan struct{} // closed when the process has ended and was waited for
	err    error         // what Wait said; read it after exited is closed
}

// start runs the command, with env added to this process's environment. Its
// standard error, and its standard output unless stdout is given, go to the
// transcript. Standard input stays open.
func start(t testing.TB, stdout io.Writer, env []string, name string, args ...string) (*process, error) {
	t.Helper()
	p := &process{
		cmd:    exec.Command(name, args...),
		output: newTranscript(),
		exited: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.output
	p.cmd.Stdout = stdout
	if stdout == nil {
		p.cmd.Stdout = p.output
	}
	p.cmd.WaitDelay = pipeGrace
	dieWithParent(p.cmd)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	t.Cleanup(func() { p.cleanup(t) })
	return p, nil
}

// run starts the command and waits for it on one thread: on Linux a child that
// is to die with its parent dies with the thread that forked it.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

// kill sends SIGKILL and waits for the end. It may be called again.
func (p *process) kill() {
	// The only error is that the process has ended already.
	_ = p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) cleanup(t testing.TB) {
	p.kill()
	if t.Failed() {
		t.Logf("output of %s:\n%s", p.cmd, p.output)
	}
}
