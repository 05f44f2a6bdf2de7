// Package command makes the commands that a configuration names: programs with their
// arguments, without a shell, each in a process group of its own, and without the client's
// own variables. What becomes of what they print is for their callers.
package command

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const (
	// Drain is how long the output of a command stays open that has ended, and left
	// children behind that hold it.
	Drain = time.Second
	// secrets begin the names of variables that commands do not inherit: some may be keys.
	secrets = "HOLDFAST_"
)

// Prepare makes a command that is killed, with its children, when the context ends. Its
// standard input is empty, and its environment is the client's, without the variables of the
// configuration and with those of env, which are of the form NAME=value.
func Prepare(ctx context.Context, argv []string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	inherited := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, secrets) })
	cmd.Env = append(inherited, env...)
	isolate(cmd)
	cmd.Cancel = func() error { return KillGroup(cmd) }
	return cmd
}
