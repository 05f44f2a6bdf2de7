package supervisor

import "time"

// Week is the longest delay of any policy.
const Week = 7 * 24 * time.Hour

// Policy computes the delays between attempts as the reference behaviour does:
// the first is drawn once, each further one is twice the one before, up to a cap
// that then stays.
type Policy struct {
	// Initial is r0, the delay after the first failure; positive.
	Initial time.Duration
	// Max is the longest delay; at least 1 ns, a week by default.
	Max time.Duration
}

// NewPolicy draws r0 uniformly from [lowest, highest]; draw is in [0, 1).
func NewPolicy(lowest, highest, longest time.Duration, draw float64) Policy {
	spread := float64(highest - lowest)
	return Policy{Initial: lowest + time.Duration(draw*spread), Max: longest}
}

// Delay returns how long to wait after the n-th consecutive failure, n from 0:
// min(r0 * 2^n, Max). It doubles in a loop that ends at the cap; a shift would
// overflow after some thirty doublings and make a busy loop of a long outage.
func (p Policy) Delay(n uint64) time.Duration {
	delay := min(p.Initial, p.Max)
	for range n {
		if delay >= p.Max-delay { // doubling would reach the cap
			return p.Max
		}
		delay *= 2
	}
	return delay
}

// Floored returns the longer of a delay and what a server has asked for, at
// most a week.
func Floored(delay, floor time.Duration) time.Duration {
	return min(max(delay, floor), Week)
}
