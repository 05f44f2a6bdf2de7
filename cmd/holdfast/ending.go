package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/holdfast-iot/holdfast/configfile"
)

// unlessEnded carries out what may wait for ever, on a file that is a pipe or on a
// disk that hangs. When the program is to end meanwhile it is given up, and not ok: it
// ends with the process. A panic of it is the caller's.
func unlessEnded[T any](p *program, work func() T) (result T, ok bool) {
	var worked T
	done := make(chan any, 1)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				done <- fmt.Sprintf("%v\n\n%s", reason, debug.Stack())
			}
			close(done)
		}()
		worked = work()
	}()
	select {
	case reason := <-done:
		if reason != nil {
			panic(reason)
		}
		return worked, true
	case <-p.ctx.Done():
		return result, false
	}
}

// loaded is what a configuration comes to.
type loaded struct {
	file configfile.File
	err  error
}

// load reads a configuration; it is not ok when the program is to end meanwhile.
func (p *program) load(l configfile.Loader) (loaded, bool) {
	return unlessEnded(p, func() loaded {
		file, err := l.Load()
		return loaded{file, err}
	})
}

// interruptGrace is how long a command that ends by itself may take to end in order
// when it is interrupted.
const interruptGrace = 2 * time.Second

// finite makes a command that ends by itself fail when it is interrupted, whatever it
// waits for: what it was asked for is not done.
func finite(run func(*program, []string) int) func(*program, []string) int {
	return func(p *program, args []string) int {
		ended := make(chan int, 1)
		go func() { ended <- run(p, args) }()
		select {
		case exit := <-ended:
			return exit
		case <-p.ctx.Done():
		}
		select {
		case exit := <-ended:
			return exit
		case <-time.After(interruptGrace):
			// It may be stderr that the command waits for.
			stderr := newOutput(p.stderr, nil)
			(&program{stderr: stderr}).complain("interrupted")
			most, cancel := context.WithTimeout(context.Background(), flushBound)
			defer cancel()
			stderr.close(most)
			return exitFailed
		}
	}
}
