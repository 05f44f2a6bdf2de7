package crash_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// spot is a place in an actor's work where it can be made to panic: before it
// processes a message, or before it carries an effect out.
type spot struct {
	actor   string
	stage   lwm2mtest.Stage
	message string
}

func (s spot) String() string { return s.actor + "/" + string(s.stage) + "/" + s.message }

// incarnate reports whether the actor serves one account only.
func (s spot) incarnate() bool {
	return !slices.Contains([]string{"supervisor", "store", "management"}, s.actor)
}

// fire is a tap that counts what comes by and panics at one spot.
type fire struct {
	mu      sync.Mutex
	seen    map[spot]int
	before  map[spot]int // seen before the client was closed
	target  spot
	nth     int // occurrence to panic at; 0 for none, -1 for all
	struck  int
	stopped func() bool // the client is closing
	late    bool        // it was when the panic came
}

// Message implements lwm2mtest.Tap.
func (f *fire) Message(actor string, stage lwm2mtest.Stage, message any) {
	if stage != lwm2mtest.StageInvoking && stage != lwm2mtest.StageEffect {
		return
	}
	here := spot{strings.TrimPrefix(actor, systemtest.Endpoint+"/"), stage, fmt.Sprintf("%T", message)}
	if f.count(here) {
		panic("set on fire: " + here.String())
	}
}

func (f *fire) count(here spot) (strike bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[here]++
	strike = here == f.target && (f.nth < 0 || f.seen[here] == f.nth)
	if strike {
		f.struck++
		f.late = f.stopped != nil && f.stopped()
	}
	return strike
}

// passed returns how often each place was passed: before what is to be tried began, and in all.
func (f *fire) passed() (before, all map[spot]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.before), maps.Clone(f.seen)
}

func (f *fire) extinguish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nth = 0
}

// aftermath is how long it may take after one crash until the client is
// registered: the budget of an attempt that lost a message and its guard, the
// wait of a bootstrap for the store, and the first delays of the policy.
const aftermath = 180*time.Second + 30*time.Second + 30*time.Second + 15*time.Second

// life is a bootstrap, a registration, a Read, a Write, an update and the close of
// one client.
type life struct {
	*systemtest.World
	cfg     holdfast.Config
	client  *systemtest.Client
	fire    *fire
	written bool // the Write was answered 2.04
}

// writtenLifetime is what the Write of a life says.
const writtenLifetime = 5 * time.Hour

func newLife(t *testing.T, target spot, nth int) *life {
	l := &life{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), fire: &fire{seen: map[spot]int{}, target: target, nth: nth}}
	l.ServeAndDeliver()
	l.cfg = l.Factory()
	return l
}

// live runs the life and demands that it comes to its end in time, whatever
// has crashed.
func (l *life) live() {
	l.T.Helper()
	l.client = l.Start(l.cfg, lwm2mtest.WithTap(l.fire))
	l.registeredWithin(aftermath)
	l.read()
	l.write()
	_ = l.client.RegisterUpdate(context.Background()) // the crash may have taken the registration, or the call
	synctest.Wait()
	l.registeredWithin(aftermath)
	closing := make(chan struct{})
	l.fire.mu.Lock()
	l.fire.stopped, l.fire.before = func() bool { return isClosed(closing) }, maps.Clone(l.fire.seen)
	l.fire.mu.Unlock()
	close(closing)
	began := time.Now()
	_ = l.client.Close(context.Background()) // with a crash at that moment there may be no good-bye
	if took := time.Since(began); took > 5*time.Second {
		l.T.Errorf("Close took %v", took)
	}
	l.client.Story()
}

// read is a request of the server. The crash may have taken the answer.
func (l *life) read() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = l.Server.Read(ctx, systemtest.Endpoint, "/3/0/0", messages.FormatTLV)
}

// write is a Write of the server. The crash may have taken the answer.
func (l *life) write() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	got, err := l.Server.Do(ctx, systemtest.Endpoint, lwm2mtest.Request{
		Method: messages.PUT, Path: "/1/0/1", Format: new(messages.FormatText), Payload: fmt.Append(nil, int(writtenLifetime/time.Second)),
	})
	l.written = err == nil && got.Code == messages.Changed
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (l *life) registeredWithin(bound time.Duration) {
	l.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := l.client.Await(ctx, holdfast.Registered); err != nil {
		l.T.Fatalf("%v; %s", err, l.client.Story())
	}
}

