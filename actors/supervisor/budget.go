package supervisor

import (
	"slices"
	"time"
)

// A window bounds how many attempts of one client begin within any span of a
// certain length, whose end does not belong to it.
type window struct {
	most int
	span time.Duration
}

// windows are the budget of a whole client (docs/design.md, The reconnection
// policy). A server can write an account's schedule and the number of accounts;
// nobody can write these.
var windows = [...]window{{most: 10, span: 10 * time.Second}, {most: 60, span: 10 * time.Minute}}

// Budget holds the attempts of one client that count against its windows,
// whichever account they were for. The zero value is an unused budget. When a
// server registers the client, the attempts at that server no longer count: a
// server that never accepts us stays bounded, even while another one registers us
// again and again.
type Budget struct{ begun []begun } // in order of time, at most the largest window's

type begun struct {
	at     time.Time
	server string
}

// copy makes b equal to another one that it shares nothing with.
func (b *Budget) copy(of *Budget) { b.begun = append(b.begun[:0], of.begun...) }

// Begin uses the budget for an attempt at a server that begins now.
func (b *Budget) Begin(now time.Time, server string) {
	longest := windows[len(windows)-1].span
	b.begun = slices.DeleteFunc(b.begun, func(e begun) bool { return now.Sub(e.at) >= longest })
	b.begun = append(b.begun, begun{at: now, server: server})
}

// Succeeded forgets the attempts at a server.
func (b *Budget) Succeeded(server string) {
	b.begun = slices.DeleteFunc(b.begun, func(e begun) bool { return e.server == server })
}

// Slept accounts for time that the clock of Begin did not count.
func (b *Budget) Slept(d time.Duration) {
	for i := range b.begun {
		b.begun[i].at = b.begun[i].at.Add(-d)
	}
}

// Plan returns the instants of all attempts: those that have begun, and those
// that are booked.
func (b *Budget) Plan(booked []time.Time) Plan {
	p := make(Plan, 0, len(b.begun)+len(booked))
	for _, e := range b.begun {
		p = append(p, e.at)
	}
	p = append(p, booked...)
	slices.SortFunc(p, time.Time.Compare)
	return p
}

// Plan holds the instants of attempts, past and booked, in order of time.
type Plan []time.Time

// Earliest returns the first instant from wanted on at which one more attempt may
// begin without overfilling a window. Bookings for later instants stay as they
// are, so that no account is postponed twice.
func (p Plan) Earliest(wanted time.Time) time.Time {
	for {
		at := wanted
		for _, w := range windows {
			at = w.earliest(p, at)
		}
		if at.Equal(wanted) {
			return at
		}
		wanted = at
	}
}

// With returns the plan with one more instant.
func (p Plan) With(at time.Time) Plan {
	i, _ := slices.BinarySearchFunc(p, at, time.Time.Compare)
	return slices.Insert(p, i, at)
}

// earliest is Plan.Earliest for one window: one attempt more is too many where a
// span would hold it together with as many as the window allows.
func (w window) earliest(p Plan, at time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(p, at.Add(-w.span), time.Time.Compare)
	for ; i+w.most <= len(p); i++ {
		first, last := p[i], p[i+w.most-1]
		if !at.After(last.Add(-w.span)) {
			break // and so are all later ones
		}
		if last.Sub(first) < w.span && at.Before(first.Add(w.span)) {
			at = first.Add(w.span)
		}
	}
	return at
}
