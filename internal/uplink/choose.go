package uplink

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/internal/linkwatch"
)

// How long a better interface has to be good before it is returned to.
const (
	// Hold is that time the first time.
	Hold = 30 * time.Second
	// LongestHold bounds it: it doubles each time that the interface is lost again.
	LongestHold = 32 * time.Minute
	// Forgiven is the time without a loss that halves what is held against an interface.
	Forgiven = 30 * time.Minute
)

// grade says how good an interface is; a higher one is better whatever the order.
type grade uint8

const (
	useless grade = iota // it is not there, not up, or has no address
	onLink               // it reaches its own link
	routed               // a default route leads through it
)

func gradeOf(i *linkwatch.Interface) grade {
	switch {
	case i == nil || !i.Reaches():
		return useless
	case i.Routed():
		return routed
	}
	return onLink
}

// Choice is an interface to use.
type Choice struct {
	Interface *linkwatch.Interface // nil where none can be used
	Reason    string               // why it is this one, or none; for people
}

// Chooser chooses among the interfaces that a configuration names. The first one counts
// that is up, has an address beyond its link, and a default route; where none has a route,
// the first one without. It is left at once when it is no longer as good as another one, and
// returned to when it has been good for a while: the longer, the more often it was lost. It
// is not safe for concurrent use.
type Chooser struct {
	candidates []*candidate
	used       *candidate // nil for none
	reason     string
}

// candidate is one interface of the list.
type candidate struct {
	name   string
	now    *linkwatch.Interface
	grade  grade
	since  time.Time // when it became as good as it is
	hold   time.Duration
	losses decay.Decay
}

// NewChooser returns a Chooser among interfaces, the best first.
func NewChooser(names []string) *Chooser {
	c := &Chooser{}
	for _, name := range names {
		c.candidates = append(c.candidates, &candidate{
			name: name, losses: decay.Decay{Min: Hold, Max: LongestHold, HalfLife: Forgiven},
		})
	}
	c.reason = c.none()
	return c
}

// Step takes what the machine is like at the instant now, and returns the choice and when
// to ask again; zero where only a change can change it.
func (c *Chooser) Step(now time.Time, view linkwatch.View) (Choice, time.Time) {
	for _, one := range c.candidates {
		one.look(now, view, one == c.used)
	}
	switch best := c.best(func(*candidate) bool { return true }); {
	case best == nil:
		c.use(nil, c.none())
	case c.used == nil:
		c.use(best, "")
	case c.used.grade == useless:
		c.use(best, c.used.name+c.used.lack())
	default:
		c.improve(now)
	}
	choice := Choice{Reason: c.reason}
	if c.used != nil {
		choice.Interface = c.used.now
	}
	return choice, c.wake(now)
}

// improve leaves an interface that can be used for a better one that may be used by now.
func (c *Chooser) improve(now time.Time) {
	better := c.best(func(one *candidate) bool { return c.before(one, c.used) && !c.from(one).After(now) })
	switch {
	case better == nil:
	case better.grade > c.used.grade:
		c.use(better, c.used.name+c.used.lack())
	default:
		c.use(better, better.name+" has been good for "+better.wait().String())
	}
}

// from returns when a candidate that is better than the one in use may take its place: at
// once where that one has no way out and nothing is held against the candidate.
func (c *Chooser) from(one *candidate) time.Time {
	if one.grade > c.used.grade && one.losses.Quiet(one.since) {
		return one.since
	}
	return one.since.Add(one.wait())
}

func (c *Chooser) use(one *candidate, reason string) {
	if one != c.used || one == nil {
		c.used, c.reason = one, reason
	}
}

// best returns the best candidate that will do, nil where none can be used.
func (c *Chooser) best(will func(*candidate) bool) (best *candidate) {
	for _, one := range c.candidates {
		if one.grade > useless && will(one) && (best == nil || one.grade > best.grade) {
			best = one
		}
	}
	return best
}

// before reports whether one candidate is better than another one that can be used.
func (c *Chooser) before(one, other *candidate) bool {
	if one.grade != other.grade {
		return one.grade > other.grade
	}
	return slices.Index(c.candidates, one) < slices.Index(c.candidates, other)
}

// wake returns when a better candidate will have been good for long enough.
func (c *Chooser) wake(now time.Time) (at time.Time) {
	for _, one := range c.candidates {
		if c.used == nil || one.grade == useless || !c.before(one, c.used) {
			continue
		}
		if until := c.from(one); until.After(now) && (at.IsZero() || until.Before(at)) {
			at = until
		}
	}
	return at
}

// none says why no interface can be used.
func (c *Chooser) none() string {
	if len(c.candidates) == 1 {
		return c.candidates[0].name + c.candidates[0].lack()
	}
	var lacks []string
	for _, one := range c.candidates {
		lacks = append(lacks, one.name+one.lack())
	}
	return "no interface of the list can be used: " + strings.Join(lacks, ", ")
}

// look notes what an interface is like. Each loss of the one that is used counts against it.
func (c *candidate) look(now time.Time, view linkwatch.View, used bool) {
	was := c.grade
	c.now = view.Named(c.name)
	c.grade = gradeOf(c.now)
	if c.grade == was {
		return
	}
	c.since = now
	if used && c.grade < was {
		c.hold, _ = c.losses.Next(now)
	}
}

// wait returns for how long a candidate has to be good before it is returned to.
func (c *candidate) wait() time.Duration { return max(c.hold, Hold) }

// lack says what an interface lacks, behind its name.
func (c *candidate) lack() string {
	switch {
	case c.now == nil:
		return " is not there"
	case !c.now.Up:
		return " is down, or has no carrier"
	case c.grade == useless:
		return " has no address"
	}
	return " has no default route"
}
