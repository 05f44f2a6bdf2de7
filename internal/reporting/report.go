package reporting

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Action is what an observation wants at an instant.
type Action uint8

// The actions.
const (
	Wait Action = iota // nothing, until [Report.Next]
	Look               // read the values and call [Report.Looked]
	Tell               // read the values, notify the server and call [Report.Told]
)

// String returns the action in a word.
func (a Action) String() string { return [...]string{"wait", "look", "tell"}[min(a, Tell)] }

// Report says when one observation is to be looked at and when it is to be told
// (LwM2M Core section 6.4.1). It begins with [Report.Told], by the first answer.
//
//	         Changed, evaluation period        worth telling
//	settled ---------------------------> look --------------> pending
//	   ^                                   |                     | shortest period over
//	   |                                   | not worth it        v
//	   +-----------------------------------+                   tell <-- longest period,
//	   |                                                         |      24 h unconfirmed
//	   +---------------------------------------------------------+
//
// Pending stays until the server has been told, also when the value goes back
// meanwhile: it has changed. Nothing is looked at while a change is pending, because
// what is told is read then.
type Report struct {
	Rules Rules
	// Sample is how often a value is looked at that changes without a word; 0 for
	// one whose changes are told by [Report.Changed].
	Sample time.Duration
	// Certain says that nothing is told again only because a day has passed: every value
	// that the server has to know is confirmed to arrive, so that there is nothing to make
	// sure of.
	Certain bool

	told      []lwm2m.Node // what the server knows; nothing when that is not known
	toldAt    time.Time
	confirmed time.Time // when a notification, or the first answer, was last confirmed to arrive
	looked    time.Time
	changed   bool // something has changed, but has not been looked at
	pending   bool // a change is worth telling
}

// Told says that the server is told the values now; the caller leaves them alone from
// then on.
func (r *Report) Told(now time.Time, values []lwm2m.Node, confirmable bool) {
	r.told, r.toldAt, r.looked = values, now, now
	r.changed, r.pending = false, false
	if confirmable {
		r.confirmed = now
	}
}

// Changed says that something of what is observed may have changed.
func (r *Report) Changed() { r.changed = true }

// Urge makes the next action Tell as soon as the shortest period allows: what the
// server knows may not be what it was told.
func (r *Report) Urge() { r.pending = true }

// Slept says that a period has passed that no instant shows: the clock stood still.
func (r *Report) Slept(period time.Duration) {
	r.toldAt, r.confirmed, r.looked = r.toldAt.Add(-period), r.confirmed.Add(-period), r.looked.Add(-period)
}

// Unconfirmed reports whether nothing shows that the server knows what it was last told.
func (r *Report) Unconfirmed() bool { return r.toldAt.After(r.confirmed) }

// Looked says what the values are now.
func (r *Report) Looked(now time.Time, values []lwm2m.Node, thresholds func(lwm2m.Path) Attributes) {
	r.looked, r.changed = now, false
	r.pending = r.pending || Differ(r.told, values, thresholds)
}

// Reshaped reports whether there are other values than those that the server was told,
// whatever they are. Both are sorted by path.
func (r *Report) Reshaped(values []lwm2m.Node) bool {
	return !slices.EqualFunc(r.told, values, func(a, b lwm2m.Node) bool { return a.Path == b.Path })
}

// Confirmable reports whether a notification that leaves now is confirmable.
func (r *Report) Confirmable(now time.Time) bool {
	return r.Rules.Confirmable || !now.Before(r.confirmBy())
}

// Do returns what is to be done now.
func (r *Report) Do(now time.Time) Action {
	if !now.Before(r.tellAt()) {
		return Tell
	}
	if at, ok := r.lookAt(); ok && !now.Before(at) {
		return Look
	}
	return Wait
}

// Next returns when [Report.Do] will have something to do, if nothing changes.
func (r *Report) Next() time.Time {
	next := r.tellAt()
	if at, ok := r.lookAt(); ok && at.Before(next) {
		return at
	}
	return next
}

// never is later than anything that happens.
const never = 100 * 365 * 24 * time.Hour

// confirmBy returns when a notification has to be confirmable.
func (r *Report) confirmBy() time.Time {
	if r.Certain {
		return r.confirmed.Add(never)
	}
	return r.confirmed.Add(ConfirmEvery)
}

// tellAt returns when the server is told next as things stand. There is always such
// an instant: a day after the last confirmable notification, the next is due.
func (r *Report) tellAt() time.Time {
	allowed := r.toldAt.Add(r.Rules.MinPeriod)
	if r.pending {
		return allowed
	}
	at := later(allowed, r.confirmBy())
	if longest := r.Rules.MaxPeriod; longest > 0 {
		at = earlier(at, r.toldAt.Add(longest))
	}
	return at
}

// lookAt returns when the values are looked at next; false when there is no reason to.
func (r *Report) lookAt() (time.Time, bool) {
	if r.pending {
		return time.Time{}, false
	}
	if r.changed {
		return r.looked.Add(r.Rules.MinEvaluation), true
	}
	every := r.Rules.every(r.Sample)
	return r.looked.Add(every), every > 0
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
