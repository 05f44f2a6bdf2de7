package management

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

const weight = "/4000/0/1"

// weighing is a desk at which server 1 observes the weight of instance 0.
func weighing(t *testing.T, query ...string) (*desk, *gauge) {
	g := newGauge(0, 7)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	if len(query) > 0 {
		if reply := d.attributes(weight, query...); reply.Code != messages.Changed {
			t.Fatalf("%v %s", reply.Code, reply.Payload)
		}
	}
	d.observe("a", weight)
	return d, g
}

func wantTold(t *testing.T, d *desk, want ...string) {
	t.Helper()
	if got := d.notified(now); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// The first answer has the value and the option, and what follows has rising numbers, the
// same token, format and key.
func TestObserve(t *testing.T) {
	d, g := weighing(t)
	first := d.replies[len(d.replies)-1]
	if string(first.Payload) != "2.5" || *first.ContentFormat != text {
		t.Errorf("the first answer is %s", first.Payload)
	}
	last := *first.Observe
	for i := range 3 {
		d.now = d.now.Add(time.Second)
		d.set(g, 0, float64(i))
		n := d.notes[len(d.notes)-1]
		if n.Sequence <= last || string(n.Token) != "a" || *n.ContentFormat != text || n.Key != "GET "+weight || n.Epoch != 4 || !n.Confirmable {
			t.Errorf("%+v", n)
		}
		last = n.Sequence
	}
	d.set(g, 7, 9)
	wantTold(t, d, "1 a 0", "2 a 1", "3 a 2")
}

func TestPeriodsAndThresholds(t *testing.T) {
	d, g := weighing(t, "pmin=10", "pmax=60", "gt=30", "st=5")
	d.sleep(2 * time.Second)
	d.set(g, 0, 5) // not worth it
	d.sleep(time.Second)
	d.set(g, 0, 31)
	d.set(g, 0, 29) // the latest counts
	d.sleep(57 * time.Second)
	wantTold(t, d, "10 a 29")
	d.set(g, 0, 30.5)
	d.sleep(4 * time.Minute)
	wantTold(t, d, "60 a 30.5", "120 a 30.5", "180 a 30.5", "240 a 30.5", "300 a 30.5")
	if reply := d.attributes(weight, "pmax"); reply.Code != messages.Changed {
		t.Fatal(reply.Code)
	}
	d.sleep(25 * time.Hour)
	wantTold(t, d, "86700 a 30.5") // a day after the last: so long a silence is too long
}

// The defaults of the Server object count where nothing else is set, from when they are
// written.
func TestDefaultPeriods(t *testing.T) {
	d, g := weighing(t)
	tree := accountsModel()
	tree.PutResource(1, 0, lwm2m.Resource{ID: 2, Value: lwm2m.Integer(4)})
	tree.PutResource(1, 0, lwm2m.Resource{ID: 3, Value: lwm2m.Integer(20)})
	tree.PutResource(1, 0, lwm2m.Resource{ID: 26, Value: lwm2m.Integer(0)})
	d.step(messages.ModelChanged{Tree: tree})
	d.set(g, 0, 1)
	d.sleep(25 * time.Second)
	if n := d.notes[0]; n.Confirmable {
		t.Error("it is confirmable")
	}
	wantTold(t, d, "4 a 1", "24 a 1")
	if reply := d.attributes(weight, "con=1", "pmin=0"); reply.Code != messages.Changed {
		t.Fatal(reply.Code)
	}
	d.set(g, 0, 2)
	if n := d.notes[0]; !n.Confirmable {
		t.Error("it is not confirmable")
	}
}

// Instances and objects are observed as a whole; thresholds below count.
func TestObserveInstanceAndObject(t *testing.T) {
	d, g := weighing(t, "gt=10")
	in := observing("i", "/4000/7")
	in.Accept = new(messages.Format(tlvF))
	d.ask(in)
	in = observing("o", "/4000")
	in.Accept = new(messages.Format(tlvF))
	d.ask(in)
	tokens := func() (all []string) {
		for _, n := range d.notes {
			all = append(all, string(n.Token))
		}
		d.notified(now)
		return all
	}
	if d.set(g, 0, 3); tokens() != nil {
		t.Error("a weight below the threshold is told")
	}
	if d.set(g, 7, 3); !slices.Equal(tokens(), []string{"i", "o"}) {
		t.Error("a change of instance 7 is not told")
	}
	if d.set(g, 0, 11); !slices.Equal(tokens(), []string{"a", "o"}) {
		t.Error("the threshold is overlooked")
	}
	g.tree.DeleteInstance(shelfID, 7)
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID)}})
	if n := d.notes; len(n) != 2 || n[0].Code != messages.NotFound || string(n[0].Token) != "i" || n[1].Code != messages.Content {
		t.Errorf("an instance has gone: %+v", n)
	}
	if d.m.observed.Len() != 2 || len(d.m.observations) != 2 {
		t.Errorf("%d observations", d.m.observed.Len())
	}
}

