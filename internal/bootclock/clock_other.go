//go:build !linux

package bootclock

import "time"

// Slept reports that this system has no clock to tell: elsewhere the monotonic
// clock goes on while the machine is suspended, or it cannot be told.
func Slept() (time.Duration, bool) { return 0, false }
