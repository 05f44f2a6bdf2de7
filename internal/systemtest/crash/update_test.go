package crash_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// updated is a client whose firmware is updated once.
type updated struct {
	*systemtest.Campaign
	fire *fire
}

// updateSize is of an image of several blocks, of which the last is not whole.
const updateSize = 5000

func newUpdated(t *testing.T, order systemtest.Order, f *fire) *updated {
	u := &updated{systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), order, updateSize), f}
	if order == systemtest.ByManifest { // the one with a restart of the machine
		u.Installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{NeedsReboot: true})
	}
	return u
}

// be is the update, from the order to the result, with a restart of the machine where the
// installer asks for one. Only then are there crashes.
func (u *updated) be() {
	u.T.Helper()
	u.Run(lwm2mtest.WithTap(u.fire))
	u.Client.WaitFor(holdfast.Registered)
	u.Observe()
	u.fire.mu.Lock()
	u.fire.before = maps.Clone(u.fire.seen)
	u.fire.mu.Unlock()
	over := u.Pursue("2.0.0", 20*time.Minute)
	if u.cutOff() {
		u.demandTold([]int64{0, 1, 0}, []int64{0, 4})
		u.Anew()
		over = u.Pursue("2.0.0", 20*time.Minute)
	}
	if u.rebooted() {
		u.Crash()
		u.Run()
		over = u.Pursue("2.0.0", 20*time.Minute)
	}
	if !over {
		u.T.Errorf("the server does not know how it has ended: %s; %s", u, u.Client.Story())
	}
}

// rebooted reports whether the installer was told to restart the machine.
func (u *updated) rebooted() bool {
	return slices.ContainsFunc(u.Installer.Calls(), func(c lwm2mtest.InstallerCall) bool { return c.Step == lwm2mtest.StepReboot })
}

// cutOff reports whether a package has not come to its end: a transfer in blocks outlives
// neither its link nor the actor. The server has to send it anew.
func (u *updated) cutOff() bool {
	results := u.Values(u.Order.Result())
	return u.Order == systemtest.ByPush && results[len(results)-1] == 4
}

// wantStates are what the server is told of the state, and wantResults of the result.
var (
	wantStates = map[systemtest.Order][]int64{
		systemtest.ByManifest: {1, -1, 3, 4, 6, 7, 8, 1}, systemtest.ByWeb: {1, -1, 3, 4, 6, 7, 1},
		systemtest.ByURI: {0, 1, 2, 3, 0}, systemtest.ByPush: {0, 1, 2, 3, 0},
	}
	wantResults = map[systemtest.Order][]int64{
		systemtest.ByManifest: {-1, 18}, systemtest.ByWeb: {-1, 18}, systemtest.ByURI: {0, 1}, systemtest.ByPush: {0, 1},
	}
)

// demandReported demands that the server was told every state, in order, and the result,
// and that nothing is left to be told.
func (u *updated) demandReported() {
	u.T.Helper()
	results := wantResults[u.Order]
	if got := u.Values(u.Order.Result()); got[0] == 4 { // of the package before, that was cut off
		results = []int64{4, 0, 1}
	}
	u.demandTold(wantStates[u.Order], results)
	u.Client.Sleep(settled)
	if s := u.Client.Status().Firmware; s == nil || s.Pending != 0 {
		u.T.Errorf("there is something left to be told: %+v", s)
	}
	u.DemandImage()
}

func (u *updated) demandTold(states, results []int64) {
	u.T.Helper()
	if got := u.Values(u.Order.State()); !slices.Equal(got, states) {
		u.T.Errorf("the server was told the states %v, want %v: %s", got, states, u)
	}
	if got := u.Values(u.Order.Result()); !slices.Equal(got, results) {
		u.T.Errorf("the server was told the results %v, want %v: %s", got, results, u)
	}
}

