//go:build !linux

package holdfast

import "time"

// sleptSinceBoot reports that this system has no clock to tell: elsewhere the
// monotonic clock goes on while the machine is suspended, or it cannot be told.
func sleptSinceBoot() (time.Duration, bool) { return 0, false }
