package bootclock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Slept returns how long the machine has been suspended since it was started:
// CLOCK_BOOTTIME counts that time, CLOCK_MONOTONIC does not.
func Slept() (time.Duration, bool) {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return 0, false
	}
	return time.Duration(boot.Nano() - mono.Nano()), true
}