// Actors crash at each message and before each effect of an update, in each of the ways in
// which one can be begun. The update ends well, and the server is told every state, in order,
// and the result.
func TestUpdateUnderFire(t *testing.T) {
	for _, order := range systemtest.Orders() {
		t.Run(string(order), func(t *testing.T) {
			t.Parallel()
			before, seen := undisturbed(t, order)
			for range 2 { // what comes once in a while is no place to aim at
				early, all := undisturbed(t, order)
				for at := range seen {
					before[at], seen[at] = max(before[at], early[at]), min(seen[at], all[at])
				}
			}
			demandUpdating(t, order, before, seen)
			burnUpdates(t, order, before, seen)
		})
	}
}

// undisturbed has an update without a crash: how often each place is passed before it is
// ordered, and by its end.
func undisturbed(t *testing.T, order systemtest.Order) (before, seen map[spot]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := newUpdated(t, order, &fire{seen: map[spot]int{}})
		defer u.Close()
		u.be()
		before, seen = u.fire.passed()
		u.demandReported()
		u.Client.ExpectClose(nil)
	})
	return before, seen
}

// raced is how many places there are to each at which an actor crashes under the race
// detector; without it, which is a part of continuous integration, too, they do at all.
const raced = 3

// burnUpdates has an update for each place where an actor can be made to crash.
func burnUpdates(t *testing.T, order systemtest.Order, before, seen map[spot]int) {
	t.Helper()
	runs, struck, places := 0, 0, 0
	for _, target := range slices.SortedFunc(maps.Keys(seen), func(a, b spot) int { return strings.Compare(a.String(), b.String()) }) {
		if strings.HasPrefix(target.message, "*actor.") {
			continue
		}
		for _, nth := range someOf(before[target], seen[target]) {
			if places++; systemtest.RaceDetector && places%raced != 0 {
				continue
			}
			runs++
			t.Run(fmt.Sprintf("%s/%d", target, nth), func(t *testing.T) { struck += burnUpdate(t, order, target, nth) })
		}
	}
	t.Logf("%d crashes in %d updates", struck, runs)
	if struck < runs*9/10 {
		t.Error("there is little to judge")
	}
}

// burnUpdate has an update with one crash; it returns how many have come.
func burnUpdate(t *testing.T, order systemtest.Order, target spot, nth int) (struck int) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpdated(t, order, &fire{seen: map[spot]int{}, target: target, nth: nth})
		defer u.Close()
		u.be()
		u.fire.extinguish() // else the judge could set it off
		struck = u.fire.strikes()
		u.demandReported()
		u.Client.ExpectClose(nil)
	})
	return struck
}

// demandUpdating demands that the tap has seen every actor at work that an update needs.
func demandUpdating(t *testing.T, order systemtest.Order, before, seen map[spot]int) {
	t.Helper()
	actors := []string{"update", "management", "supervisor", "store"}
	if order == systemtest.ByManifest { // over a link of its own
		actors = append(actors, "network/download", "coapresend/download")
	}
	for _, actor := range actors {
		places := 0
		for at, n := range seen {
			if at.actor == actor && n > before[at] {
				places++
			}
		}
		if places < 3 {
			t.Errorf("%s was seen at %d places", actor, places)
		}
	}
}

// An actor of updates that panics at every message is replaced again and again, and its
// record is set aside: the client goes on without it, and says so. When that ends, updates
// begin anew.
func TestCrashLoopOfUpdateSetsItsRecordAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fire{seen: map[spot]int{}, target: spot{"update", lwm2mtest.StageInvoking, "messages.RecordLoaded"}, nth: -1}
		u := newUpdated(t, systemtest.ByURI, f)
		defer u.Close()
		u.Run(lwm2mtest.WithTap(u.fire))
		u.Client.WaitFor(holdfast.Registered)
		e := u.Client.Next(holdfast.EventDegraded)
		if e.Actor != "update" {
			t.Errorf("%+v", e)
		}
		u.Client.Sleep(time.Hour)
		if !u.Server.Registered(systemtest.Endpoint) {
			t.Error("the registration is lost")
		}
		u.fire.extinguish()
		u.Client.Sleep(2 * time.Minute)
		if !u.Pursue("2.0.0", 20*time.Minute) {
			t.Errorf("no update is possible afterwards: %s; %s", u, u.Client.Story())
		}
		u.demandReported()
		u.Client.ExpectClose(nil)
	})
}
