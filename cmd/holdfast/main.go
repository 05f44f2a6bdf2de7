// Command holdfast runs an LwM2M device-management client, an embedded server
// to try it against, and checks of its configuration.
//
// It is thin: it parses arguments, builds a holdfast.Config and runs it. It imports
// only public packages of the module, so that whatever it provokes is provoked from
// the outside. Commands, flags, exit codes and lines of JSON are a contract
// (docs/contract.md).
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes.
const (
	exitDone   = 0  // done as asked
	exitFailed = 1  // failed
	exitUsage  = 2  // wrong usage
	exitConfig = 78 // the configuration is invalid (EX_CONFIG of sysexits.h)
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal ends the work in order; from then on a second one ends
	// the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}

// program is one invocation: everything that the commands may touch.
type program struct {
	ctx            context.Context // ends with the first signal
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(name string) (value string, found bool)
}

// run carries one command line out and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lookupEnv func(string) (string, bool)) int {
	p := &program{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, lookupEnv: lookupEnv}
	return p.dispatch(args)
}
