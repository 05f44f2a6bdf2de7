package property_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// What servers wish of the client's links: that it says when it cannot be reached (queue
// mode), and that it stays away for a while (Disable).

// traffic is when the client last sent something to each server, and when anything passed.
type traffic struct {
	mu     sync.Mutex
	sent   map[whom][]time.Time // in order
	passed map[whom]time.Time
}

// follow has a network tell what the client sends and gets.
func follow(n *lwm2mtest.Network) *traffic {
	t := &traffic{sent: map[whom][]time.Time{}, passed: map[whom]time.Time{}}
	n.Trace(t.packet)
	return t
}

func (t *traffic) packet(e lwm2mtest.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case e.Fate == lwm2mtest.Sent && e.Packet.From.Addr() == systemtest.GatewayAddr:
		to := whomAt(e.Packet.To.Addr())
		t.sent[to] = append(t.sent[to], e.Time)
		t.passed[to] = e.Time
	case e.Fate == lwm2mtest.Delivered && e.Packet.To.Addr() == systemtest.GatewayAddr:
		t.passed[whomAt(e.Packet.From.Addr())] = e.Time
	}
}

// within returns the first packet to a server between two instants, both left out.
func (t *traffic) within(to whom, after, before time.Time) (at time.Time, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, at := range t.sent[to] {
		if at.After(after) && at.Before(before) {
			return at, true
		}
	}
	return at, false
}

// binding writes the binding that a server wants.
func (g *managing) binding(ctx context.Context, by *manager, n int) {
	_, _ = g.put(ctx, by, "7", []string{"U", "UQ"}[n%2]) // it may be lost
}

// disable has a server send the client away.
func (g *managing) disable(ctx context.Context, by *manager, n int) {
	if answer, err := g.put(ctx, by, "5", strconv.Itoa([]int{5, 60, 600}[n%3])); err == nil && answer.Code == messages.Changed {
		_, _ = by.server.Execute(ctx, systemtest.Endpoint, fmt.Sprintf("/1/%d/4", by.whom), "") // the same
	}
}

// put writes a resource of a server's own instance.
func (g *managing) put(ctx context.Context, by *manager, resource, value string) (lwm2mtest.Response, error) {
	return by.server.Write(ctx, systemtest.Endpoint, fmt.Sprintf("/1/%d/%s", by.whom, resource), lwm2mtest.Replace,
		lwm2mtest.Content{Format: messages.FormatText, Payload: []byte(value)})
}

// outlastPauses waits until no server keeps the client away any more.
func (l *lab) outlastPauses() {
	for range 3 * len(l.managers) { // one may end while another begins anew
		var rest time.Duration
		for _, c := range l.client.Status().Connections {
			rest = max(rest, time.Until(c.DisabledUntil))
		}
		if rest <= 0 {
			return
		}
		time.Sleep(rest)
	}
}

// fallAsleep demands that a link in queue mode on which nothing passes falls asleep.
func (l *lab) fallAsleep() {
	time.Sleep(2*transmitWait + time.Second)
	for _, c := range l.client.Status().Connections {
		l.traffic.mu.Lock()
		passed := l.traffic.passed[whomOf(c.Server)]
		l.traffic.mu.Unlock()
		if c.QueueMode == "awake" && time.Since(passed) > 2*transmitWait {
			l.out.failf("%s is awake, although nothing has passed for %v", c.Server, time.Since(passed))
		}
	}
}

// pause is how long a server wants to be left alone.
type pause struct{ since, until time.Time }

// wishes judges one life after the other by what servers have wished.
type wishes struct {
	traffic *traffic
	asleep  map[whom]time.Time // since when; zero while awake
	away    map[whom]pause
	slack   time.Duration // by which a pause may end early
	judged  map[string]int
	faults  []string
}

func newWishes(t *traffic) *wishes {
	return &wishes{traffic: t, asleep: map[whom]time.Time{}, away: map[whom]pause{}, judged: map[string]int{}}
}

// judgeWishes judges all lives.
func (l *lab) judgeWishes() {
	if l.managing == nil || l.out.managed == nil {
		return
	}
	v := newWishes(l.traffic)
	for _, life := range l.out.lives {
		for _, e := range life.ordered() {
			if v.step(e); e.kind == entryKill {
				break // nobody hears what it says as it is taken down
			}
		}
		v.over(l.disk.count > 0 || len(l.damaged) > 0)
	}
	for what, n := range v.judged {
		l.out.managed[what] += n
	}
	l.out.faults = append(l.out.faults, v.faults...)
}

func (v *wishes) failf(e entry, format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf("at %v, %s: ", e.at.Format(instant), e)+fmt.Sprintf(format, args...))
}

func (v *wishes) step(e entry) {
	switch e.kind {
	case entryEvent:
		v.event(e)
	case entryBegin, entryRequest, entryNotify:
		v.stays(e)
	case entryWoke:
		for w, p := range v.away {
			v.away[w] = pause{p.since, p.until.Add(-e.slept)}
		}
	case entryKill, entryPause: // what is paused needs no network, and says nothing
		v.awakeAll(e)
	}
}

func (v *wishes) event(e entry) {
	switch e.event.Type {
	case holdfast.EventAsleep:
		v.fallsAsleep(e)
	case holdfast.EventAwake:
		if v.asleep[e.whom].IsZero() {
			v.failf(e, "it was not asleep")
		}
		v.wakesUp(e, e.whom)
	case holdfast.EventDisabled:
		retry, _ := e.event.RetryIn()
		v.away[e.whom] = pause{e.at, e.at.Add(retry)}
		v.judged["pauses"]++
	case holdfast.EventBootstrapped:
		clear(v.away)
	}
}

