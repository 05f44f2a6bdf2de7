package management

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/messages"
)

// Values that are not in memory are read in rounds: what is due at one instant for one
// server, of one object, is read by one handler, and one round of them is under way at a
// time. So a thousand observed points of a fieldbus take a few goroutines, and requests of
// the server are not held up.

// roundOf names the rounds of a server that read one object, or what one observation has
// of several.
type roundOf struct {
	peer        messages.Peer
	object      uint16
	observation uint64 // 0 for a round of one object
}

// share is what a round reads for one observation.
type share struct {
	observation *reporting.Observation
	sources     []source
	rights      *access.Table // that it was judged by
}

// rounds are those of one name.
type rounds struct {
	waiting  []share
	underWay bool
}

// readLater puts the sources of an observation into the next round. It is not due
// meanwhile.
func (m *Machine) readLater(ob *reporting.Observation, sources []source) {
	w := m.observations[ob.ID]
	w.reading, w.changed = true, false
	objects := missing(sources)
	name := roundOf{peer: ob.Peer, object: objects[0].id}
	if len(objects) > 1 {
		name.observation = ob.ID
	}
	if m.rounds[name] == nil {
		insert(&m.rounds, name, &rounds{})
	}
	m.rounds[name].waiting = append(m.rounds[name].waiting, share{ob, sources, m.access})
}

// readRounds begins the rounds that have something to read.
func (m *Machine) readRounds(now time.Time) (effects []core.Effect) {
	for _, name := range m.roundNames() {
		if r := m.rounds[name]; !r.underWay && !m.screensOff(r.waiting) {
			effects = append(effects, m.readRound(now, name, r)...)
		}
	}
	return effects
}

// roundNames lists the rounds in an order that does not depend on chance.
func (m *Machine) roundNames() (names []roundOf) {
	for name := range m.rounds {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b roundOf) int {
		return cmp.Or(a.peer.Compare(b.peer), cmp.Compare(a.object, b.object), cmp.Compare(a.observation, b.observation))
	})
	return names
}

// readRound has the handlers read what waits.
func (m *Machine) readRound(now time.Time, name roundOf, r *rounds) []core.Effect {
	shares := slices.DeleteFunc(r.waiting, func(s share) bool { return !m.observed.Has(s.observation) })
	r.waiting = nil
	if len(shares) == 0 {
		delete(m.rounds, name)
		return nil
	}
	read := &reading{session: session{Machine: m, peer: name.peer, now: now}}
	for _, s := range shares {
		read.sources = append(read.sources, s.sources...)
	}
	if m.stuck(missing(read.sources)) {
		return m.unseenAll(now, shares)
	}
	r.underWay = true
	j, timer := read.begin(&messages.Inbound{})
	read.then = func(done reading) answer { read.sources, read.now = done.sources, done.now; return answer{} }
	j.late = func(a answer) []core.Effect {
		r.underWay = false
		if a.Code != messages.Empty { // a handler has failed as a whole, or not returned
			return m.unseenAll(m.now, shares)
		}
		return m.seenAll(read, shares)
	}
	return append([]core.Effect{timer}, read.ask(j, missing(read.sources))...)
}

// screensOff reports whether something of a round is being changed, and is not to be seen
// until that is over.
func (m *Machine) screensOff(shares []share) bool {
	return slices.ContainsFunc(shares, func(s share) bool { return len(m.screened(s.sources)) > 0 })
}

// stuck reports whether too many handlers of one of the objects have not returned.
func (m *Machine) stuck(objects []*served) bool {
	return slices.ContainsFunc(objects, func(o *served) bool { return m.overdue(o) >= overduePerObject })
}

// seenAll hands to each observation what the round has read for it. Where rights may have
// changed meanwhile that is nobody's: it is due still, and judged and read again.
func (m *Machine) seenAll(read *reading, shares []share) (effects []core.Effect) {
	rest := read.sources
	for _, s := range shares {
		own := rest[:len(s.sources):len(s.sources)]
		rest = rest[len(s.sources):]
		switch {
		case s.rights == m.access:
			effects = append(effects, m.seen(read.now, s.observation, own)...)
		case m.current(s.observation):
			m.schedule(s.observation)
		}
	}
	return effects
}

func (m *Machine) unseenAll(now time.Time, shares []share) (effects []core.Effect) {
	for _, s := range shares {
		effects = append(effects, m.unseen(now, s.observation)...)
	}
	return effects
}
