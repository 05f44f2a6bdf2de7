package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/holdfast-iot/holdfast"
)

// process is a client that has a process of its own, so that it can be killed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its last event is read
}

// launch starts the process of a device. Its events go on where those of the process before
// ended: the numbers of an endpoint have no gap.
func (l *lab) launch(d *device, config string) error {
	cmd, err := l.command(config)
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); errors.Is(err, syscall.ENOEXEC) { // in an emulator
		return fmt.Errorf("this machine starts no second process of this program: %w", err)
	} else if err != nil {
		return err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	d.process = p
	before := d.events.last()
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			l.record(d, before, lines.Bytes())
		}
		_ = cmd.Wait() // how it ended is seen by its events
	}()
	return nil
}

// record prints and records an event that a process has printed.
func (l *lab) record(d *device, before uint64, line []byte) {
	var e holdfast.Event
	if err := json.Unmarshal(line, &e); err != nil { // cut off when it was killed
		return
	}
	e.Seq += before
	l.out.event(e)
	d.events.add(e)
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // or it has ended already
	<-p.done
}

// end asks the process to end, and kills it when ctx is over.
func (p *process) end(ctx context.Context) {
	if p.cmd.Process.Signal(os.Interrupt) != nil {
		p.kill()
		return
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.kill()
	}
}
