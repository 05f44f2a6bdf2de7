package main

import (
	"bytes"
	"errors"
	"strings"
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

func TestOutputIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		o := newOutput(r, nil)
		writeLines(t, o, 100, "a line\n")
		if lost := o.close(); lost != 0 || r.String() != strings.Repeat("a line\n", 100) {
			t.Errorf("%d lost: %q", lost, r.String())
		}
		writeLines(t, o, 1, "too late\n")
		if lost := o.close(); lost != 1 {
			t.Errorf("%d lost", lost)
		}
	})
}

// What nobody reads is lost and counted, and holds nobody up.
func TestOutputThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{hold: make(chan struct{})}
		told := 0
		o := newOutput(r, func() { told++ })
		began := time.Now()
		writeLines(t, o, 3*outputLines, "a line\n")
		if lost := o.close(); lost != 3*outputLines {
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
		if lost := o.close(); lost != 9 || r.Len() > outputBytes {
			t.Errorf("%d lost, %d bytes written", lost, r.Len())
		}
	})
}

func TestOutputThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{err: errors.New("broken pipe")}
		o := newOutput(r, nil)
		writeLines(t, o, 5, "two\nlines\n")
		if lost := o.close(); lost != 10 {
			t.Errorf("%d lost", lost)
		}
	})
}
