package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// reader is what stands behind a stream.
type reader struct {
	bytes.Buffer
	hold chan struct{} // closed when somebody reads
	err  error
}

func (r *reader) Write(text []byte) (int, error) {
	if r.hold != nil {
		<-r.hold
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.Buffer.Write(text)
}

func writeLines(t *testing.T, o *output, n int, line string) {
	t.Helper()
	for range n {
		if wrote, err := o.Write([]byte(line)); err != nil || wrote != len(line) {
			t.Fatalf("%d, %v", wrote, err)
		}
	}
}

// closed closes a stream, with the time that stdout has.
func closed(o *output) (lost int) {
	most, cancel := context.WithTimeout(context.Background(), flushBound)
	defer cancel()
	return o.close(most)
}

func TestOutputIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		o := newOutput(r, nil)
		writeLines(t, o, 100, "a line\n")
		if lost := closed(o); lost != 0 || r.String() != strings.Repeat("a line\n", 100) {
			t.Errorf("%d lost: %q", lost, r.String())
		}
		writeLines(t, o, 1, "too late\n")
		if lost := closed(o); lost != 1 {
			t.Errorf("%d lost", lost)
		}
	})
}

// What nobody reads is lost and counted, and holds nobody up.
func TestOutputThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{hold: make(chan struct{})}
		told := 0
		o := newOutput(r, func(error) { told++ })
		began := time.Now()
		writeLines(t, o, 3*outputLines, "a line\n")
		if lost := closed(o); lost != 3*outputLines {
			t.Errorf("%d lost", lost)
		}
		if took := time.Since(began); took != flushBound {
			t.Errorf("took %v", took)
		}
		close(r.hold)
		synctest.Wait()
		if n := strings.Count(r.String(), "\n"); n < outputLines || n > outputLines+1 || told != 1 {
			t.Errorf("%d written in the end, told %d times", n, told)
		}
	})
}

// Few long lines need as much room as many short ones.
func TestOutputIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{hold: make(chan struct{})}
		o := newOutput(r, nil)
		writeLines(t, o, 16, strings.Repeat("x", outputBytes/8)+"\n")
		close(r.hold)
		if lost := closed(o); lost != 9 || r.Len() > outputBytes {
			t.Errorf("%d lost, %d bytes written", lost, r.Len())
		}
	})
}

func TestOutputThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{err: errors.New("broken pipe")}
		o := newOutput(r, nil)
		writeLines(t, o, 5, "two\nlines\n")
		if lost := closed(o); lost != 10 {
			t.Errorf("%d lost", lost)
		}
	})
}

// The two streams share the time that the end has for them: a client that takes all
// of its own to de-register is gone within 5 s.
func TestTheEndOfBothStreamsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stdout, stderr := &reader{hold: make(chan struct{})}, &reader{hold: make(chan struct{})}
		p := &program{ctx: t.Context(), stdout: stdout, stderr: stderr}
		began := time.Now()
		p.streaming(func(p *program) int {
			p.complain("something")
			writeLines(t, p.stdout.(*output), 1, "a line\n")
			return exitDone
		})
		took := time.Since(began)
		if took != flushBound+lastBound {
			t.Errorf("took %v", took)
		}
		// What the teardown takes of it, with streams of the control API to be cut off.
		const teardown = 200 * time.Millisecond
		if end := closeBound + teardown + took; end > 5*time.Second {
			t.Errorf("the end takes %v", end)
		}
		close(stdout.hold)
		close(stderr.hold)
	})
}

// disk is a file on a file system that has room for so many bytes.
type disk struct {
	bytes.Buffer
	room int
}

func (d *disk) Write(text []byte) (int, error) {
	n, _ := d.Buffer.Write(text[:min(len(text), d.room)]) // it never fails
	if d.room -= n; n < len(text) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// A line that a full disk has cut off takes no other with it once there is room again.
func TestOutputOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: len("first\nsec")}
		var told error
		o := newOutput(d, func(cause error) { told = cause })
		writeLines(t, o, 1, "first\n")
		writeLines(t, o, 1, "second\n")
		writeLines(t, o, 1, "third\n")
		synctest.Wait()
		d.room = len("\n") // the end of the broken line, and nothing else
		writeLines(t, o, 1, "fourth\n")
		synctest.Wait()
		d.room = 100
		writeLines(t, o, 2, "fifth\n")
		if lost := closed(o); lost != 3 || d.String() != "first\nsec\nfifth\nfifth\n" {
			t.Errorf("%d lost: %q", lost, d.String())
		}
		if !errors.Is(told, syscall.ENOSPC) || !errors.Is(o.why(), syscall.ENOSPC) {
			t.Errorf("told %v, in the end %v", told, o.why())
		}
	})
}

// Only who does not read is said not to read.
func TestWhyLinesAreLost(t *testing.T) {
	for cause, want := range map[error]string{
		nil:            "nobody reads the output",
		syscall.EPIPE:  "nobody reads the output",
		syscall.ENOSPC: "the output cannot be written: " + syscall.ENOSPC.Error(),
	} {
		if got := unread(cause); got != want {
			t.Errorf("%v: %q", cause, got)
		}
	}
}
