package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// PolicyKind says whose delays count.
type PolicyKind uint8

// The policies (docs/design.md, The reconnection policy).
const (
	// PolicyAuto is that of the reference behaviour, or LwM2M's (Core
	// 6.2.1.2) for a server account on which a bootstrap or a server has written
	// retry resources.
	PolicyAuto PolicyKind = iota
	// PolicyExponential is always that of the reference behaviour.
	PolicyExponential
	// PolicyLwM2M is LwM2M's, with its defaults.
	PolicyLwM2M
)

// Schedule tells how long to wait after a failure.
type Schedule interface {
	// Delay returns the delay after the n-th consecutive failure, n from 0.
	// exhausted says that the schedule's last sequence has failed with it,
	// so that a bootstrap may be the better remedy.
	Delay(n uint64) (delay time.Duration, exhausted bool)
}

// exponential is the policy of the reference behaviour, which never exhausts.
type exponential struct{ Policy }

func (s exponential) Delay(n uint64) (time.Duration, bool) { return s.Policy.Delay(n), false }

// Defaults of the retry resources /1/x/17 to 20 (LwM2M Core section 6.2.1.2).
const (
	defaultRetryCount    = 5
	defaultRetryTimer    = time.Minute
	defaultSequenceDelay = 24 * time.Hour
	defaultSequenceCount = 1
)

// Sequences is LwM2M's policy: sequences of attempts whose delays double,
// with a long delay between sequences.
type Sequences struct {
	Attempts uint64        // in one sequence; at least 1
	First    time.Duration // delay in a sequence, doubled with each attempt
	Between  time.Duration // delay between sequences; accounts.Never ends the series
	Count    uint64        // sequences; at least 1
	// Restarts says that a bootstrap follows when all sequences have failed,
	// and that they begin again after it. Without it attempts go on at the
	// cap: no policy ever gives up.
	Restarts bool
	// Max caps every delay.
	Max time.Duration
}

// NewSequences reads an account's retry resources; what is not written has its
// default. A count of 0 means 1.
func NewSequences(r messages.Retry, restarts bool, longest time.Duration) Sequences {
	return Sequences{
		Attempts: max(1, or(r.Count, defaultRetryCount)),
		First:    or(r.Timer, defaultRetryTimer),
		Between:  or(r.SequenceDelay, defaultSequenceDelay),
		Count:    max(1, or(r.SequenceCount, defaultSequenceCount)),
		Restarts: restarts,
		Max:      longest,
	}
}

func or[T any](value *T, preset T) T {
	if value == nil {
		return preset
	}
	return *value
}

// Delay implements Schedule.
func (s Sequences) Delay(n uint64) (time.Duration, bool) {
	if n >= quickAttempts {
		s.First, s.Between = max(s.First, slowTimer), max(s.Between, slowTimer)
	}
	return s.delay(n)
}

// A server may ask for a few attempts in quick succession, but not without end:
// no timer below 2 s counts as a wait between attempts in the long run
// (docs/design.md, The reconnection policy).
const (
	quickAttempts = 3
	slowTimer     = 2 * time.Second
)

func (s Sequences) delay(n uint64) (time.Duration, bool) {
	sequence, attempt := n/s.Attempts, n%s.Attempts
	if s.Between >= accounts.Never && sequence > 0 {
		return s.ended(n)
	}
	if sequence >= s.Count {
		return s.ended(n)
	}
	if attempt+1 < s.Attempts {
		return Policy{Initial: s.least(s.First), Max: s.Max}.Delay(attempt), false
	}
	if sequence+1 < s.Count && s.Between < accounts.Never {
		return s.least(s.Between), false
	}
	return s.last(), true
}

// last is the delay after the last failure of the series: none when a bootstrap
// follows.
func (s Sequences) last() time.Duration {
	if s.Restarts {
		return 0
	}
	return s.Max
}

// ended is the delay after the series is over. A series of one attempt has no
// delay of its own: refused, bootstrap, refused would be a busy loop, so there is
// one from the second time on.
func (s Sequences) ended(n uint64) (time.Duration, bool) {
	switch {
	case !s.Restarts:
		return s.Max, true
	case s.total() == 1:
		return Policy{Initial: s.least(s.First), Max: s.Max}.Delay(n - 1), true
	}
	return s.delay(n % s.total())
}

// total is the number of attempts in the whole series.
func (s Sequences) total() uint64 {
	if s.Between >= accounts.Never {
		return s.Attempts
	}
	if s.Count > maxFailures/s.Attempts {
		return maxFailures
	}
	return s.Attempts * s.Count
}

// anew is the least delay before a new series where no bootstrap follows after
// all: the server answers, but with a refusal.
func (s Sequences) anew() time.Duration { return s.least(max(s.First, slowTimer)) }

// maxFailures is out of reach in practice; it keeps products of what a server
// writes in range.
const maxFailures = 1 << 62

// least keeps a timer of 0 from making a busy loop.
func (s Sequences) least(d time.Duration) time.Duration { return min(max(d, time.Second), s.Max) }

// schedule returns the schedule of an account.
func (m *Machine) schedule(a *account) Schedule {
	kind := m.config.PolicyKind
	if kind == PolicyExponential || kind == PolicyAuto && !a.Retry.Written() {
		return exponential{m.config.Policy}
	}
	return NewSequences(a.Retry, m.mayBootstrap(a), m.config.Policy.Max)
}

// mayBootstrap reports whether a failed registration of the account may lead
// to a bootstrap (/1/x/16).
func (m *Machine) mayBootstrap(a *account) bool {
	return m.bootstrapAccount() != nil && a.management() && or(a.Retry.Bootstrap, true)
}

// holdOff returns the hold-off time before a bootstrap after n failed ones: it
// doubles, under LwM2M's policy.
func (m *Machine) holdOff(b *account, n uint64) time.Duration {
	if m.config.PolicyKind != PolicyLwM2M || b.HoldOff <= 0 {
		return min(b.HoldOff, Week)
	}
	return Policy{Initial: b.HoldOff, Max: Week}.Delay(n)
}
