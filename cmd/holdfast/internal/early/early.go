// Package early catches signals before anything else of the program is initialised:
// from the first millisecond on none of them ends the process by itself. It imports
// nothing but the standard library, so that it is initialised before the packages
// that take longer.
package early

import (
	"os"
	"os/signal"
	"syscall"
)

// Room for signals that come before anybody looks: of each kind one is enough.
const room = 8

// NoHangup says that whoever started the process wants no hangup to reach it, as
// nohup(1) does. It is looked at before any signal is caught.
var NoHangup = signal.Ignored(syscall.SIGHUP)

// Ending are the signals that ask the process to end, Hangups those that ask it to
// read its configuration anew (SIGHUP).
var (
	Ending  = caught(syscall.SIGINT, syscall.SIGTERM)
	Hangups = caught(syscall.SIGHUP)
)

// A reader of the output that goes away must not end the process: the write fails
// instead.
var _ = ignored(syscall.SIGPIPE)

func caught(signals ...os.Signal) <-chan os.Signal {
	c := make(chan os.Signal, room)
	signal.Notify(c, signals...)
	return c
}

func ignored(signals ...os.Signal) struct{} {
	signal.Ignore(signals...)
	return struct{}{}
}
