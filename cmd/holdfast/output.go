package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// What of the output may wait for its reader: lines, and bytes of them.
const (
	outputLines = 1 << 12
	outputBytes = 1 << 20
)

const (
	// flushBound is how long the end of the program waits for whoever reads stdout,
	// and what is left of it for stderr.
	flushBound = 500 * time.Millisecond
	// lastBound is the least that stderr gets.
	lastBound = 200 * time.Millisecond
)

// output is a stream that nobody may be reading: a pipe that is full, one whose
// reader has gone, a terminal that is stopped, a file on a full disk. Writing to it
// never waits and never fails. What there is no room for, or what cannot be written,
// is lost and counted.
type output struct {
	to     io.Writer
	queue  chan []byte
	done   chan struct{} // closed when all of the queue is written, after close
	onLoss func(error)   // called once, with the cause, when the first line is lost; may be nil

	torn bool // the end of a line was not written; only run uses it

	mu      sync.Mutex
	closed  bool
	waiting int   // bytes in the queue
	queued  int   // lines in the queue
	lost    int   // lines
	cause   error // why the first of them was not written; nil when there was no room
}

// newOutput returns a stream that a goroutine writes. One Write is one line or
// several.
func newOutput(to io.Writer, onLoss func(error)) *output {
	o := &output{to: to, queue: make(chan []byte, outputLines), done: make(chan struct{}), onLoss: onLoss}
	go o.run()
	return o
}

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.waiting+len(text) > outputBytes || len(o.queue) == cap(o.queue) {
		o.lose(text, nil)
		return len(text), nil
	}
	o.queue <- bytes.Clone(text) // there is room: only Write fills it
	o.waiting += len(text)
	o.queued += lineCount(text)
	return len(text), nil
}

func (o *output) run() {
	defer close(o.done)
	for text := range o.queue {
		o.wrote(text, o.put(text))
	}
}

// put writes whole lines. Where a disk was full in the middle of one, what comes next
// begins a line of its own, so that a reader loses no more than was not written.
func (o *output) put(text []byte) error {
	whole := text
	if o.torn {
		whole = append([]byte{'\n'}, text...)
	}
	n, err := o.to.Write(whole)
	if n > 0 {
		o.torn = whole[n-1] != '\n'
	}
	return err
}

func (o *output) wrote(text []byte, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting -= len(text)
	o.queued -= lineCount(text)
	if err != nil {
		o.lose(text, err)
	}
}

// lose counts; cause is nil where there was no room. Callers hold mu.
func (o *output) lose(text []byte, cause error) {
	if o.lost == 0 {
		o.cause = cause
		if o.onLoss != nil {
			go o.onLoss(cause)
		}
	}
	o.lost += lineCount(text)
}

// close waits until everything is written, but no longer than until all limits have
// ended, and returns how many lines are lost, those that are not written by then
// included. What is written later is lost.
func (o *output) close(limits ...context.Context) (lost int) {
	o.mu.Lock()
	if !o.closed {
		o.closed = true
		close(o.queue)
	}
	o.mu.Unlock()
	for _, limit := range limits {
		select {
		case <-o.done:
		case <-limit.Done():
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost + o.queued
}

// why returns the cause of the first loss; nil when there was no room.
func (o *output) why() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause
}

// unread says why lines are lost: a disk that is full is not a reader that has gone.
func unread(cause error) string {
	if cause == nil || errors.Is(cause, syscall.EPIPE) {
		return "nobody reads the output"
	}
	return fmt.Sprintf("the output cannot be written: %v", cause)
}

func lineCount(text []byte) int { return max(bytes.Count(text, []byte("\n")), 1) }

// streamed makes a command go on whether anybody reads its output or not.
func streamed(run func(*program, []string) int) func(*program, []string) int {
	return func(p *program, args []string) int {
		return p.streaming(func(p *program) int { return run(p, args) })
	}
}

func (p *program) streaming(work func(p *program) int) int {
	inner := *p
	stderr := newOutput(p.stderr, nil)
	inner.stderr = stderr
	stdout := newOutput(p.stdout, func(cause error) {
		inner.complain("%s: lines are lost, and counted", unread(cause))
	})
	inner.stdout = stdout
	exit := guarded(&inner, work)
	most, cancel := context.WithTimeout(context.Background(), flushBound)
	defer cancel()
	if lost := stdout.close(most); lost > 0 {
		inner.complain("%s of the output %s lost: %s", count(lost, "line"), wereOrWas(lost), unread(stdout.why()))
	}
	least, cancel := context.WithTimeout(context.Background(), lastBound)
	defer cancel()
	stderr.close(most, least)
	return exit
}

// guarded makes a panic of a command its end, after what it has said before, even
// where nobody reads stderr: the Go runtime would wait for a reader, and on a machine
// with one processor no signal would be handled meanwhile. A panic of another
// goroutine is the runtime's.
func guarded(p *program, work func(p *program) int) (exit int) {
	defer func() {
		if cause := recover(); cause != nil {
			p.complain("panic: %v\n\n%s", cause, debug.Stack())
			exit = exitFailed
		}
	}()
	return work(p)
}

func wereOrWas(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
