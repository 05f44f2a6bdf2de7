package management

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// sleepy has the n-th commit of a shelf take an hour, from 1.
func sleepy(s *shelf, nth int) *shelf {
	commits := 0
	s.hook = func(_ context.Context, what string) error {
		if what != "commit" {
			return nil
		}
		if commits++; commits == nth {
			time.Sleep(time.Hour)
		}
		return nil
	}
	return s
}

// labels are those of shelves.
func labels(all ...*shelf) string {
	var labels []string
	for _, s := range all {
		s.mu.Lock()
		labels = append(labels, s.value(lwm2m.PathOf(s.id, 0, 0).String()))
		s.mu.Unlock()
	}
	return strings.Join(labels, " ")
}

// faultsOf is a configuration with objects, and what is logged of them.
func faultsOf(objects ...object.Object) (Config, *[]string) {
	var logged []string
	return Config{Objects: objects, Log: func(f Fault) { logged = append(logged, f.Path.String()+" "+f.What) }}, &logged
}

const three = `[{"n":"/4000/0/0","vs":"x"},{"n":"/4001/0/0","vs":"x"},{"n":"/4002/0/0","vs":"x"}]`

// A Write-Composite of which a part has not been carried out by the deadline has failed:
// what the others have done is taken back before the answer, and what the late one has
// done when it has. Who reads meanwhile sees what there was before.
func TestWriteCompositeIsUndoneAtTheDeadline(t *testing.T) {
	one, two, last := newShelf(4000, 0), newShelf(4001, 0), newShelf(4002, 0)
	sleepy(two, 1)
	config, logged := faultsOf(memory{one}, memory{two}, memory{last})
	got := serveFor(t, config, func(tell func(messages.Inbound)) {
		tell(at(ipatch(three), 1, 1))
		time.Sleep(time.Second)
		if now := labels(one, two, last); now != "x top top" {
			t.Errorf("half way: %s", now)
		}
		tell(at(fetch(`[{"n":"/4000/0/0"},{"n":"/4001/0/0"},{"n":"/4002/0/0"}]`), 2, 2))
		tell(at(withBody(request(messages.PUT, "/4000/0/5"), text, "y"), 3, 2))
		time.Sleep(10 * time.Second)
		if now := labels(one, two, last); now != "top top top" {
			t.Errorf("at the deadline: %s", now)
		}
		tell(at(withBody(request(messages.PUT, "/4001/0/0"), text, "y"), 4, 2))
		time.Sleep(time.Hour)
		if now := labels(one, two, last); now != "top top top" || len(two.did) != 2 {
			t.Errorf("in the end: %s, %v", now, two.did)
		}
		tell(at(withBody(request(messages.PUT, "/4001/0/0"), text, "z"), 5, 2))
		synctest.Wait()
	})
	for id, want := range map[uint64]arrival{
		1: {messages.InternalServerError, 10 * time.Second},
		2: {messages.Content, time.Second},
		3: {messages.Changed, 10 * time.Second},
		4: {messages.ServiceUnavailable, 11 * time.Second},
		5: {messages.Changed, time.Hour + 11*time.Second},
	} {
		if got[id] != want {
			t.Errorf("request %d: %v, want %v", id, got[id], want)
		}
	}
	if !slices.Equal(*logged, []string{"/4001/0 a handler has not returned in time"}) {
		t.Errorf("logged: %q", *logged)
	}
}

// What goes back takes its time, too: the server is answered at the end of that, and the
// other parts go back all the same.
func TestUndoThatHangs(t *testing.T) {
	one, two := newShelf(4000, 0), newShelf(4001, 0)
	sleepy(two, 2)
	config, logged := faultsOf(memory{one}, memory{two}, memory{sleepy(newShelf(4002, 0), 1)})
	got := serveFor(t, config, func(tell func(messages.Inbound)) {
		tell(at(ipatch(three), 1, 1))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if now := labels(one, two); now != "top x" {
			t.Errorf("at the second deadline: %s", now)
		}
		time.Sleep(2 * time.Hour)
		if now := labels(one, two); now != "top top" {
			t.Errorf("in the end: %s", now)
		}
		tell(at(withBody(request(messages.PUT, "/4001/0/0"), text, "z"), 2, 2))
		synctest.Wait()
	})
	if got[1] != (arrival{messages.InternalServerError, 20 * time.Second}) || got[2].code != messages.Changed {
		t.Errorf("%v", got)
	}
	if want := []string{"/4002/0 a handler has not returned in time", "/4001/0 a handler has not returned in time"}; !slices.Equal(*logged, want) {
		t.Errorf("logged: %q", *logged)
	}
}

// A Write that is carried out after the deadline is taken back, where the object has what
// there was before, and else logged.
func TestWriteThatIsCarriedOutLate(t *testing.T) {
	for name, c := range map[string]struct{ label, logged string }{
		"memory": {"top", "/4000/0 a handler has not returned in time"},
		"read":   {"x", "/4000/0 a handler has not returned in time; /4000/0 " + stays},
	} {
		s := sleepy(newShelf(shelfID, 0), 1)
		config, logged := faultsOf(variants[name](s))
		got := serveFor(t, config, func(tell func(messages.Inbound)) {
			tell(at(putLabel, 1, 1))
			time.Sleep(2 * time.Hour)
		})
		if got[1] != (arrival{messages.InternalServerError, 10 * time.Second}) || labels(s) != c.label {
			t.Errorf("%s: %v, and then %s", name, got, labels(s))
		}
		if now := strings.Join(*logged, "; "); now != c.logged {
			t.Errorf("%s: logged %s", name, now)
		}
	}
}

