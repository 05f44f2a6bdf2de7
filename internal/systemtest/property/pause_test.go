package property_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

// What the model knows of a pause: it ends every attempt, every registration and
// every wait without a word. When it is over, the management accounts begin at once,
// in their order, or the bootstrap account where there is no other; only what a
// server asked for stays in force, and the counts of failures go on.

// pause takes an allowed call of Pause.
func (m *model) pause(e entry) {
	if m.paused {
		return
	}
	m.paused = true
	if m.b.open {
		m.shelf.unknown, m.shelf.record = true, nil // it may be stored yet
	}
	if m.shelf.due.Equal(e.at) {
		m.shelf.asked = e.at // the reading has begun, and is finished
	}
	m.shelf.due, m.shelf.refused = time.Time{}, 0
	for _, t := range m.everyone() {
		*t = t.rested()
	}
	m.order, m.budget.unproven = order{}, false
}

// rested is an account of which only what it remembers is left.
func (t *track) rested() track {
	return track{whom: t.whom, failures: t.failures, floor: t.floor, ladder: t.ladder}
}

// resumed takes a call of Resume.
func (m *model) resumed(e entry) {
	if !m.paused {
		return
	}
	m.paused, m.resumedAt = false, e.at
	for _, t := range m.everyone() {
		if has := t == &m.b && m.shelf.boots || t != &m.b && m.shelf.manages; has && t.floor.After(e.at) {
			m.book(t, t.floor) // it waits, as one that has failed does
			t.yields = t != &m.b
		}
	}
	switch {
	case m.shelf.manages:
		m.start(e)
	case m.shelf.boots && !m.b.begun:
		m.beginNow(e, &m.b)
	}
}

// woke takes the news that the machine has slept: every wait and every pause that
// a server asked for is shorter by that, and it is a hint.
func (m *model) woke(e entry) {
	if blocked := m.order.blocked; !blocked.IsZero() {
		m.order.blocked = blocked.Add(-e.slept)
	}
	if m.paused {
		return
	}
	m.renewNow(e)
	for i := range m.budget.begun {
		m.budget.begun[i].at = m.budget.begun[i].at.Add(-e.slept)
	}
	for _, t := range m.everyone() {
		if !t.floor.IsZero() {
			t.floor = t.floor.Add(-e.slept)
		}
		if t.due.After(e.at) {
			m.book(t, later(e.at, t.due.Add(-e.slept)))
		}
	}
	if m.shelf.due.After(e.at) {
		m.shelf.due = later(e.at, m.shelf.due.Add(-e.slept))
	}
	if m.b.due.After(e.at) {
		m.beforeTheHint(e.at)
	}
	m.hint(e)
}

// beforeTheHint has the accounts begin whose waits the sleep has ended: they have waited
// for an earlier instant than the bootstrap, whose wait only the hint ends.
func (m *model) beforeTheHint(now time.Time) {
	for _, t := range m.servers {
		if t.due.Equal(now) {
			t.yields = false
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// The judge condemns what a pause, a sleep or OMA's delays forbid.
func TestScheduleModelCondemnsPausesAndSleeps(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	dial := func(second int) entry { return entry{at: at(second), kind: entryBegin} }
	call := func(second int, kind entryKind) entry { return entry{at: at(second), kind: kind} }
	woke := func(second, slept int) entry {
		return entry{at: at(second), kind: entryWoke, slept: time.Duration(slept) * time.Second}
	}
	failed := func(second int, n uint64, retry int) entry {
		e := entry{at: at(second), after: n, kind: entryEvent}
		e.event = holdfast.Event{
			Type: holdfast.EventError, Seq: n, Attempt: n, Code: holdfast.CodeNetwork, Phase: "register",
			Time: e.at, NextAttempt: e.at.Add(time.Duration(retry) * time.Second),
		}
		return e
	}
	fifth := []entry{dial(0), failed(0, 1, 60), dial(60), failed(60, 2, 120), dial(180), failed(180, 3, 240), dial(420), failed(420, 4, 480), dial(900)}
	week := int(systemtest.Week / time.Second)
	for name, tt := range map[string]struct {
		want    string
		oma     bool
		entries []entry
	}{
		"a pause ends a wait, Resume begins anew": {"", false, []entry{
			dial(0), failed(0, 1, 5), call(1, entryPause), call(100, entryResume), dial(100), failed(100, 2, 10), dial(110),
		}},
		"calls that change nothing": {"", false, []entry{
			dial(0), failed(0, 1, 5), call(1, entryResume), dial(5), call(5, entryDial), call(6, entryPause), call(7, entryPause), call(8, entryHint), call(9, entryResume), dial(9),
		}},
		"an attempt within a pause":  {"out of turn", false, []entry{dial(0), failed(0, 1, 5), call(1, entryPause), dial(5)}},
		"a hint within a pause":      {"out of turn", false, []entry{dial(0), failed(0, 1, 5), call(1, entryPause), call(2, entryHint), dial(2)}},
		"no attempt after a pause":   {"no attempt began", false, []entry{dial(0), failed(0, 1, 5), call(1, entryPause), call(9, entryResume), dial(10)}},
		"a pause that forgets":       {"attempt should be 2", false, []entry{dial(0), failed(0, 1, 5), call(1, entryPause), call(9, entryResume), dial(9), failed(9, 1, 5)}},
		"a request within a pause":   {"request out of turn", false, []entry{dial(0), call(1, entryPause), {at: at(2), kind: entryRequest, what: "register"}}},
		"a sleep ends a wait":        {"", false, []entry{dial(0), failed(0, 1, 5), woke(1, 100), dial(1), failed(1, 2, 10), dial(11)}},
		"a sleep that is not heeded": {"no attempt began", false, []entry{dial(0), failed(0, 1, 5), woke(1, 100), dial(5)}},
		"a sleep within a pause":     {"out of turn", false, []entry{dial(0), failed(0, 1, 5), call(1, entryPause), woke(2, 100), dial(2)}},
		"OMA's series":               {"", true, slices.Concat(fifth, []entry{failed(900, 5, week), dial(900 + week), failed(900+week, 6, week)})},
		"OMA's delay is another":     {"delay should be 1m0s", true, []entry{dial(0), failed(0, 1, 5)}},
		"OMA's series without end":   {"delay should be", true, slices.Concat(fifth, []entry{failed(900, 5, 960)})},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(schedule{Setup: securedServer, R0: 5 * time.Second, OMA: tt.oma})
			m.check(slices.Concat([]entry{{at: at(0), kind: entryStart}, {at: at(0), kind: entryLoaded}}, tt.entries), memory{})
			if got := strings.Join(m.faults, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}

// A bootstrap follows OMA's series at once, where there can be one.
func TestSeries(t *testing.T) {
	for n, want := range map[uint64][2]time.Duration{
		1: {time.Minute, time.Minute}, 4: {8 * time.Minute, 8 * time.Minute}, 5: {0, systemtest.Week}, 6: {time.Minute, systemtest.Week},
		10: {0, systemtest.Week},
	} {
		if got := [2]time.Duration{series(n, true), series(n, false)}; got != want {
			t.Errorf("after %d failures: %v, want %v", n, got, want)
		}
	}
}
