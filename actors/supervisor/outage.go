package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/messages"
)

// outage counts what has gone wrong with an account since its last success. It
// outlives the incarnations.
type outage struct {
	failures uint64 // consecutive failed attempts
	last     *messages.Failure
	since    time.Time // when a registered link was lost; zero when none was
	crashes  decay.Decay
}

// fail counts a failed attempt.
func (o *outage) fail(f *messages.Failure) {
	o.failures++
	o.last = f
}

// simply reports whether the next handshake is to offer nothing that a server could do
// without, no Connection ID and no session to resume: every second one that follows a
// failed handshake.
func (o *outage) simply() bool { return o.inHandshake() && o.failures%2 == 1 }

// inHandshake reports whether the last attempt may have failed because of what the
// handshake has offered.
func (o *outage) inHandshake() bool {
	if o.last == nil {
		return false
	}
	switch o.last.Class {
	case messages.ClassHandshakeTimeout, messages.ClassHandshakeStalled, messages.ClassAlert, messages.ClassClosed:
		return true
	}
	return false
}

// lost notes that a registered link is gone, unless one was gone before.
func (o *outage) lost(now time.Time) {
	if o.since.IsZero() {
		o.since = now
	}
}

// succeed ends the outage. Crashes are forgiven by time only: a crash loop slows
// down also where every cycle registers.
func (o *outage) succeed() { o.failures, o.last, o.since = 0, nil, time.Time{} }

// crashed counts a crash. It returns the least delay before the next attempt, at
// most longest, and whether crashes repeat.
func (o *outage) crashed(now time.Time, longest time.Duration) (delay time.Duration, repeated bool) {
	o.crashes.Min, o.crashes.Max, o.crashes.HalfLife = crashMin, longest, crashHalfLife
	return o.crashes.Next(now)
}

// twice reports whether the attempt before ended in the same way as f. A
// handshake that fails in the same way counts whatever it was for.
func (o *outage) twice(f *messages.Failure) bool {
	if o.last == nil || o.last.Class != f.Class {
		return false
	}
	if f.Class == messages.ClassHandshakeStalled || f.Class == messages.ClassCredentialsRefused {
		return true
	}
	return o.last.Phase == f.Phase && floorOf(o.last) == 0 && o.last.Answer.Class() == f.Answer.Class()
}
