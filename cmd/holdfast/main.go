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
	"time"

	"github.com/holdfast-iot/holdfast/cmd/holdfast/internal/early"
)

// The exit codes.
const (
	exitDone   = 0  // done as asked
	exitFailed = 1  // failed
	exitUsage  = 2  // wrong usage
	exitConfig = 78 // the configuration is invalid (EX_CONFIG of sysexits.h)
)

// endBound is when a process that was asked to end does, in order or not.
const endBound = 10 * time.Second

func main() {
	ctx, end := context.WithCancel(context.Background())
	go func() {
		<-early.Ending
		end()
		// The first signal ends the work in order; a second one ends the process. It
		// is not left to the system: one that is on its way when a signal is reset is
		// lost.
		time.AfterFunc(endBound, func() { os.Exit(exitFailed) })
		<-early.Ending
		os.Exit(exitFailed)
	}()
	p := &program{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookupEnv: os.LookupEnv, environ: os.Environ, hangups: early.Hangups, noHangup: early.NoHangup}
	os.Exit(p.dispatch(os.Args[1:]))
}

// program is one invocation: everything that the commands may touch.
type program struct {
	ctx            context.Context // ends with the first signal
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(name string) (value string, found bool)
	environ        func() []string  // "NAME=value"; may be nil
	hangups        <-chan os.Signal // SIGHUP
	noHangup       bool             // SIGHUP was ignored when the process began, as under nohup
}
