package reporting

import (
	"cmp"
	"maps"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Set has the observations of all servers. What it costs to find those that a change
// concerns, or the one that is due next, does not grow with how many others there are.
type Set struct {
	limit  int
	byName map[name]*Observation
	// at has the observations by target, and below by everything that their targets
	// are below of.
	at, below map[lwm2m.Path][]*Observation
	agenda    agenda
	count     map[messages.Peer]int
	lastID    uint64
	changes   uint64
}

// NewSet returns a set of limit observations at most.
func NewSet(limit int) *Set { return &Set{limit: limit} }

// StartBehind has the IDs of observations begin behind one.
func (s *Set) StartBehind(id uint64) { s.lastID = id }

// Room reports whether an observation can begin: there is room for one more, or it
// takes the place of one.
func (s *Set) Room(peer messages.Peer, token string) bool {
	return len(s.byName) < s.limit || s.Get(peer, token) != nil
}

// Begin adds an observation; nil when there is no room. One with the same token is
// replaced (RFC 7641 section 4.1) and returned as before, nil where there was none. The
// new one has its ID where both are the same, so that on a link it is the same, too.
func (s *Set) Begin(spec Spec) (o, before *Observation) {
	if !s.Room(spec.Peer, spec.Token) {
		return nil, nil
	}
	before = s.Cancel(spec.Peer, spec.Token)
	o = &Observation{Spec: spec, index: -1}
	if before != nil && before.same(spec) {
		o.ID = before.ID
	} else {
		s.lastID++
		o.ID = s.lastID
	}
	if s.byName == nil { // nobody has observed before, as with most clients
		s.byName = map[name]*Observation{}
		s.count = map[messages.Peer]int{}
		s.at, s.below = map[lwm2m.Path][]*Observation{}, map[lwm2m.Path][]*Observation{}
	}
	s.byName[spec.name()] = o
	s.enter(o)
	return o, before
}

// enter makes an observation found by what it concerns, and counted.
func (s *Set) enter(o *Observation) {
	s.changes++
	s.count[o.Peer]++
	for _, target := range o.Targets {
		s.at[target] = append(s.at[target], o)
		for n := range target.Len() {
			above := target.Prefix(n)
			s.below[above] = append(s.below[above], o)
		}
	}
}

// leave undoes enter.
func (s *Set) leave(o *Observation) {
	s.changes++
	s.count[o.Peer]--
	for _, target := range o.Targets {
		without(s.at, target, o)
		for n := range target.Len() {
			without(s.below, target.Prefix(n), o)
		}
	}
}

func without(index map[lwm2m.Path][]*Observation, path lwm2m.Path, o *Observation) {
	rest := slices.DeleteFunc(index[path], func(other *Observation) bool { return other == o })
	if len(rest) == 0 {
		delete(index, path)
		return
	}
	index[path] = rest
}

// Get returns the observation of a peer with a token; nil when there is none.
func (s *Set) Get(peer messages.Peer, token string) *Observation {
	return s.byName[name{peer, token}]
}

// Has reports whether an observation is still one of the set.
func (s *Set) Has(o *Observation) bool { return s.byName[o.name()] == o }

// Cancel ends an observation and returns it; nil when there is none.
func (s *Set) Cancel(peer messages.Peer, token string) *Observation {
	o := s.Get(peer, token)
	if o != nil {
		delete(s.byName, o.name())
		s.leave(o)
		s.agenda.remove(o)
	}
	return o
}

// End ends the observations of a peer and returns them, the oldest first.
func (s *Set) End(peer messages.Peer) []*Observation {
	ended := s.Of(peer)
	for _, o := range ended {
		s.Cancel(o.Peer, o.Token)
	}
	return ended
}

// Of returns the observations of a peer, the oldest first.
func (s *Set) Of(peer messages.Peer) (of []*Observation) {
	for o := range maps.Values(s.byName) {
		if o.Peer == peer {
			of = append(of, o)
		}
	}
	slices.SortFunc(of, func(a, b *Observation) int { return cmp.Compare(a.ID, b.ID) })
	return of
}

// Count is how many observations a peer has.
func (s *Set) Count(peer messages.Peer) int { return s.count[peer] }

// Changes is another number whenever an observation has begun or ended.
func (s *Set) Changes() uint64 { return s.changes }

// Len is how many observations there are.
func (s *Set) Len() int { return len(s.byName) }

// Concerned returns the observations for which a change at a path, or below it,
// matters, each once and the oldest first.
func (s *Set) Concerned(path lwm2m.Path) (concerned []*Observation) {
	for n := range path.Len() + 1 {
		concerned = append(concerned, s.at[path.Prefix(n)]...)
	}
	concerned = append(concerned, s.below[path]...)
	slices.SortFunc(concerned, func(a, b *Observation) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Compact(concerned)
}
