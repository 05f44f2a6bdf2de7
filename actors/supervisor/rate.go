package supervisor

import "time"

// rates bound what others can make the client do: whoever gives hints about the
// network, servers that ask for bootstraps, and whoever sends messages that are
// not CoAP.
type rates struct {
	hinted    time.Time // the last network hint that was heeded
	stepped   time.Time // the last step of the wall clock: when it is, or was, heeded
	told      time.Time // the last one of all
	triggered time.Time // the last bootstrap that a server asked for
	triggers  uint64    // how many it has asked for, none of them an hour after the one before
	malformed time.Time // the last event about an undecodable message
}

// Limits of rate.
const (
	// hintInterval is the least time between two heeded network hints.
	hintInterval = 5 * time.Second
	// malformedInterval is the least time between two events about
	// undecodable messages.
	malformedInterval = time.Second
	// warnInterval is the least time between two lines in the log about
	// what a link has dropped.
	warnInterval = time.Minute
	// triggerQuiet is the longest delay of a bootstrap that a server asks for,
	// and the pause after which the count of such requests starts again.
	triggerQuiet = time.Hour
	// changeEvery and changeBurst bound what a server can change by Writes: in the
	// long run one change in so much time, and so many at a stretch. Each costs
	// writes of flash memory, which wears out.
	changeEvery = 10 * time.Second
	changeBurst = 60
)

// hint reports whether a hint that the network is back counts now.
func (r *rates) hint(now time.Time) bool { return admit(&r.hinted, now, hintInterval) }

// step returns when a step of the wall clock counts: now, unless one has counted
// within the interval of hints.
func (r *rates) step(now time.Time) time.Time {
	if !r.stepped.After(now) { // else one is to be heeded yet, and this one with it
		next := r.stepped.Add(hintInterval)
		r.stepped = later(now, next)
	}
	return r.stepped
}

// undecodable reports whether an undecodable message is reported now.
func (r *rates) undecodable(now time.Time) bool { return admit(&r.malformed, now, malformedInterval) }

// admit reports whether an interval has passed since the last time.
func admit(last *time.Time, now time.Time, interval time.Duration) bool {
	if !last.IsZero() && now.Sub(*last) < interval {
		return false
	}
	*last = now
	return true
}

// changes bound the changes of one server. The zero value allows a burst.
type changes struct {
	full time.Time // when the whole burst will be allowed again
}

// take reports whether one more change is allowed now.
func (c *changes) take(now time.Time) bool {
	if c.full.Sub(now) > (changeBurst-1)*changeEvery {
		return false
	}
	c.full = later(c.full, now).Add(changeEvery)
	return true
}

// trigger counts a bootstrap that a server asks for, and returns the delay before
// it, at least rest. The first comes at once, the next ones are spaced by the
// policy, up to an hour apart.
func (r *rates) trigger(now time.Time, p Policy, rest time.Duration) time.Duration {
	if now.Sub(r.triggered) >= triggerQuiet {
		r.triggers = 0
	}
	if r.triggers > 0 {
		distance := min(p.Delay(r.triggers-1), triggerQuiet)
		rest = max(rest, r.triggered.Add(distance).Sub(now))
	}
	r.triggered, r.triggers = now.Add(max(rest, 0)), r.triggers+1
	return rest
}
