package property_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// budget is what the model knows of the attempts of one client together: ten in
// any ten seconds and sixty in any ten minutes, not counting those at a server
// that has registered the client since; a bootstrap counts until a registration
// follows it.
type budget struct {
	begun    []begun
	unproven bool // nobody has registered since the latest bootstrap
}

type begun struct {
	at   time.Time
	whom whom
}

var budgets = []struct {
	most int
	span time.Duration
}{{10, 10 * time.Second}, {60, 10 * time.Minute}}

// registered gives back what the attempts at a management server have used.
func (b *budget) registered(at whom) {
	b.begun = slices.DeleteFunc(b.begun, func(a begun) bool { return a.whom == at || a.whom == boot && b.unproven })
	b.unproven = false
}

// crowded reports whether a span holds more than it may when something begins
// at the further instants.
func (b *budget) crowded(further ...time.Time) bool {
	all := slices.Clone(further)
	for _, a := range b.begun {
		all = append(all, a.at)
	}
	slices.SortFunc(all, time.Time.Compare)
	for _, limit := range budgets {
		for i := range max(0, len(all)-limit.most) {
			if all[i+limit.most].Sub(all[i]) < limit.span {
				return true
			}
		}
	}
	return false
}

// turn returns when an attempt that is wanted at an instant may begin, while
// others are booked.
func (b *budget) turn(wanted time.Time, other []time.Time) time.Time {
	candidates := []time.Time{wanted}
	for _, limit := range budgets {
		for _, a := range b.begun {
			candidates = append(candidates, a.at.Add(limit.span))
		}
		for _, o := range other {
			candidates = append(candidates, o.Add(limit.span))
		}
	}
	slices.SortFunc(candidates, time.Time.Compare)
	for _, at := range candidates {
		if !at.Before(wanted) && !b.crowded(append(slices.Clone(other), at)...) {
			return at
		}
	}
	return candidates[len(candidates)-1] // ten minutes after everything else: there is room
}

// begins notes an attempt, and demands that there was room for it.
func (m *model) begins(e entry, t *track) {
	longest := budgets[len(budgets)-1].span
	m.budget.begun = slices.DeleteFunc(m.budget.begun, func(a begun) bool { return e.at.Sub(a.at) >= longest })
	m.budget.begun = append(m.budget.begun, begun{e.at, t.whom})
	if m.budget.crowded() {
		m.failf(e, "more attempts than the budget of a client allows: %v", m.budget.begun)
	}
}

// turnOf returns when an account has its turn that wants it at an instant.
func (m *model) turnOf(t *track, wanted time.Time) time.Time {
	var booked []time.Time
	for _, other := range m.everyone() {
		if other != t && !other.due.IsZero() {
			booked = append(booked, other.due)
		}
	}
	return m.budget.turn(wanted, booked)
}

// book lets an account wait for its turn, from an instant on.
func (m *model) book(t *track, wanted time.Time) {
	t.begun, t.wanted = true, wanted
	t.due = m.turnOf(t, wanted)
}

// closeRanks moves the accounts forward that wait for a turn, in order, when a
// registration has made room.
func (m *model) closeRanks(e entry) {
	waiting := slices.DeleteFunc(m.everyone(), func(t *track) bool { return t.due.IsZero() || !t.due.After(t.wanted) })
	slices.SortStableFunc(waiting, func(a, b *track) int { return a.due.Compare(b.due) })
	for _, t := range waiting {
		t.due = time.Time{}
	}
	for _, t := range waiting {
		t.due = m.turnOf(t, later(e.at, t.wanted))
	}
}

// The judge condemns a client that exceeds its budget, or says nothing of it.
func TestScheduleModelCondemnsTheBudget(t *testing.T) {
	// Nine failures a millisecond, two, four ... apart.
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	failure := func(ms, n, retry int, waits bool) entry {
		e := entry{at: at(ms), after: uint64(n), kind: entryEvent}
		e.event = holdfast.Event{
			Type: holdfast.EventError, Seq: uint64(n), Attempt: uint64(n), Code: holdfast.CodeNetwork, Phase: "register",
			Time: e.at, NextAttempt: e.at.Add(time.Duration(retry) * time.Millisecond), WaitsForTurn: waits,
		}
		return e
	}
	entries := []entry{{at: at(0), kind: entryStart}, {at: at(0), kind: entryLoaded}}
	ms := 0
	for n := range 9 {
		entries = append(entries, entry{at: at(ms), kind: entryBegin}, failure(ms, n+1, 1<<n, false))
		ms += 1 << n
	}
	entries = append(entries, entry{at: at(ms), kind: entryBegin})
	for name, tt := range map[string]struct {
		want  string
		after []entry
	}{
		"sound":    {"", []entry{failure(ms, 10, 10_000-ms, true), {at: at(10_000), kind: entryBegin}}},
		"silent":   {"it waits for its turn: true", []entry{failure(ms, 10, 10_000-ms, false)}},
		"boastful": {"delay should be", []entry{failure(ms, 10, 512, false)}},
		"early": {"more attempts than the budget", []entry{
			failure(ms, 10, 512, false), {at: at(ms + 512), kind: entryBegin},
		}},
	} {
		m := newModel(schedule{Setup: plainServer, R0: time.Millisecond})
		m.check(slices.Concat(entries, tt.after), memory{})
		if got := strings.Join(m.faults, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: judged %q, want %q", name, got, tt.want)
		}
	}
}
