package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// A request waits for its turn where another changes the same instance, or where another
// of the same server is with the supervisor, which takes one change of each server at a
// time: what one has prepared must still hold when it is carried out. Those that wait go on
// in the order in which they came, and are then judged anew by what the others have left.
// Waiting counts as being under way, and is part of the time of a request.

// wish is what a request waits for.
type wish struct {
	changes  []lwm2m.Path // instances that it is going to change
	supplies bool         // it is going to have the supervisor change what that keeps
	reads    []lwm2m.Path // instances that it is going to ask an object for
}

// parked is what waits for its turn: a request, or what is read for a Send.
type parked struct {
	id     uint64
	peer   messages.Peer
	epoch  messages.Epoch
	until  time.Time
	wish   wish
	goOn   func(session) []core.Effect
	refuse func(answer) []core.Effect // when the turn has not come in time
}

// turn has a request wait where what it wishes is not free; nil means that it can go on.
func (s session) turn(in *messages.Inbound, w wish) *answer {
	if s.free(in.Epoch, w, s.ahead()) {
		return nil
	}
	for _, path := range w.changes {
		if c := s.calls[s.changing[path]]; c != nil { // nobody knows when that ends
			return busy("a handler that changes the instance has not returned", time.Second)
		}
	}
	kept := *in
	kept.Payload, kept.Token = slices.Clone(in.Payload), slices.Clone(in.Token)
	return s.park(&parked{
		epoch: in.Epoch, wish: w,
		goOn: func(s session) []core.Effect { return s.serve(kept) },
		refuse: func(a answer) []core.Effect {
			return append(s.reply(kept.Epoch, kept.ID, a), s.unobserved(kept.Peer, kept.Epoch, begun(&kept), a)...)
		},
	})
}

// park has something wait, if there is room for that.
func (s session) park(p *parked) *answer {
	if refusal := s.admit(s.peer); refusal != nil {
		return refusal
	}
	s.lastID++
	p.id, p.peer, p.until = s.lastID, s.peer, s.deadline()
	s.parked = append(s.parked, p)
	return &answer{later: []core.Effect{core.SetTimer{Timer: timerJob(p.id), After: p.until.Sub(s.now)}}}
}

// ahead are those whose turn comes before that of the session's request.
func (s session) ahead() []*parked {
	if s.until.IsZero() {
		return s.parked
	}
	return s.parked[:s.place]
}

// free reports whether nothing that is under way, and nobody who came before, is in the
// way of a wish.
func (m *Machine) free(epoch messages.Epoch, w wish, before []*parked) bool {
	for _, path := range w.changes {
		if _, is := m.changing[path]; is {
			return false
		}
	}
	for _, path := range w.reads {
		if _, is := m.screens[path]; is {
			return false
		}
	}
	return !(w.supplies && m.supplying(epoch)) && !slices.ContainsFunc(before, func(p *parked) bool {
		return w.supplies && p.wish.supplies && p.epoch == epoch ||
			slices.ContainsFunc(w.changes, func(path lwm2m.Path) bool { return slices.Contains(p.wish.changes, path) })
	})
}

// supplying reports whether a change of a server is with the supervisor, or will be.
func (m *Machine) supplying(epoch messages.Epoch) bool {
	if _, is := m.writes[epoch]; is {
		return true
	}
	for _, j := range m.jobs {
		if j.supplies && j.epoch == epoch {
			return true
		}
	}
	return false
}

// takeTurns has the requests go on whose turn it is.
func (m *Machine) takeTurns(now time.Time) (effects []core.Effect) {
	for at := 0; at < len(m.parked); {
		p := m.parked[at]
		if !m.free(p.epoch, p.wish, m.parked[:at]) {
			at++
			continue
		}
		m.parked = slices.Delete(m.parked, at, at+1)
		effects = append(effects, core.StopTimer{Timer: timerJob(p.id)})
		effects = append(effects, m.apart(func() []core.Effect {
			return p.goOn(session{Machine: m, peer: p.peer, now: now, until: p.until, place: at})
		})...)
	}
	return effects
}

// apart does something that a fault of this step has nothing to do with.
func (m *Machine) apart(do func() []core.Effect) []core.Effect {
	faults := m.faults
	m.faults = nil
	effects := do()
	m.faults = append(faults, m.faults...)
	return effects
}

// parkedExpired answers a request whose turn has not come in time.
func (m *Machine) parkedExpired(id uint64) []core.Effect {
	at := slices.IndexFunc(m.parked, func(p *parked) bool { return p.id == id })
	if at < 0 {
		return nil
	}
	p := m.parked[at]
	m.parked = slices.Delete(m.parked, at, at+1)
	return p.refuse(*busy("earlier changes are still under way", time.Second))
}