func TestCancel(t *testing.T) {
	d, g := weighing(t)
	in := observing("a", weight)
	in.Observe = new(uint32(observeEnd))
	reply := d.ask(in)
	if reply.Code != messages.Content || reply.Observe != nil || string(reply.Payload) != "2.5" || len(d.ended) != 1 {
		t.Errorf("%v, Observe %v, ended %v", reply.Code, reply.Observe, d.ended)
	}
	d.set(g, 0, 1)
	wantTold(t, d)
	if len(d.disk) != 0 {
		t.Errorf("%v is on the disk", d.disk)
	}
	d.observe("b", weight)
	d.outcome = messages.NotifyReset
	d.set(g, 0, 2)
	d.set(g, 0, 3)
	wantTold(t, d, "0 b 2")
	if d.m.observed.Len() != 0 || len(d.disk) != 0 {
		t.Error("a rejected observation goes on")
	}
}

// A token names one observation: what is asked for again takes the place of what was.
func TestTokensNameObservations(t *testing.T) {
	d, g := weighing(t)
	d.observe("a", weight)
	d.set(g, 0, 1)
	wantTold(t, d, "0 a 1")
	d.observe("a", "/4000/7/1")
	d.set(g, 0, 2)
	wantTold(t, d)
	d.set(g, 7, 3)
	wantTold(t, d, "0 a 3")
}

// Where there is no room, the answer says that there is no observation.
func TestNoRoomForObservations(t *testing.T) {
	g := newGauge(0, 7)
	d := newDesk(t, Config{Objects: []object.Object{g}, Observations: 1}).registered()
	d.observe("a", weight)
	if reply := d.ask(observing("b", weight)); reply.Code != messages.Content || reply.Observe != nil {
		t.Errorf("%v, Observe %v", reply.Code, reply.Observe)
	}
	d.observe("a", "/4000/7/1")
	if reply := d.ask(observing("c", "/4000/9/1")); reply.Code != messages.NotFound || reply.Observe != nil {
		t.Errorf("what is not there: %v", reply.Code)
	}
}

// An object that says nothing of changes is asked, as often as the evaluation periods
// say.
func TestSampling(t *testing.T) {
	s := newShelf(shelfID, 0)
	d := newDesk(t, Config{Objects: []object.Object{s}}).registered()
	d.observe("a", weight)
	d.sleep(1500 * time.Millisecond)
	s.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(4)})
	d.sleep(time.Second)
	wantTold(t, d, "2 a 4")
	d.attributes(weight, "epmin=10", "epmax=20")
	s.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(5)})
	d.sleep(20 * time.Second)
	wantTold(t, d, "12 a 5")
	s.tree.DeleteInstance(shelfID, 0)
	d.sleep(10 * time.Second)
	wantTold(t, d, "32 a 4.04")
}

