package property_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// order is what the model knows of the registration order of the management
// accounts (/1/x/13 to 15): those that have a priority begin one after the other,
// each when the one before has registered, or has failed and does not block it.
type order struct {
	waiting []*track // have not begun, in their order
	current *track   // whose turn it is; nil for none
	early   *entry   // an attempt of the next one, whose turn has to begin at this instant
	// blocked is when one that has failed, and blocks those behind it, does so no
	// longer; zero for none.
	blocked time.Time
}

// start begins the management accounts that have not begun, those without a
// priority at once.
func (m *model) start(e entry) {
	if c := m.order.current; c != nil && c.begun && !c.up {
		return // its turn is not over
	}
	var behind [3][]*track // by priority, which are 1 and 2
	for _, t := range m.servers {
		if !t.begun {
			n, _ := m.plan.priority(t.whom)
			behind[n] = append(behind[n], t)
		}
	}
	for _, t := range behind[0] {
		m.beginNow(e, t)
	}
	m.order.waiting = append(behind[1], behind[2]...)
	m.nextInOrder(e)
}

// beginNow begins an account, as soon as the budget allows it. Only where that is
// later does it wait for a bootstrap that is under way then.
func (m *model) beginNow(e entry, t *track) {
	m.book(t, e.at)
	t.yields = t != &m.b && t.due.After(e.at)
}

// begunEarly reports whether an attempt is that of the next account in order. It
// may connect before the event is out that ends the turn of the present one.
func (m *model) begunEarly(e entry, t *track) bool {
	if len(m.order.waiting) == 0 || m.order.waiting[0] != t {
		return false
	}
	m.order.early = &e
	if blocked := m.order.blocked; !blocked.IsZero() && !e.at.Before(blocked) {
		m.nextInOrder(e)
	}
	return true
}

// tooEarly finds an attempt of the next account that no event has explained.
func (m *model) tooEarly(now entry) {
	if early := m.order.early; early != nil && early.at.Before(now.at) {
		m.failf(*early, "an attempt out of turn: the account before it has not registered")
		m.order.early = nil
	}
}

func (m *model) nextInOrder(e entry) {
	m.order.blocked = time.Time{}
	if m.order.current = nil; len(m.order.waiting) == 0 {
		return
	}
	m.order.current, m.order.waiting = m.order.waiting[0], m.order.waiting[1:]
	if m.order.early == nil {
		m.beginNow(e, m.order.current)
	}
	m.order.early = nil
}

// turnOver begins the next account when the turn of the present one is over.
func (m *model) turnOver(e entry, t *track, succeeded bool) {
	switch {
	case t != m.order.current:
	case succeeded || !m.plan.Block:
		m.nextInOrder(e)
	case m.order.blocked.IsZero() && len(m.order.waiting) > 0:
		m.order.blocked = e.at.Add(systemtest.Week)
	}
}

