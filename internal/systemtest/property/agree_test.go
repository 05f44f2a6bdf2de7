package property_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// The property of management: whatever happens meanwhile, once it is over
//
//  1. a server that believes that it observes something has been told what it would
//     read, and is told of the next change; one that may no longer read it does not
//     believe so; but for what a disk that failed could not store before a kill;
//  2. nobody is told of anything else: the observations of the client are those of its
//     servers;
//  3. the list of instances that a server was told is that of the client;
//  4. what a server has written, and was told that it is done, is so, also in the next
//     process where it is durable;
//  5. a Send that has succeeded has arrived;
//  6. the client is registered within the bound of the other schedules;
//  7. in queue mode a link is said to be asleep when nothing has left on it for
//     MAX_TRANSMIT_WAIT, and nothing leaves until it is said to be awake; one on which
//     nothing passes falls asleep;
//  8. a server that has sent the client away hears nothing of it for as long as it wanted,
//     also of the next process, and is told nothing that it observed before.
func TestManagementHistories(t *testing.T) {
	setChecks(t, managed)
	for _, s := range []setup{plainServer, securedServer, twoServers} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			done, ran := map[string]int{}, 0
			rapid.Check(t, func(rt *rapid.T) {
				p := drawSchedule(rt, s)
				p.Span = min(p.Span, 10*time.Hour)
				p.Queue = rapid.Bool().Draw(rt, "queue")
				p.Faults = slices.DeleteFunc(p.Faults, func(f fault) bool { return f.At >= p.Span })
				p.Acts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act { return drawAct(t, p) }), minActs, maxActs).Draw(rt, "acts")
				out := run(t, p)
				ran++
				for what, n := range out.managed {
					done[what] += n
				}
				if len(out.faults) > 0 {
					rt.Fatalf("%s\n%s\n%s", p, strings.Join(out.faults, "\n"), out.story())
				}
			})
			t.Log(done)
			for what, n := range done {
				if n == 0 && ran >= managed/2 {
					t.Errorf("%s: never in %d schedules", what, ran)
				}
			}
		})
	}
}

// How many acts there are in one schedule.
const (
	minActs = 15
	maxActs = 60
)

// drawAct draws an act; the first third of an hour is crowded.
func drawAct(t *rapid.T, p schedule) act {
	a := act{
		Kind: actKind(scattered(rapid.Uint32().Draw(t, "kind")) % int(actKinds)),
		At:   time.Duration(rapid.Int64Range(1500, p.Span.Milliseconds()-1).Draw(t, "at ms")) * time.Millisecond,
		Whom: whom(rapid.IntRange(0, 1).Draw(t, "whom")),
		N:    scattered(rapid.Uint32().Draw(t, "n")),
	}
	if rapid.IntRange(0, 3).Draw(t, "early") > 0 {
		a.At = 1500*time.Millisecond + a.At%time.Hour/3
	}
	switch rapid.IntRange(0, 7).Draw(t, "often") { // without these there is little to see
	case 0, 1:
		a.Kind = actObserve
	case 2:
		a.Kind = actCreate
	case 3:
		a.Kind, a.N = actMute, 0
	case 4:
		a.Kind = actSend
	case 5:
		if a.N%5 == 0 { // while a server keeps the client away, there is little to see, too
			a.Kind = actDisable
		}
	}
	return a
}

// quiet is how long it takes until what waits for a pmin, or for another try, is told.
const quiet = 15 * time.Minute

// agree demands that the servers and the client agree.
func (l *lab) agree() {
	g := l.managing
	if g == nil || len(l.out.faults) > 0 {
		return
	}
	g.calls.Wait()
	time.Sleep(quiet)
	l.out.managed = map[string]int{"values": 0, "observations": 0, "registers": 0, "Sends": 0, "asleep": 0, "pauses": 0}
	g.sameValues()
	for range 2 { // what a server does not know any more ends with the first
		g.earlier = l.life().takeTokens()
		g.set()
		time.Sleep(quiet)
	}
	g.sameValues()
	g.sameObservations()
	g.sameInstances()
	g.written()
	g.sent()
	l.fallAsleep()
	if l.plan.Spoil != nil {
		l.plan.Spoil(g)
	}
	l.out.faults = append(l.out.faults, g.faults...)
}

func (g *managing) read(by *manager, w watch) lwm2mtest.Response {
	ctx, cancel := context.WithTimeout(context.Background(), attemptBudget)
	defer cancel()
	var got lwm2mtest.Response
	var err error
	if len(w.paths) > 1 {
		got, err = by.server.ReadComposite(ctx, systemtest.Endpoint, w.format, w.paths...)
	} else {
		got, err = by.server.Read(ctx, systemtest.Endpoint, w.paths[0], w.format)
	}
	if err != nil {
		g.failf("Read of %v by %s: %v", w.paths, by.name, err)
	}
	return got
}