// What cannot be read for a while is told once it can be: the observation goes on.
func TestFailingReadsEndNothing(t *testing.T) {
	s := newShelf(shelfID, 0)
	d := newDesk(t, Config{Objects: []object.Object{s}}).registered()
	d.observe("a", weight)
	broken := true
	var reads []int
	s.hook = func(_ context.Context, what string) error {
		if broken && strings.HasPrefix(what, "read") {
			reads = append(reads, int(d.now.Sub(now)/time.Second))
			panic("the bus is stuck")
		}
		return nil
	}
	s.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(4)})
	reads = nil
	d.sleep(40 * time.Second)
	if want := []int{1, 2, 4, 8, 16, 26, 36}; !slices.Equal(reads, want) { // seconds
		t.Errorf("read at %v, want %v", reads, want)
	}
	broken = false
	d.sleep(30 * time.Second)
	wantTold(t, d, "46 a 4")
	broken, reads = true, nil
	s.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(5)})
	d.sleep(2500 * time.Millisecond)
	broken = false
	d.sleep(10 * time.Second)
	wantTold(t, d, "74 a 5") // it begins with a short delay again
}

// That the time goes on is no news, but it is told with the rest.
func TestCurrentTimeIsNoNews(t *testing.T) {
	d := newDesk(t, Config{Device: Device{Manufacturer: "Holdfast"}}).registered()
	in := observing("a", "/3/0")
	in.Accept = new(messages.Format(tlvF))
	d.ask(in)
	d.attributes("/3/0", "pmax=100")
	d.sleep(250 * time.Second)
	if n := len(d.notified(now)); n != 2 {
		t.Errorf("%d notifications", n)
	}
	if d.ask(observing("t", "/3/0/13")).Observe == nil {
		t.Fatal("it is not observed")
	}
	d.attributes("/3/0/13", "epmax=50")
	d.sleep(120 * time.Second)
	var times int
	for _, n := range d.notes {
		if string(n.Token) == "t" {
			times++
		}
	}
	if times != 2 {
		t.Errorf("the time is told %d times", times)
	}
}

// Ten thousand observations take one timer, and a change costs what it concerns.
func TestManyObservations(t *testing.T) {
	g := newGauge()
	for i := range uint16(1000) {
		g.tree.PutInstance(shelfID, lwm2m.Instance{ID: i, Resources: []lwm2m.Resource{{ID: 1, Value: lwm2m.Float(0)}}})
	}
	d := newDesk(t, Config{Objects: []object.Object{g}, Observations: 1000}).registered()
	for i := range 1000 {
		d.observe(strconv.Itoa(i), "/4000/"+strconv.Itoa(i)+"/1")
	}
	d.set(g, 500, 1)
	wantTold(t, d, "0 500 1")
	d.sleep(2*tallyInterval + time.Second) // until there is nothing to be reported
	if len(d.timers) != 1 {
		t.Errorf("timers: %v", d.timers)
	}
}

// What servers change themselves is told to those that observe it, behind the answer to
// the request.
func TestChangesByServersAreTold(t *testing.T) {
	d, _ := weighing(t)
	d.observe("l", "/4000/0/0")
	object := observing("o", "/4000")
	object.Accept = new(messages.Format(tlvF))
	d.ask(object)
	d.attributes("/4000/0", "pmin=0")
	d.notified(now)
	for _, c := range []struct {
		in   messages.Inbound
		code messages.CoAPCode
		want []string // tokens
	}{
		{withBody(request(messages.PUT, "/4000/0/0"), text, "new"), messages.Changed, []string{"l", "o"}},
		{withBody(request(messages.PUT, "/4000/0/0"), text, "new"), messages.Changed, nil},
		{request(messages.POST, "/4000/0/3"), messages.Changed, nil},
		{request(messages.DELETE, "/4000/0"), messages.Deleted, []string{"a", "l", "o"}},
	} {
		if reply := d.ask(c.in); reply.Code != c.code {
			t.Errorf("%v %v: %v %s", c.in.Code, c.in.Path, reply.Code, reply.Payload)
		}
		var tokens []string
		for _, n := range d.notes {
			tokens = append(tokens, string(n.Token))
		}
		if d.notified(now); !slices.Equal(tokens, c.want) {
			t.Errorf("%v %v: told under %q, want %q", c.in.Code, c.in.Path, tokens, c.want)
		}
	}
	if n := d.m.observers.of(server1).attributes.Len(); n != 0 {
		t.Errorf("attributes at %d paths of what is gone", n)
	}
}