// Histories of two management servers are judged account by account, and by what the
// accounts share.
func TestScheduleModelCondemnsTwoServers(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	begin := func(second int, about whom) entry { return entry{at: at(second), kind: entryBegin, whom: about} }
	sees := func(second int, about whom) entry { return entry{at: at(second), kind: entryDial, whom: about} }
	said := func(second int, n uint64, about whom, e holdfast.Event) entry {
		e.Seq, e.Time = n, at(second)
		return entry{at: e.Time, after: n, kind: entryEvent, whom: about, event: e}
	}
	failed := func(second int, n, attempt uint64, about whom, action holdfast.Action, retry int) entry {
		e := holdfast.Event{Type: holdfast.EventError, Attempt: attempt, Action: action, Code: holdfast.CodeNetwork, Phase: "register"}
		e.NextAttempt = at(second + retry)
		if about == boot {
			e.Phase = "bootstrap"
		}
		return said(second, n, about, e)
	}
	up := func(second int, n, attempts uint64, about whom) entry {
		return said(second, n, about, holdfast.Event{Type: holdfast.EventRegistered, Attempts: attempts})
	}
	update := func(second int, about whom) entry {
		return entry{at: at(second), kind: entryRequest, whom: about, what: "update"}
	}
	call := entry{at: at(0), kind: entryBootstrap, whom: boot}
	both := []entry{begin(0, first), begin(0, second)}
	apart := slices.Concat(both, []entry{failed(0, 1, 1, first, "retry", 5), up(0, 2, 1, second)})
	asked := slices.Concat(both, []entry{ // both ask for a bootstrap, and it is refused
		failed(0, 1, 1, first, "bootstrap", 5), failed(0, 2, 1, second, "bootstrap", 5), begin(5, boot), failed(5, 3, 1, boot, "retry", 5),
	})
	beside := slices.Concat(both, []entry{ // a bootstrap is under way when both are due
		failed(0, 1, 1, first, "retry", 5), failed(0, 2, 1, second, "retry", 5), call, begin(0, boot), sees(0, boot),
	})
	for name, tt := range map[string]struct {
		want    string
		order   precedence
		block   bool
		entries []entry
	}{
		"sound":                             {"", together, false, slices.Concat(apart, []entry{begin(5, first), failed(5, 3, 2, first, "retry", 10), update(7, second)})},
		"an Update too early":               {"not due until", together, false, slices.Concat(apart, []entry{begin(5, first), failed(5, 3, 2, first, "retry", 10), update(6, second)})},
		"an Update that does not come":      {"no Update to the second", together, false, slices.Concat(apart, []entry{begin(5, first), failed(5, 3, 2, first, "retry", 10), begin(15, first)})},
		"the other's lifetime":              {"no Update to the second", together, false, slices.Concat(apart, []entry{begin(5, first), sees(5, first), up(6, 3, 2, first), update(3507+6, first)})},
		"the counts are mixed":              {"attempt should be 1", together, false, slices.Concat(both, []entry{failed(0, 1, 1, first, "retry", 5), failed(0, 2, 2, second, "retry", 10)})},
		"the other's delay":                 {"delay should be 5s", together, false, slices.Concat(both, []entry{failed(0, 1, 1, first, "retry", 5), failed(0, 2, 1, second, "retry", 10)})},
		"the other's success":               {"attempt should be 2", together, false, slices.Concat(apart, []entry{begin(5, first), failed(5, 3, 1, first, "retry", 5)})},
		"the attempts of another":           {"it took 1 attempts", together, false, slices.Concat(both, []entry{failed(0, 1, 1, first, "retry", 5), up(0, 2, 2, second)})},
		"the wrong account begins":          {"out of turn", together, false, slices.Concat(apart, []entry{begin(5, second)})},
		"the second is forgotten":           {"no attempt began at", together, false, []entry{begin(0, first), failed(0, 1, 1, first, "retry", 5), begin(5, first)}},
		"a third account":                   {"no such account", together, false, slices.Concat(apart, []entry{begin(1, 2)})},
		"a request on a lost link":          {"request out of turn", together, false, slices.Concat(apart, []entry{update(3, first)})},
		"a Register in a bootstrap's place": {"was to be a bootstrap", together, false, slices.Concat(both, []entry{failed(0, 1, 1, second, "bootstrap", 5), begin(5, second)})},
		"one bootstrap for both":            {"", together, false, slices.Concat(asked, []entry{begin(10, boot), sees(10, boot)})},
		"a server before the bootstrap":     {"a bootstrap is under way", together, false, slices.Concat(asked, []entry{begin(10, first)})},
		"waits again by another's delay":    {"out of turn", together, false, slices.Concat(asked, []entry{begin(8, first)})},
		"held back, then both at once":      {"", together, false, slices.Concat(beside, []entry{failed(9, 3, 1, boot, "retry", 5), begin(9, first), begin(9, second)})},
		"one of them is not let go":         {"no attempt began", together, false, slices.Concat(beside, []entry{failed(9, 3, 1, boot, "retry", 5), begin(9, first), failed(9, 4, 2, first, "retry", 10), begin(14, boot)})},
		"beside the bootstrap":              {"a bootstrap is under way", together, false, slices.Concat(beside, []entry{begin(5, second)})},
		"called off too early":              {"no attempt began", together, false, slices.Concat(both, []entry{call, begin(0, boot), failed(0, 1, 1, boot, "retry", 5), up(0, 2, 1, first), failed(0, 3, 1, second, "retry", 5), update(7, first)})},
		"in order":                          {"", firstFirst, false, []entry{begin(0, first), failed(0, 1, 1, first, "retry", 5), begin(0, second), up(0, 2, 1, second), begin(5, first), up(5, 3, 2, first)}},
		"together in spite of an order":     {"out of turn", firstFirst, false, slices.Concat(both, []entry{sees(0, first), sees(0, second), up(1, 1, 1, first)})},
		"the wrong order":                   {"out of turn", secondFirst, false, []entry{begin(0, first), up(0, 1, 1, first), update(1, first)}},
		"a failure that does not block":     {"no attempt began", firstFirst, false, []entry{begin(0, first), failed(0, 1, 1, first, "retry", 5), begin(5, first)}},
		"a failure that blocks":             {"", firstFirst, true, []entry{begin(0, first), failed(0, 1, 1, first, "retry", 5), begin(5, first), begin(5, second), up(5, 2, 2, first), up(5, 3, 1, second)}},
		"a failure that should have":        {"out of turn", firstFirst, true, []entry{begin(0, first), failed(0, 1, 1, first, "retry", 5), begin(0, second), begin(5, first)}},
		"nothing is seen on the network":    {"nothing was seen", together, false, slices.Concat(both, []entry{sees(0, first), failed(180, 1, 1, first, "retry", 5)})},
		"more connects than attempts":       {"only 1 attempts", together, false, slices.Concat(both, []entry{sees(0, second), sees(0, second)})},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(schedule{Setup: twoServers, Lifetime: time.Hour, Other: 14 * time.Second, R0: 5 * time.Second, Order: tt.order, Block: tt.block})
			start := []entry{{at: at(0), kind: entryStart}, {at: at(0), kind: entryLoaded, loaded: messages.AccountsLoaded{Stored: []byte("both")}}}
			m.check(slices.Concat(start, tt.entries), memory{delivered: true, record: []byte("both")})
			if got := strings.Join(m.faults, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}
