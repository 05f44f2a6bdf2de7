// Package descriptors knows about the limit of open files that a process has, and
// says which one it was when a file or a socket could not be opened for it.
//
// It owns nothing: the limit belongs to the process.
package descriptors

import (
	"errors"
	"strconv"
	"syscall"
)

// LimitError says that a file or a socket could not be opened, since the process, or
// the machine, has as many as it may have.
type LimitError struct {
	// Soft and Hard are the limits of this process (RLIMIT_NOFILE): what it may
	// have, and what it may raise that to. 0 is unknown.
	Soft, Hard uint64
	Err        error // EMFILE or ENFILE, with what package os or net says around it
}

// Error names the limit.
func (e *LimitError) Error() string {
	if errors.Is(e.Err, syscall.ENFILE) {
		return syscall.ENFILE.Error() + " (limit of the machine: fs.file-max)"
	}
	text := syscall.EMFILE.Error()
	if e.Soft == 0 {
		return text
	}
	return text + " (limits of this process, RLIMIT_NOFILE: soft " + number(e.Soft) + ", hard " + number(e.Hard) + ")"
}

// number returns infinity, which each system writes in its own way, as a word.
func number(n uint64) string {
	const most = 1 << 62
	if n >= most {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// Unwrap returns the cause.
func (e *LimitError) Unwrap() error { return e.Err }

// Short reports whether something could not be opened for want of a descriptor.
func Short(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Explain returns a *LimitError with the limits as they are now where err is for want
// of a descriptor, else err itself.
func Explain(err error) error {
	var known *LimitError
	if !Short(err) || errors.As(err, &known) {
		return err
	}
	soft, hard := limits()
	return &LimitError{Soft: soft, Hard: hard, Err: err}
}
