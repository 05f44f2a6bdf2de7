package supervisor

import (
	"strconv"
	"time"
)

// DefaultFloor is the pause after an overloaded peer's answer that does not say
// how long to wait: the default Max-Age of RFC 7252 section 5.10.5, and the
// pause of the reference behaviour.
const DefaultFloor = time.Minute

// Overload returns the pause after an answer that says that the peer is
// overloaded: what it asked for, with Max-Age of a CoAP 4.29 or 5.03 (RFC 8516) or
// Retry-After of an HTTP 429 or 503, or DefaultFloor when asked is nil. It is
// at least a second, lest a 0 makes a busy loop, and at most a week, lest a
// forged answer takes a device away.
func Overload(asked *time.Duration) time.Duration {
	if asked == nil {
		return DefaultFloor
	}
	return min(max(*asked, time.Second), Week)
}

// The forms of an HTTP date (RFC 9110 section 5.6.7): the present one, and the
// two that recipients have to accept.
var httpDates = []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}

// RetryAfter reads an HTTP Retry-After field (RFC 9110 section 10.2.3), which
// is a number of seconds or a date, for Overload. Nil means that it is absent
// or cannot be read; a date that has passed is 0.
func RetryAfter(field string, now time.Time) *time.Duration {
	if seconds, err := strconv.ParseUint(field, 10, 64); err == nil {
		return new(time.Duration(min(seconds, uint64(Week/time.Second)+1)) * time.Second)
	}
	for _, layout := range httpDates {
		if at, err := time.Parse(layout, field); err == nil {
			return new(max(at.Sub(now), 0))
		}
	}
	return nil
}