func (v *wishes) fallsAsleep(e entry) {
	v.judged["asleep"]++
	if !v.asleep[e.whom].IsZero() {
		v.failf(e, "it is asleep already")
	}
	if at, sent := v.traffic.within(e.whom, e.at.Add(-transmitWait), e.at); sent {
		v.failf(e, "something was sent %v before", e.at.Sub(at))
	}
	v.asleep[e.whom] = e.at
}

// wakesUp ends a sleep, in which nothing may have been sent.
func (v *wishes) wakesUp(e entry, w whom) {
	since := v.asleep[w]
	if since.IsZero() {
		return
	}
	if at, sent := v.traffic.within(w, since, e.at); sent {
		v.failf(e, "something was sent to the %s server at %v, while it was asleep", w, at)
	}
	v.asleep[w] = time.Time{}
}

// awakeAll ends all sleeps, with the process.
func (v *wishes) awakeAll(e entry) {
	for w := range v.asleep {
		v.wakesUp(e, w)
	}
}

// stays demands that a server that has sent the client away is left alone. What was told to
// leave before, at the same instant, may come behind that.
func (v *wishes) stays(e entry) {
	p := v.away[e.whom]
	if e.what != "deregister" && e.at.After(p.since) && e.at.Before(p.until.Add(-v.slack)) {
		v.failf(e, "the %s server is to be left alone for %v more", e.whom, p.until.Sub(e.at))
	}
}

// over ends a life. What the disk could not keep is not known to the next one, and what it
// keeps is in whole seconds.
func (v *wishes) over(spoilt bool) {
	clear(v.asleep)
	if v.slack = time.Second; spoilt {
		clear(v.away)
	}
}

// The judge condemns a link that is called asleep too early or twice, what is sent while it
// is, and a client that comes back too early, or tells what was observed before.
func TestWishesCondemn(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	told := func(second int, kind holdfast.EventType, retry int) entry {
		e := entry{at: at(second), kind: entryEvent}
		e.event = holdfast.Event{Type: kind, Time: e.at, NextAttempt: e.at.Add(time.Duration(retry) * time.Second)}
		return e
	}
	asleep := func(second int) entry { return told(second, holdfast.EventAsleep, 0) }
	awake := func(second int) entry { return told(second, holdfast.EventAwake, 0) }
	disabled := func(second int) entry { return told(second, holdfast.EventDisabled, 60) }
	did := func(second int, kind entryKind, what string) entry {
		return entry{at: at(second), kind: kind, what: what}
	}
	for name, tt := range map[string]struct {
		want    string
		sent    []int
		entries []entry
	}{
		"asleep and awake":        {"", []int{1, 200}, []entry{asleep(94), awake(200), asleep(293)}},
		"asleep too early":        {"something was sent 1m32s before", []int{1}, []entry{asleep(93)}},
		"asleep twice":            {"asleep already", nil, []entry{asleep(94), asleep(200)}},
		"awake twice":             {"was not asleep", nil, []entry{awake(94)}},
		"sent while asleep":       {"while it was asleep", []int{100}, []entry{asleep(94), awake(101)}},
		"sent, and then killed":   {"while it was asleep", []int{100}, []entry{asleep(94), did(101, entryKill, "")}},
		"paused":                  {"", []int{100}, []entry{asleep(94), did(100, entryPause, ""), asleep(300)}},
		"left alone":              {"", nil, []entry{disabled(10), did(10, entryRequest, "deregister"), did(70, entryBegin, ""), did(70, entryRequest, "register")}},
		"a bootstrap ends it":     {"", nil, []entry{disabled(10), told(20, holdfast.EventBootstrapped, 0), did(20, entryBegin, "")}},
		"a sleep of the machine":  {"", nil, []entry{disabled(10), {at: at(20), kind: entryWoke, slept: time.Minute}, did(20, entryBegin, "")}},
		"an attempt too early":    {"left alone for 1s more", nil, []entry{disabled(10), did(69, entryBegin, "")}},
		"an Update in between":    {"left alone", nil, []entry{disabled(10), did(20, entryRequest, "update")}},
		"a notification":          {"left alone", nil, []entry{disabled(10), did(20, entryNotify, "")}},
		"told as it was disabled": {"", nil, []entry{did(10, entryNotify, ""), disabled(10), did(10, entryNotify, "")}},
	} {
		traffic := &traffic{sent: map[whom][]time.Time{}, passed: map[whom]time.Time{}}
		for _, second := range tt.sent {
			traffic.sent[first] = append(traffic.sent[first], at(second))
		}
		v := newWishes(traffic)
		for _, e := range tt.entries {
			v.step(e)
		}
		if got := strings.Join(v.faults, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: judged %q, want %q", name, got, tt.want)
		}
	}
}

// A pause holds for the next life, where the disk could keep it.
func TestWishesOutliveALife(t *testing.T) {
	for _, spoilt := range []bool{false, true} {
		v := newWishes(&traffic{})
		event := holdfast.Event{Type: holdfast.EventDisabled, Time: time.Unix(10, 0), NextAttempt: time.Unix(70, 0)}
		v.step(entry{at: event.Time, kind: entryEvent, event: event})
		v.over(spoilt)
		v.step(entry{at: time.Unix(60, 0), kind: entryBegin})
		if spoilt != (len(v.faults) == 0) {
			t.Errorf("spoilt %t: judged %q", spoilt, v.faults)
		}
	}
}