// A composite observation is told everything that it names, as far as it is there, by
// the attributes of all of it.
func TestObserveComposite(t *testing.T) {
	g := newGauge(0)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	in := withBody(request(messages.FETCH, "/"), jsonF, `[{"n":"/4000/0/1"},{"n":"/4000/7/1"},{"n":"/3/0/0"}]`)
	in.Observe, in.Token, in.Key = new(uint32(observeBegin)), []byte("c"), "FETCH"
	if reply := d.ask(in); reply.Observe == nil || *reply.ContentFormat != jsonF {
		t.Fatalf("%v %s", reply.Code, reply.Payload)
	}
	d.attributes(weight, "pmin=2", "pmax=60")
	d.attributes("/3/0/0", "pmin=5")
	d.set(g, 0, 8)
	d.sleep(time.Minute)
	g.tree.PutInstance(shelfID, lwm2m.Instance{ID: 7, Resources: []lwm2m.Resource{{ID: 1, Value: lwm2m.Float(9)}}})
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID)}})
	first := `[{"bn":"/","n":"3/0/0","vs":""},{"n":"4000/0/1","v":8}]`
	last := `[{"bn":"/","n":"3/0/0","vs":""},{"n":"4000/0/1","v":8},{"n":"4000/7/1","v":9}]`
	wantTold(t, d, "5 c "+first, "60 c "+last)
	g.tree.DeleteInstance(shelfID, 7)
	d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID)}})
	d.sleep(5 * time.Second)
	wantTold(t, d, "65 c "+first)
	in.Observe = new(uint32(observeEnd))
	if reply := d.ask(in); reply.Observe != nil || reply.Code != messages.Content || d.m.observed.Len() != 0 {
		t.Errorf("cancelled: %v, %d observations", reply.Code, d.m.observed.Len())
	}
}

// What is due at one instant is read together. A value that cannot be read keeps none of
// the others from being told, and no request waits.
func TestValuesAreReadInRounds(t *testing.T) {
	var instances []uint16
	for i := range uint16(100) {
		instances = append(instances, i)
	}
	s := newShelf(shelfID, instances...)
	d := newDesk(t, Config{Objects: []object.Object{s}}).registered()
	for _, i := range instances {
		d.observe(strconv.Itoa(int(i)), "/4000/"+strconv.Itoa(int(i))+"/1")
	}
	s.hook = func(_ context.Context, what string) error {
		if what == "read /4000/5/1" {
			panic("the point is broken")
		}
		return nil
	}
	for _, i := range []uint16{3, 5, 99} {
		s.tree.PutResource(shelfID, i, lwm2m.Resource{ID: 1, Value: lwm2m.Float(9)})
	}
	before := d.calls
	d.sleep(3 * time.Second)
	if n := d.calls - before; n != 3 {
		t.Errorf("%d handlers for 3 rounds", n)
	}
	wantTold(t, d, "1 3 9", "1 99 9")
	s.hook = nil
	d.sleep(20 * time.Second)
	wantTold(t, d, "4 5 9")
}