// alive returns the observations that a server believes in, with what it knows.
func (g *managing) alive(by *manager) (all []view) {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	for relation, v := range g.views {
		if v.by == by && relation.Err() == nil {
			all = append(all, *v)
		}
	}
	return all
}

func (g *managing) sameValues() {
	if g.lab.forgot {
		return
	}
	for _, by := range g.lab.managers {
		for _, v := range g.alive(by) {
			g.lab.out.managed["values"]++
			if got := g.read(by, v.watch); got.Code != messages.Content || string(got.Payload) != v.last {
				g.failf("%s observes %v as %q, and reads %v %q", by.name, v.watch.paths, v.last, got.Code, got.Payload)
			}
		}
	}
}

// sameObservations demands that each change was told in every observation that a
// server believes in and that shows it, and in no other. One that a server has asked for,
// and has forgotten or never had the answer to, ends with the first notification of it,
// which may be the one that is due after a day.
func (g *managing) sameObservations() {
	if g.lab.forgot {
		return
	}
	j := g.lab.life()
	for _, by := range g.lab.managers {
		believed := map[string]bool{}
		j.mu.Lock()
		notified := maps.Clone(j.tokens[by.whom])
		j.mu.Unlock()
		for _, v := range g.alive(by) {
			believed[v.token] = true
			if g.lab.out.managed["observations"]++; v.watch.senses() && !notified[v.token] {
				g.failf("%s believes that it observes %v, and is not notified", by.name, v.watch.paths)
			}
		}
		for token := range notified {
			first := g.lab.asked(by.whom, token) && !g.earlier[by.whom][token]
			if !believed[token] && !first {
				g.failf("%s is notified of an observation of which it does not know: %x", by.name, token)
			}
		}
	}
}

// sameInstances demands that the servers know what instances there are.
func (g *managing) sameInstances() { g.announced(g.parts.Instances()) }

