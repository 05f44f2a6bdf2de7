package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	defaultLockTimeout = 5 * time.Second
	lockPollInterval   = 100 * time.Millisecond

	// The holder's name stands behind the first byte of the lock file, which
	// is the one that Windows locks against reading; the fixed width makes
	// truncating it, which a locked file may refuse, unnecessary.
	ownerOffset = 1
	ownerLen    = 127
	processMax  = 64
)

// acquire takes the lock of dir, trying again until timeout or ctx ends.
func acquire(ctx context.Context, fsys FS, dir string, timeout time.Duration) (Lock, error) {
	lock, err := tryAcquire(fsys, dir)
	if lock != nil || err != nil {
		return lock, err // the rule: nobody else has it, and no timer is needed
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	poll := time.NewTicker(lockPollInterval)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
		case <-deadline.C:
			return nil, lockedError(fsys, dir, nil)
		case <-ctx.Done():
			return nil, lockedError(fsys, dir, ctx.Err())
		}
		if lock, err := tryAcquire(fsys, dir); lock != nil || err != nil {
			return lock, err
		}
	}
}

// tryAcquire takes the lock of dir if nobody has it; nil when somebody has.
func tryAcquire(fsys FS, dir string) (Lock, error) {
	path := filepath.Join(dir, lockFile)
	lock, taken, err := takeLock(fsys, path)
	if err != nil {
		return nil, &IOError{Op: "lock", Path: path, Err: cause(err)}
	}
	if !taken {
		return nil, nil
	}
	writeOwner(fsys, path)
	return lock, nil
}

// takeLock is TryLock, but releases a lock file that somebody else has made and
// could hold at will.
func takeLock(fsys FS, path string) (Lock, bool, error) {
	lock, taken, err := fsys.TryLock(path)
	if err != nil || !taken {
		return nil, false, err
	}
	fi, err := lock.Stat()
	if err == nil {
		err = CheckFile(fsys, path, fi)
	}
	if err != nil {
		_ = lock.Unlock()
		return nil, false, err
	}
	return lock, true, nil
}

func lockedError(fsys FS, dir string, err error) *LockedError {
	pid, process := readOwner(fsys, filepath.Join(dir, lockFile))
	return &LockedError{Dir: dir, PID: pid, Process: process, Err: err}
}

// writeOwner makes this process known to those who find the lock taken. It is
// a courtesy: on a read-only medium the lock holds without it.
func writeOwner(fsys FS, path string) {
	f, err := fsys.OpenFile(path, os.O_WRONLY, fileMode)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteAt(formatOwner(os.Getpid(), processName()), ownerOffset)
}

func formatOwner(pid int, process string) []byte {
	return fmt.Appendf(nil, "%-*s\n", ownerLen-1, strconv.Itoa(pid)+" "+process)
}

func processName() string {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return cleanProcess(filepath.Base(path))
}

// readOwner returns who wrote the lock file; empty strings when that cannot be
// told.
func readOwner(fsys FS, path string) (pid, process string) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return "", ""
	}
	b := make([]byte, ownerLen)
	n, _ := f.ReadAt(b, ownerOffset)
	return parseOwner(b[:n])
}

// parseOwner reads what formatOwner wrote. The text ends up in messages to
// people, so nothing but a number and printable characters gets through.
func parseOwner(b []byte) (pid, process string) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	number, process, _ := strings.Cut(string(line), " ")
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		return "", ""
	}
	return strconv.FormatUint(n, 10), cleanProcess(strings.TrimRight(process, " "))
}

// cleanProcess cuts a program name to a length and to characters that are safe
// to print.
func cleanProcess(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > processMax {
		s = strings.ToValidUTF8(s[:processMax], "")
	}
	return s
}