// A round whose handler hangs holds up neither requests nor other objects, and is read
// again when its time is over.
func TestHangingRound(t *testing.T) {
	s, other := newShelf(shelfID, 0), newShelf(shelfID+1, 0)
	d := newDesk(t, Config{Objects: []object.Object{s, other}}).registered()
	d.observe("a", weight)
	d.observe("b", "/4001/0/1")
	var hung []Call
	d.hang = func(c Call) bool {
		if c.Object == object.Object(s) {
			hung = append(hung, c)
		}
		return c.Object == object.Object(s)
	}
	for _, s := range []*shelf{s, other} {
		s.tree.PutResource(s.id, 0, lwm2m.Resource{ID: 1, Value: lwm2m.Float(9)})
	}
	d.sleep(5 * time.Second)
	wantTold(t, d, "1 b 9")
	if len(hung) != 1 {
		t.Fatalf("%d handlers hang", len(hung))
	}
	d.sleep(6 * time.Second) // its time is over
	d.hang = nil
	d.step(Returned{ID: hung[0].ID, Reads: []Read{{}}})
	d.sleep(15 * time.Second)
	wantTold(t, d, "12 a 9")
}

// Discover shows a server the attributes that it has set itself: where they are set and,
// of the resource that is asked for, those in force.
func TestDiscoverShowsAttributes(t *testing.T) {
	d := newDesk(t, Config{Objects: []object.Object{newGauge(0)}}).registered()
	d.attributes("/4000", "pmin=1")
	d.attributes("/4000/0", "pmax=60", "con=0")
	d.attributes(weight, "gt=-0.5", "pmin=2")
	d.step(messages.SessionUp{Peer: messages.ManagementPeer(2), Epoch: 5, Version: "1.1"})
	for path, want := range map[string]string{
		"/4000":   "</4000>;ver=1.1;pmin=1,</4000/0>;pmax=60;con=0,</4000/0/0>,</4000/0/1>;pmin=2;gt=-0.5,",
		"/4000/0": "</4000/0>;pmax=60;con=0,</4000/0/0>,</4000/0/1>;pmin=2;gt=-0.5,",
		weight:    "</4000/0/1>;pmin=2;pmax=60;gt=-0.5;con=0",
	} {
		if got := string(d.ask(accepting(path, links)).Payload); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		other := accepting(path, links)
		other.Peer, other.Epoch = messages.ManagementPeer(2), 5
		if got := string(d.ask(other).Payload); strings.Contains(got, "pm") {
			t.Errorf("%s shows another server %s", path, got)
		}
	}
	for _, c := range []struct {
		path string
		in   string
		code messages.CoAPCode
	}{
		{"/4000/0", "gt=1", messages.BadRequest},
		{"/4000/0/0", "gt=1", messages.BadRequest},
		{"/4000/0/3", "pmin=1", messages.MethodNotAllowed},
		{"/4000/5", "pmin=1", messages.NotFound},
		{"/0/0", "pmin=1", messages.Unauthorized},
		{"/1/0/1", "pmin=1", messages.Changed},
		{"/1/5/1", "pmin=1", messages.Unauthorized},
		{weight, "hqmax=1", messages.BadRequest},
	} {
		if reply := d.attributes(c.path, c.in); reply.Code != c.code {
			t.Errorf("%s?%s: %v %s, want %v", c.path, c.in, reply.Code, reply.Payload, c.code)
		}
	}
}