// announced demands that every server was told of these instances, and no others.
func (g *managing) announced(instances []uint16) {
	var want []string
	for _, id := range instances {
		want = append(want, fmt.Sprintf("</%d/%d>", partID, id))
	}
	slices.Sort(want)
	for _, by := range g.lab.managers {
		r, _ := by.server.Registration(systemtest.Endpoint)
		var got []string
		for link := range strings.SplitSeq(string(r.Objects), ",") {
			if strings.HasPrefix(link, fmt.Sprintf("</%d/", partID)) {
				got = append(got, link)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			g.failf("%s was told %v, and there are %v", by.name, got, want)
		}
	}
}

// written demands that what was acknowledged is so.
func (g *managing) written() {
	for id, r := range g.names {
		if instance, there := g.parts.Get(id); there {
			g.lab.out.managed["registers"]++
			if name := instance.Get().Name; !r.may(name) {
				g.failf("part %d is called %q: %+v", id, name, *r)
			}
		}
	}
	for _, by := range g.lab.managers {
		r := g.muted[by.whom]
		if r == nil || g.boots[by.whom] != g.lab.bootstraps() || len(g.lab.damaged) > 0 || g.lab.lookAgain() > 0 || g.lab.unread() {
			continue // nothing was written, or the account is another than the one that was written to, or not read yet
		}
		got := g.read(by, watch{messages.FormatText, []string{mutePath(by)}})
		value := string(got.Payload)
		if got.Code != messages.Content {
			value = ""
		}
		if !r.may(value) {
			g.failf("%s reads %v %q of %s: %+v", by.name, got.Code, value, mutePath(by), *r)
		}
	}
}

func (g *managing) sent() {
	for _, by := range g.lab.managers {
		g.lab.out.managed["Sends"] += g.took[by.whom]
		if n := by.server.Seen(systemtest.Endpoint, lwm2mtest.Send); n < g.took[by.whom] {
			g.failf("%d Sends arrived at %s, and %d are said to have", n, by.name, g.took[by.whom])
		}
	}
}

// The judge condemns a server that was not told, an observation of which a server knows
// nothing, and a list, a value and a Send that are not so.
func TestManagementJudgeCondemns(t *testing.T) {
	p := schedule{Setup: plainServer, R0: 5 * time.Second, Lifetime: time.Hour, Span: time.Hour, Acts: []act{
		{Kind: actCreate, At: time.Minute}, {Kind: actObserve, At: 2 * time.Minute}, {Kind: actMute, At: 3 * time.Minute},
	}}
	if out := run(t, p); len(out.faults) > 0 {
		t.Fatalf("a sound history: %v", out.faults)
	}
	deaf := p
	deaf.Acts = append(slices.Clone(p.Acts), act{Kind: actIgnore, At: 4 * time.Minute}, act{Kind: actSet, At: 5 * time.Minute})
	if out := run(t, deaf); !strings.Contains(strings.Join(out.faults, " "), "observes [/3303/0/5700]") {
		t.Errorf("a server that was not told: %v", out.faults)
	}
	for name, tt := range map[string]struct {
		want  string
		spoil func(*managing)
	}{
		"observation": {"of which it does not know", func(g *managing) {
			g.lab.life().notified(first, messages.Notify{Token: []byte("another")})
			g.sameObservations()
		}},
		"observation that goes on": {"of which it does not know", func(g *managing) {
			j := g.lab.life()
			j.keep(j.asked, first, []byte("another"))
			j.notified(first, messages.Notify{Token: []byte("another")})
			if g.sameObservations(); len(g.faults) > 0 {
				g.faults = nil // the first one is no fault
				return
			}
			g.earlier = j.takeTokens()
			j.notified(first, messages.Notify{Token: []byte("another")})
			g.sameObservations()
		}},
		"instances": {"was told", func(g *managing) { g.announced(append(slices.Clone(g.parts.Instances()), 9)) }},
		"write":     {"is called", func(g *managing) { g.nameOf(0).sure = "another"; clear(g.nameOf(0).doubts); g.written() }},
		"mute":      {"reads 2.05", func(g *managing) { g.muted[first] = newRegister("1"); g.written() }},
		"Send":      {"are said to have", func(g *managing) { g.took[first]++; g.sent() }},
	} {
		spoilt := p
		spoilt.Spoil = tt.spoil
		if out := run(t, spoilt); !strings.Contains(strings.Join(out.faults, " "), tt.want) {
			t.Errorf("%s: judged %q, want %q", name, out.faults, tt.want)
		}
	}
}

// Two servers have the rights that object 2 gives them, in every way to a value; what
// one of them has made is the other's by no way.
func TestTwoServersAndTheirRights(t *testing.T) {
	p := schedule{
		Setup: twoServers, Secured: true, R0: 5 * time.Second, Lifetime: time.Hour, Other: time.Hour, Span: time.Hour,
		Acts: []act{{Kind: actCreate, At: time.Minute}},
	}
	p.Spoil = func(g *managing) {
		ctx, owner, other := context.Background(), g.lab.managers[0].server, g.lab.managers[1].server
		text := lwm2mtest.Content{Format: messages.FormatText, Payload: []byte("mine")}
		for _, path := range []string{"/26241/0", "/26241/0/0"} {
			for server, want := range map[*lwm2mtest.Server]messages.CoAPCode{owner: messages.Content, other: messages.Unauthorized} {
				got, err := server.Read(ctx, systemtest.Endpoint, path, messages.FormatTLV)
				g.demand("Read of "+path, want, got, err)
				got, err = server.Discover(ctx, systemtest.Endpoint, path)
				g.demand("Discover of "+path, want, got, err)
				_, got, err = server.Observe(ctx, systemtest.Endpoint, path, messages.FormatTLV)
				g.demand("Observe of "+path, want, got, err)
				if want == messages.Content {
					want = messages.Changed
				}
				got, err = server.WriteAttributes(ctx, systemtest.Endpoint, path, "pmin=1")
				g.demand("attributes of "+path, want, got, err)
			}
		}
		got, err := other.Write(ctx, systemtest.Endpoint, "/26241/0/0", lwm2mtest.Replace, text)
		g.demand("Write", messages.Unauthorized, got, err)
		got, err = other.WriteComposite(ctx, systemtest.Endpoint, g.content(messages.FormatSenMLJSON, "/", "/26241/0/0", "mine"))
		g.demand("Write-Composite", messages.Unauthorized, got, err)
		got, err = other.Delete(ctx, systemtest.Endpoint, "/26241/0")
		g.demand("Delete", messages.Unauthorized, got, err)
		got, err = other.Write(ctx, systemtest.Endpoint, "/3303/0/5700", lwm2mtest.Replace, text)
		g.demand("Write to what may be read", messages.Unauthorized, got, err)
		got, err = other.Read(ctx, systemtest.Endpoint, "/26241", messages.FormatTLV)
		if g.demand("Read of the object", messages.Content, got, err); len(got.Payload) > 0 {
			g.failf("the object has %q for the other server", got.Payload)
		}
		got, err = other.ReadComposite(ctx, systemtest.Endpoint, messages.FormatSenMLJSON, "/26241", "/26241/0/0", "/3303/0/5700")
		if g.demand("Read-Composite", messages.Content, got, err); strings.Contains(string(got.Payload), "26241") || !strings.Contains(string(got.Payload), "3303") {
			g.failf("the composite has %s for the other server", got.Payload)
		}
		got, err = owner.Delete(ctx, systemtest.Endpoint, "/26241/0")
		g.demand("Delete by the owner", messages.Deleted, got, err)
	}
	if out := run(t, p); len(out.faults) > 0 {
		t.Error(strings.Join(out.faults, "\n"))
	}
}

// demand demands an answer.
func (g *managing) demand(what string, want messages.CoAPCode, got lwm2mtest.Response, err error) {
	if err != nil || got.Code != want {
		g.failf("%s: %v %s, %v, want %v", what, got.Code, got.Payload, err, want)
	}
}
