package supervisor

import "time"

// DefaultFloor is the pause after an overloaded peer's answer that does not say
// how long to wait: the default Max-Age of RFC 7252 section 5.10.5, and the
// pause of the reference behaviour.
const DefaultFloor = time.Minute

// Overload returns the pause after an answer that says that the peer is
// overloaded: what it asked for, with the Max-Age of a CoAP 4.29 or 5.03 (RFC
// 8516), or DefaultFloor when asked is nil. It is at least a second, lest a 0 makes
// a busy loop, and at most a week, lest a forged answer takes a device away.
func Overload(asked *time.Duration) time.Duration {
	if asked == nil {
		return DefaultFloor
	}
	return min(max(*asked, time.Second), Week)
}
