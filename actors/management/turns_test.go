package management

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// turns is a machine whose handlers return when it pleases the test.
type turns struct {
	t       *rapid.T
	m       *Machine
	shelves [2]*shelf
	now     time.Time
	timers  map[core.Timer]time.Time
	open    []Call
	asked   map[uint64]string              // what was written, by request
	replies map[uint64][]messages.CoAPCode // to each
	last    string                         // what the last Write-Composite that was answered 2.04 has written
}

func newTurns(t *rapid.T) *turns {
	w := &turns{
		t: t, shelves: [2]*shelf{newShelf(4000, 0), newShelf(4001, 0)}, now: now,
		timers: map[core.Timer]time.Time{}, asked: map[uint64]string{}, replies: map[uint64][]messages.CoAPCode{}, last: "top",
	}
	w.m = withObjects(memory{w.shelves[0]}, memory{w.shelves[1]})
	return w
}

func (w *turns) step(in any) {
	for _, e := range w.m.Step(w.now, in) {
		switch e := e.(type) {
		case core.SetTimer:
			w.timers[e.Timer] = w.now.Add(e.After)
		case core.StopTimer:
			delete(w.timers, e.Timer)
		case Call:
			w.open = append(w.open, e)
		case core.Tell:
			if r, is := e.Message.(messages.Reply); is {
				w.answered(r)
			}
		}
	}
}

func (w *turns) answered(r messages.Reply) {
	w.replies[r.ID] = append(w.replies[r.ID], r.Code)
	if wrote := w.asked[r.ID]; wrote != "" && r.Code == messages.Changed {
		w.last = wrote
	}
}

// ask sends a request of one of three servers. Those that write labels write the same to
// both shelves.
func (w *turns) ask() {
	id := uint64(len(w.asked) + 1)
	label := fmt.Sprintf("v%d", id)
	in := rapid.SampledFrom([]messages.Inbound{
		ipatch(`[{"n":"/4000/0/0","vs":"` + label + `"},{"n":"/4001/0/0","vs":"` + label + `"}]`),
		withBody(request(messages.PUT, "/4000/0/5"), text, label),
		withBody(request(messages.PUT, "/4001/0/2/4"), text, "4"),
		request(messages.DELETE, "/4000/0/2/0"),
		request(messages.POST, "/4001/0/3"),
		request(messages.GET, "/4000/0/0"),
	}).Draw(w.t, "request")
	w.asked[id] = ""
	if in.Code == messages.IPATCH {
		w.asked[id] = label
	}
	w.step(at(in, id, rapid.Uint16Range(1, 3).Draw(w.t, "server")))
}

// let has one of the handlers that are under way return.
func (w *turns) let() {
	if len(w.open) == 0 {
		return
	}
	at := rapid.IntRange(0, len(w.open)-1).Draw(w.t, "which")
	call := w.open[at]
	w.open = slices.Delete(w.open, at, at+1)
	run(context.Background(), call, func(out Returned) {
		out.Err = nil // the context has the time of the test
		w.step(out)
	})
}

// pass lets time pass, and fires what is due.
func (w *turns) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		next, due := core.Timer{}, end
		for timer, at := range w.timers {
			if at.Before(due) || at.Equal(due) && (next == core.Timer{} || timer.Key < next.Key) {
				next, due = timer, at
			}
		}
		if next == (core.Timer{}) {
			w.now = end
			return
		}
		w.now = due
		delete(w.timers, next)
		w.step(core.Expired{Timer: next})
	}
}

// labels is what a server reads of both shelves.
func (w *turns) labels() string {
	r, found := answered(w.m.Step(w.now, at(fetch(`[{"n":"/4000/0/0"},{"n":"/4001/0/0"}]`), 0, 9)))
	if !found {
		w.t.Fatal("the labels are not read at once")
	}
	return string(r.Payload)
}

// Whoever writes when, and however long handlers take: every request has one answer, by its
// deadline and the one of what it takes back, nothing stays closed, and in the end a
// Write-Composite has been carried out as a whole where it was answered 2.04, and else not
// at all.
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newTurns(t)
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1:
				w.ask()
			case 2, 3, 4:
				w.let()
			case 5:
				w.pass(time.Duration(rapid.IntRange(1, 12).Draw(t, "seconds")) * time.Second)
			}
		}
		w.pass(2 * time.Minute)
		for id := range w.asked {
			if len(w.replies[id]) != 1 {
				t.Fatalf("request %d has the answers %v", id, w.replies[id])
			}
		}
		for len(w.open) > 0 {
			w.let()
		}
		m := w.m
		if n := len(m.jobs) + len(m.calls) + len(m.changing) + len(m.parked) + len(m.screens); n > 0 || len(w.timers) > 0 {
			t.Fatalf("left: %v %v %v %v %v, %v", m.jobs, m.calls, m.changing, m.parked, m.screens, w.timers)
		}
		if got := w.labels(); strings.Count(got, `"`+w.last+`"`) != 2 {
			t.Fatalf("%s, and the last that was written is %s", got, w.last)
		}
		if v := w.shelves[0].value(lwm2m.PathOf(4000, 0, 0).String()); v != w.last {
			t.Fatalf("%s, want %s", v, w.last)
		}
	})
}