// A Create that is carried out after the deadline is taken back where servers can delete,
// with what was said about the owner; a Delete stays done. The registration is told.
func TestCreateAndDeleteThatAreLate(t *testing.T) {
	changed := tell(messages.InstancesChanged{})
	disowned := func(m *Machine, instance uint16) core.Effect {
		return tell(messages.ChangeAccess{
			Peer: messages.ManagementPeer(1), Epoch: 4, ID: 17, Instance: lwm2m.PathOf(shelfID, instance), Deleted: true, Deadline: now.Add(writeStart),
		})
	}
	for _, c := range []struct {
		name   string
		of     func(*shelf) object.Object
		err    error
		left   []uint16
		told   bool
		disown bool
	}{
		{"taken back", func(s *shelf) object.Object { return s }, nil, []uint16{0}, true, true},
		{"cannot be", func(s *shelf) object.Object { return creating{s} }, nil, []uint16{0, 1}, true, false},
		{"has failed", func(s *shelf) object.Object { return s }, errors.New("full"), []uint16{0}, false, true},
	} {
		s := newShelf(shelfID, 0)
		m := divided(c.of(s))
		carried(m, m.Step(now, withBody(request(messages.POST, "/4000"), tlvF, "\xc1\x00x")))
		effects := m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Access: true, Code: messages.Changed})
		call, _ := callIn(effects)
		effects = m.Step(now, core.Expired{Timer: jobTimer(effects)})
		if reply, _ := answered(effects); reply.Code != messages.InternalServerError || slices.Contains(effects, disowned(m, 1)) {
			t.Errorf("%s: %v", c.name, effects)
		}
		s.hook = func(_ context.Context, what string) error {
			if what == "commit" {
				return c.err
			}
			return nil
		}
		run(t.Context(), call, func(out Returned) { effects = carried(m, m.Step(now, out)) })
		if !slices.Equal(s.Instances(), c.left) || slices.Contains(effects, changed) != c.told || slices.Contains(effects, disowned(m, 1)) != c.disown {
			t.Errorf("%s: %v and %v", c.name, s.Instances(), effects)
		}
		if len(m.jobs)+len(m.calls)+len(m.changing) > 0 {
			t.Errorf("%s: left %v %v %v", c.name, m.jobs, m.calls, m.changing)
		}
	}
	s := newShelf(shelfID, 0)
	m := divided(s)
	effects := m.Step(now, request(messages.DELETE, "/4000/0"))
	call, _ := callIn(effects)
	m.Step(now, core.Expired{Timer: jobTimer(effects)})
	run(t.Context(), call, func(out Returned) { effects = carried(m, m.Step(now, out)) })
	if !slices.Contains(effects, changed) || !slices.Contains(effects, disowned(m, 0)) {
		t.Errorf("deleted: %v", effects)
	}
}

// creating is a shelf of which servers delete nothing.
type creating struct{ s *shelf }

func (c creating) Definition() lwm2m.ObjectDef { return c.s.Definition() }
func (c creating) Instances() []uint16         { return c.s.Instances() }
func (c creating) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	return c.s.Read(ctx, target)
}

func (c creating) Create(ctx context.Context, instance uint16, resources []lwm2m.Resource) (object.Commit, error) {
	return c.s.Create(ctx, instance, resources)
}

// What is read of several paths, of one object or of several, takes as long as the slowest
// of them, a few at a time.
func TestReadsGoOnAtATime(t *testing.T) {
	paths := func(objects ...string) string {
		var all []string
		for _, o := range objects {
			for _, rest := range []string{"/0/0", "/0/1", "/0/2", "/7/0", "/7/1", "/7/2", "/8/0", "/8/1"} {
				all = append(all, `{"n":"`+o+rest+`"}`)
			}
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	slow := func(id uint16) *shelf {
		s := newShelf(id, 0, 7, 8)
		s.hook = func(context.Context, string) error { time.Sleep(3 * time.Second); return nil }
		return s
	}
	config, _ := faultsOf(slow(4000), slow(4001))
	got := serveFor(t, config, func(tell func(messages.Inbound)) {
		tell(at(fetch(paths("/4000")), 1, 1))
		tell(at(fetch(paths("/4000", "/4001")), 2, 1))
		tell(at(fetch(strings.Replace(paths("/4000"), "]", `,{"n":"/4000/8/2"}]`, 1)), 3, 1))
		tell(at(request(messages.GET, "/4000"), 4, 1))
		time.Sleep(time.Minute)
	})
	for id, after := range map[uint64]time.Duration{1: 3 * time.Second, 2: 3 * time.Second, 3: 6 * time.Second, 4: 3 * time.Second} {
		if got[id] != (arrival{messages.Content, after}) {
			t.Errorf("request %d: %v", id, got[id])
		}
	}
}
