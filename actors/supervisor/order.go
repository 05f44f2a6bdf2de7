package supervisor

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// order is the registration order of the accounts (/1/x/13 to 15): those that
// have a priority register one after the other. One that fails and blocks the others
// keeps its turn, but not for ever: where the standard would not try them at all, they
// are tried when the cap of the policy is over (docs/design.md, The reconnection policy).
type order struct {
	waiting []messages.Peer // have not begun, in their order
	current messages.Peer   // whose turn it is; zero for none
	// unproven says that nobody has registered since the last bootstrap.
	unproven bool
	// blocked is when the turn ends of a current account that has failed and blocks
	// the others; zero where none does.
	blocked time.Time
}

// copy makes o equal to another one that it shares nothing with.
func (o *order) copy(of *order) {
	o.waiting = append(o.waiting[:0], of.waiting...)
	o.current, o.unproven, o.blocked = of.current, of.unproven, of.blocked
}

// arrange puts the accounts that are ready to begin in their order, behind the
// current one if that is still open. It returns those that have no priority,
// which begin at once.
func (o *order) arrange(ready []*account, open bool) (free []*account) {
	o.waiting = nil
	if !open {
		o.current = messages.Peer{}
	}
	ready = slices.SortedStableFunc(slices.Values(ready), byPriority)
	for _, a := range ready {
		if a.Retry.Priority == nil {
			free = append(free, a)
			continue
		}
		o.waiting = append(o.waiting, a.Peer)
	}
	return free
}

// byPriority sorts accounts without a priority first.
func byPriority(a, b *account) int {
	x, y := a.Retry.Priority, b.Retry.Priority
	if x == nil || y == nil {
		return cmp.Compare(priorities(x), priorities(y))
	}
	return cmp.Compare(*x, *y)
}

func priorities(p *uint64) int {
	if p == nil {
		return 0
	}
	return 1
}

// holds reports whether an account waits for its turn.
func (o *order) holds(p messages.Peer) bool { return slices.Contains(o.waiting, p) }

// next moves on to the next account, and returns it; false when there is none.
func (o *order) next() (messages.Peer, bool) {
	o.blocked = time.Time{}
	if len(o.waiting) == 0 {
		o.current = messages.Peer{}
		return o.current, false
	}
	o.current, o.waiting = o.waiting[0], o.waiting[1:]
	return o.current, true
}

// over reports whether the turn of an account has ended: it has registered, or
// it has failed and does not block the others (/1/x/15).
func (o *order) over(a *account, succeeded bool) bool {
	if succeeded {
		o.unproven = false
	}
	return a.Peer == o.current && (succeeded || !or(a.Retry.FailureBlock, false))
}

// delay is /1/x/14, which counts until the first success after a bootstrap.
func (o *order) delay(a *account) time.Duration {
	if !o.unproven {
		return 0
	}
	return min(or(a.Retry.InitialDelay, 0), Week)
}
