package wallclock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// system returns a Waiter that the kernel wakes; where it does not, in a sandbox,
// one that looks.
func system() Waiter {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return newTicks()
	}
	if arm(fd) != nil {
		_ = unix.Close(fd)
		return newTicks()
	}
	return &alarm{os.NewFile(uintptr(fd), "timerfd")}
}

// arm sets a timer that never expires, and that ends when the clock is set. When
// that happens meanwhile the timer is set all the same.
func arm(fd int) error {
	var never unix.ItimerSpec
	fill(&never.Value.Sec)
	err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil)
	if err == unix.ECANCELED {
		return nil
	}
	return err
}

// fill makes the most of seconds, whose size depends on the machine.
func fill[T int32 | int64](seconds *T) {
	for *seconds = 1; *seconds<<1 > 0; {
		*seconds = *seconds<<1 | 1
	}
}

// alarm is a timer of the kernel.
type alarm struct{ file *os.File }

// Wait implements Waiter. The goroutine waits in Go's poller, and holds no thread.
func (a *alarm) Wait() bool {
	var expirations [8]byte
	if _, err := a.file.Read(expirations[:]); err != nil && !errors.Is(err, unix.ECANCELED) {
		return false
	}
	return a.rearm()
}

func (a *alarm) rearm() bool {
	raw, err := a.file.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = arm(int(fd)) })
	return err == nil && failed == nil
}

// Close implements Waiter.
func (a *alarm) Close() { _ = a.file.Close() }