// demandDurable starts another client on the same state: it needs no
// bootstrap, and what was answered 2.04 is in force.
func (l *life) demandDurable() {
	l.T.Helper()
	before := l.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
	c := l.Start(l.cfg)
	c.WaitFor(holdfast.Registered)
	if e := c.Next(holdfast.EventRegistered); l.written && e.Lifetime != writtenLifetime {
		l.T.Errorf("the lifetime is %v; the Write was answered", e.Lifetime)
	}
	c.ExpectClose(nil)
	if n := l.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest) - before; n != 0 {
		l.T.Errorf("%d bootstraps: the credentials were lost", n)
	}
}

// demandReport demands that the crash of an account's actor is one failed
// attempt. After a bootstrap is done its link only lingers, and no attempt
// fails with it; while closing, or while an actor stops, nothing is left to
// fail.
func (l *life) demandReport() {
	l.T.Helper()
	crashes, bootstrapped := 0, false
	for _, e := range l.client.Seen {
		if e.Type == holdfast.EventError && e.Code == holdfast.CodeUnknown {
			crashes++
		}
		bootstrapped = bootstrapped || e.Type == holdfast.EventBootstrapped
	}
	target := l.fire.target
	excused := l.fire.late || strings.HasPrefix(target.message, "*actor.") ||
		!strings.HasSuffix(target.actor, "/1") && bootstrapped
	if crashes > 1 || crashes == 0 && target.incarnate() && !excused {
		l.T.Errorf("%d events of code 9: %s", crashes, l.client.Story())
	}
}

// TestSupervisionUnderFire makes every actor panic once at every message and
// before every effect, at its first and at its second occurrence.
func TestSupervisionUnderFire(t *testing.T) {
	spots, before := map[spot]int{}, map[spot]int{}
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, spot{}, 0)
		defer l.Close()
		l.live()
		maps.Copy(spots, l.fire.seen)
		maps.Copy(before, l.fire.before)
	})
	demandPlaces(t, spots)
	runs := 0
	for _, target := range slices.SortedFunc(maps.Keys(spots), func(a, b spot) int { return strings.Compare(a.String(), b.String()) }) {
		for nth := 1; nth <= min(2, spots[target]); nth++ {
			runs++
			t.Run(fmt.Sprintf("%s/%d", target, nth), func(t *testing.T) { burn(t, target, nth, nth > before[target]) })
		}
	}
	t.Logf("%d places in the work of all actors, %d crashes", len(spots), runs)
}

// demandPlaces demands that the tap has seen every actor at work, at both of its
// stages: otherwise crashes would go missing without a word.
func demandPlaces(t *testing.T, spots map[spot]int) {
	t.Helper()
	places := map[string]int{}
	for s := range spots {
		places[s.actor+"/"+string(s.stage)]++
	}
	for _, actor := range []string{
		"supervisor", "store", "management", "bootstrap", "registration/1", "network/0", "network/1", "coapresend/0", "coapresend/1",
	} {
		if places[actor+"/invoking"] < 3 {
			t.Errorf("%s was seen with %d kinds of messages", actor, places[actor+"/invoking"])
		}
		if jobs := actor == "store"; !jobs && places[actor+"/effect"] == 0 { // it carries out what it is told, and has no core
			t.Errorf("%s was seen with no effect", actor)
		}
	}
	if len(spots) < 100 {
		t.Errorf("only %d places were seen", len(spots))
	}
}

// burn has a life with one crash. One that comes only while the client is closed may
// fail to come: a sibling that is told of the end may be stopped before it reads that.
func burn(t *testing.T, target spot, nth int, atTheEnd bool) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, target, nth)
		defer l.Close()
		l.live()
		// Which of protoactor's own messages an actor still gets while the tree
		// is torn down depends on who is faster.
		missed := atTheEnd && l.fire.struck == 0
		if own := strings.HasPrefix(target.message, "*actor."); l.fire.struck != 1 && !own && !missed {
			t.Errorf("%d panics", l.fire.struck)
		}
		l.demandReport()
		l.demandDurable()
	})
}
