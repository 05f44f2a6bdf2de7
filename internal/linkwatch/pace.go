package linkwatch

import "time"

// Pace of a watch.
const (
	// settle is how long after the first sign of a change the machine is looked at:
	// an address, its route and the interface's flags come one after the other.
	settle = 250 * time.Millisecond
	// rest is the least time between two looks, and the first delay after one that failed.
	rest = time.Second
	// longestRest is the longest delay after looks that failed.
	longestRest = time.Minute
)

// pace says when the machine is looked at.
type pace struct {
	looked time.Time     // the last time
	due    time.Time     // the next time; zero while nothing has changed
	failed time.Duration // the delay after the last look, where that has failed
}

// stir notes the sign of a change.
func (p *pace) stir(now time.Time) {
	if !p.due.IsZero() {
		return
	}
	p.due = now.Add(settle)
	if earliest := p.looked.Add(rest); !p.looked.IsZero() && p.due.Before(earliest) {
		p.due = earliest
	}
}

// done notes a look, and arms the next one where it has failed.
func (p *pace) done(now time.Time, ok bool) {
	p.looked, p.due = now, time.Time{}
	if ok {
		p.failed = 0
		return
	}
	p.failed = min(max(2*p.failed, rest), longestRest)
	p.due = now.Add(p.failed)
}