// What is there without a value is part of an object and of an instance all the same.
func TestEmptyInstancesAreTold(t *testing.T) {
	g := newGauge(0)
	d := newDesk(t, Config{Objects: []object.Object{g}}).registered()
	for _, target := range []string{"/4000", "/4000/0"} {
		in := observing(target, target)
		in.Accept = new(messages.Format(tlvF))
		if d.ask(in).Observe == nil {
			t.Fatalf("%s is not observed", target)
		}
	}
	change := func(what string, change func(), want ...string) {
		t.Helper()
		change()
		d.step(Changed{Paths: []lwm2m.Path{lwm2m.PathOf(shelfID)}})
		var told []string
		for _, n := range d.notes {
			told = append(told, string(n.Token))
		}
		if d.notified(now); !slices.Equal(told, want) {
			t.Errorf("%s: told %q, want %q", what, told, want)
		}
	}
	change("nothing", func() {})
	change("an instance without resources", func() { g.tree.PutInstance(shelfID, lwm2m.Instance{ID: 5}) }, "/4000")
	change("nothing more", func() {})
	change("another in its place", func() {
		g.tree.DeleteInstance(shelfID, 5)
		g.tree.PutInstance(shelfID, lwm2m.Instance{ID: 6})
	}, "/4000")
	change("no instance any more", func() { g.tree.DeleteInstance(shelfID, 6) }, "/4000")
	change("a resource without instances", func() {
		g.tree.PutResource(shelfID, 0, lwm2m.Resource{ID: 2, Multiple: true})
	}, "/4000", "/4000/0")
	change("nor the resource", func() { g.tree.DeleteResource(lwm2m.PathOf(shelfID, 0, 2)) }, "/4000", "/4000/0")
}

// A request to observe that is answered without the option takes the observation of its
// token with it: to the server, the token names none any more.
func TestARefusedObserveEndsTheOneOfItsToken(t *testing.T) {
	s := newShelf(shelfID, 0)
	for _, c := range []struct {
		name string
		in   messages.Inbound
		want messages.CoAPCode
	}{
		{"not there", observing("a", "/4000/9/1"), messages.NotFound},
		{"no such format", func() messages.Inbound {
			in := observing("a", weight)
			in.Accept = new(messages.Format(9))
			return in
		}(), messages.NotAcceptable},
		{"refused by the object", observing("a", "/4000/0/0"), messages.InternalServerError},
		{"too long a request", func() messages.Inbound {
			in := observing("a", weight)
			in.Key = strings.Repeat("k", 20<<10)
			return in
		}(), messages.Content},
	} {
		s.hook = nil
		d := newDesk(t, Config{Objects: []object.Object{s}}).registered()
		d.observe("a", weight)
		s.hook = func(_ context.Context, what string) error {
			if what == "read /4000/0/0" {
				panic("the bus is stuck")
			}
			return nil
		}
		if reply := d.ask(c.in); reply.Code != c.want || reply.Observe != nil {
			t.Errorf("%s: %v, Observe %v", c.name, reply.Code, reply.Observe)
		}
		if d.m.observed.Len() != 0 || len(d.m.observations) != 0 || len(d.ended) != 1 || len(d.disk) != 0 {
			t.Errorf("%s: %d observations, ended %v, on the disk %v", c.name, d.m.observed.Len(), d.ended, d.disk)
		}
	}
}

// A change that was not worth telling may be by other thresholds.
func TestOtherThresholdsAreJudgedAtOnce(t *testing.T) {
	d, g := weighing(t, "st=5")
	d.set(g, 0, 4)
	d.sleep(time.Second)
	d.attributes(weight, "pmin=0")
	wantTold(t, d)
	d.attributes(weight, "st=1")
	wantTold(t, d, "1 a 4")
	d.set(g, 0, 4.5)
	d.attributes(weight, "st")
	wantTold(t, d, "1 a 4.5")
}

// While the machine is suspended its clock stands still, and the periods go on: what is
// overdue is told when it wakes up, and the next a period later.
func TestPeriodsGoOnWhileTheMachineIsSuspended(t *testing.T) {
	d, g := weighing(t, "pmin=10", "pmax=60")
	d.sleep(5 * time.Second)
	d.step(messages.Woke{Slept: 30 * time.Second})
	d.set(g, 0, 3)
	wantTold(t, d, "5 a 3")
	d.sleep(20 * time.Second)
	d.step(messages.Woke{Slept: 3 * time.Hour})
	d.sleep(61 * time.Second)
	wantTold(t, d, "25 a 3", "85 a 3")
	d.down(4, true)
	d.step(messages.Woke{Slept: time.Hour})
	d.up(5, true)
	wantTold(t, d, "86 a 3")
}
