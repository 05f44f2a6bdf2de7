// Package alarm calls functions after a while, or at once, without ever arming a
// timer that is due already.
//
// In a bubble of testing/synctest, Go 1.26 runs a timer that is due when it is
// armed on the goroutine that arms it, with a race context that all timers of
// the bubble share: under the race detector two at a time crash the process. The
// same befalls a timer's channel that is looked at for the first time after its
// instant. So a duration that is not known to be positive goes through here, and
// a goroutine that waits for a timer's channel has to be waiting when it is due.
// internal/architecture has the law.
package alarm

import "time"

// Alarm is one call that has been asked for.
type Alarm struct{ timer *time.Timer } // nil when it was due at once

// After calls f in a goroutine of its own once d has passed, or at once when d is
// not positive.
func After(d time.Duration, f func()) *Alarm {
	if d <= 0 {
		go f()
		return &Alarm{}
	}
	return &Alarm{timer: time.AfterFunc(d, f)}
}

// Stop prevents the call, and reports whether it did: a call that was due at once
// cannot be prevented. It may be called any number of times.
func (a *Alarm) Stop() bool { return a.timer != nil && a.timer.Stop() }
