package source

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/command"
)

const (
	// timeout is how long a command may run that prints a value: half of what a request of a
	// server has by default, so that the log names the command and not the request.
	timeout = 5 * time.Second
	// settle is how soon a command fails that cannot do what it is for, such as a
	// reboot without the right to it.
	settle = time.Second
)

// Command is what a command prints on its standard output: the program and its
// arguments, without a shell. It runs in a process group of its own, which is killed
// after 5 s, or when the context ends; its standard input is empty, and its standard
// error goes nowhere. Its environment is the client's, without the variables of the configuration.
func Command(argv []string) *Source { return limited(argv, timeout) }

func limited(argv []string, longest time.Duration) *Source {
	argv = slices.Clone(argv)
	return newSource(kindCommand, func(ctx context.Context) ([]byte, error) { return run(ctx, argv, longest) })
}

// run returns what a command prints. Whatever becomes of it, it has ended.
func run(ctx context.Context, argv []string, longest time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longest, errTimeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &output{full: func() { stop(errTooLong) }}
	cmd := command.Prepare(ctx, argv)
	cmd.Stdout, cmd.WaitDelay = out, command.Drain
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		_ = command.KillGroup(cmd) // it has ended well, and its children are not to pile up
		return out.data, nil
	}
	return out.data, err
}

// output keeps the beginning of what a command prints.
type output struct {
	data []byte
	full func()
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.data = append(o.data, p[:min(len(p), maxText+1-len(o.data))]...)
	if len(o.data) > maxText {
		o.full()
		return 0, errTooLong
	}
	return len(p), nil
}

// Begin starts a command that goes on by itself, such as one that reboots the machine: it
// outlives the context, and nobody reads what it prints. Begin waits a second, or
// until the context ends: a command that has failed by then is an [*Error].
func Begin(ctx context.Context, argv []string) error {
	cmd := command.Prepare(context.WithoutCancel(ctx), argv)
	if err := cmd.Start(); err != nil {
		return &Error{Source: kindCommand, Reason: "cannot be started", Err: err}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	patience := time.NewTimer(settle)
	defer patience.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return &Error{Source: kindCommand, Reason: "has failed", Err: err}
		}
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}
