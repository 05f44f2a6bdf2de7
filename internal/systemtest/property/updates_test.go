package property_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/alarm"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// updates is how many histories of updates one run of the tests has of each way to begin one.
const updates = 25

// mishap is something that happens in the course of an update.
type mishap string

// The mishaps. Those with a duration are over after it.
const (
	serverAway     mishap = "the management server is out of reach"
	imagesAway     mishap = "the servers of images are out of reach"
	loss           mishap = "datagrams are lost"
	webResets      mishap = "the web server resets its connections"
	killed         mishap = "the process is killed"
	restarted      mishap = "the client is closed and started anew"
	forgotten      mishap = "the management server forgets its registrations"
	observerLost   mishap = "the management server forgets what it observes"
	observerSilent mishap = "the management server acknowledges no notification"
	pausedFor      mishap = "the application pauses the client"
)

// misfortune is a mishap and when it happens, in the time since the update was ordered.
type misfortune struct {
	What mishap
	At   time.Duration
	For  time.Duration
}

// fortune is a history of one update.
type fortune struct {
	Order   systemtest.Order
	Size    int64
	Latency time.Duration // of each datagram
	Install time.Duration // that each step of the installer takes
	Reboot  bool
	Bad     []misfortune
}

func (f fortune) String() string {
	text := fmt.Sprintf("%s of %d bytes, latency %v, installer %v, reboot %t", f.Order, f.Size, f.Latency, f.Install, f.Reboot)
	for _, b := range f.Bad {
		text += fmt.Sprintf("\n  at %v for %v: %s", b.At, b.For, b.What)
	}
	return text
}

func drawFortune(t *rapid.T, order systemtest.Order) fortune {
	f := fortune{
		Order: order, Size: rapid.Int64Range(1, 20_000).Draw(t, "size"),
		Latency: time.Duration(rapid.IntRange(1, 300).Draw(t, "latency")) * time.Millisecond,
		Install: time.Duration(rapid.IntRange(0, 20).Draw(t, "install")) * time.Second,
		Reboot:  rapid.Bool().Draw(t, "reboot"),
	}
	all := []mishap{serverAway, imagesAway, loss, webResets, killed, restarted, forgotten, observerLost, observerSilent, pausedFor}
	for range rapid.IntRange(0, 6).Draw(t, "mishaps") {
		f.Bad = append(f.Bad, misfortune{
			What: rapid.SampledFrom(all).Draw(t, "what"),
			At:   time.Duration(rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(0, 60_000)).Draw(t, "at")) * time.Millisecond,
			For:  time.Duration(rapid.IntRange(1, 600).Draw(t, "for")) * time.Second,
		})
	}
	slices.SortStableFunc(f.Bad, func(a, b misfortune) int { return int(a.At - b.At) })
	return f
}

// suffers reports whether one of some mishaps happens.
func (f fortune) suffers(what ...mishap) bool {
	return slices.ContainsFunc(f.Bad, func(b misfortune) bool { return slices.Contains(what, b.What) })
}

// The property: whatever happens in the course of an update,
//
//  1. the server is told every state of it, in order, and the result;
//  2. nothing is told again after it was known to be delivered and that was on the disk;
//  3. no byte of the image is asked for before the server knows that the download begins, if
//     it observes that;
//  4. the installer gets the image as it is, and nothing else;
//  5. the client is registered in the end, and all the time where nothing has befallen the
//     management server, its link or the process.
func TestUpdatesAreReported(t *testing.T) {
	setChecks(t, updates)
	for _, order := range systemtest.Orders() {
		t.Run(string(order), func(t *testing.T) {
			t.Parallel()
			n, cut := 0, 0
			rapid.Check(t, func(rt *rapid.T) {
				f := drawFortune(rt, order)
				out := undergo(t, f)
				n++
				if out.cut {
					cut++
				}
				if len(out.faults) > 0 {
					rt.Fatalf("%s\n%s\n%s", f, strings.Join(out.faults, "\n"), out.story)
				}
			})
			t.Logf("%d updates, of which %d packages were cut off", n, cut)
		})
	}
}

// fate is what has come of an update.
type fate struct {
	faults []string
	cut    bool // the package did not come to its end
	story  string
}

func (f *fate) fault(format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

// settledAt is a tap that notes when all reports were delivered, and that was on the disk.
type settledAt struct {
	mu   sync.Mutex
	when []time.Time
}

// Message implements lwm2mtest.Tap.
func (s *settledAt) Message(_ string, stage lwm2mtest.Stage, message any) {
	if m, is := message.(messages.FirmwareChanged); is && stage == lwm2mtest.StageInvoking && m.Status.Pending == 0 {
		s.mu.Lock()
		s.when = append(s.when, time.Now())
		s.mu.Unlock()
	}
}

// between reports whether everything was settled at some time after one instant and before
// another.
func (s *settledAt) between(a, b time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.when, func(at time.Time) bool { return at.After(a) && at.Before(b) })
}

// ordeal is an update under way.
type ordeal struct {
	*systemtest.Campaign
	fortune  fortune
	settled  settledAt
	rebooted bool // after the restart that the installer has asked for
}

// undergo carries a history out in a bubble, and judges it.
func undergo(t *testing.T, f fortune) (out fate) {
	synctest.Test(t, func(t *testing.T) {
		o := &ordeal{Campaign: systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), f.Order, f.Size), fortune: f}
		defer o.Close()
		o.Config.Lifetime = 5 * time.Minute // after which a server that has forgotten the client knows it again
		o.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: f.Latency})
		o.prepare()
		o.start()
		o.Client.WaitFor(holdfast.Registered)
		o.Listen()
		o.Observe()
		over := make(chan bool, 1)
		go func() { over <- o.Pursue("2.0.0", 12*time.Hour) }()
		o.suffer()
		known := o.await(over)
		systemtest.Rest(time.Hour) // every mishap is over, and what a client may wait after it
		out = o.judge(known)
		_ = o.Client.Close(context.Background()) // the judge has spoken
	})
	return out
}

func (o *ordeal) prepare() {
	slow := lwm2mtest.InstallerOutcome{After: o.fortune.Install}
	for _, step := range []lwm2mtest.InstallerStep{lwm2mtest.StepVerify, lwm2mtest.StepConfirm} {
		o.Installer.On(step, slow)
	}
	slow.NeedsReboot = o.fortune.Reboot
	o.Installer.On(lwm2mtest.StepInstall, slow)
}

func (o *ordeal) start() { o.Run(lwm2mtest.WithTap(&o.settled)) }

// suffer lets everything happen in its time.
func (o *ordeal) suffer() {
	began := time.Now()
	for _, b := range o.fortune.Bad {
		for time.Since(began) < b.At {
			time.Sleep(min(time.Second, b.At-time.Since(began)))
			o.reboot()
		}
		o.befall(b)
	}
}

// await waits until the server knows how it has ended, and restarts the machine where the
// installer asks for it.
func (o *ordeal) await(over <-chan bool) bool {
	for {
		select {
		case known := <-over:
			return known
		case <-time.After(5 * time.Second):
			o.reboot()
		}
	}
}

func (o *ordeal) reboot() {
	asked := slices.ContainsFunc(o.Installer.Calls(), func(c lwm2mtest.InstallerCall) bool { return c.Step == lwm2mtest.StepReboot })
	if asked && !o.rebooted {
		o.rebooted = true
		o.Crash()
		o.start()
	}
}

// befall has a mishap happen; one that lasts ends by itself.
func (o *ordeal) befall(b misfortune) {
	switch b.What {
	case serverAway:
		o.lift(b, o.Network.Impair(lwm2mtest.Either(lwm2mtest.FromHost(o.Host), lwm2mtest.ToHost(o.Host)), lwm2mtest.Conditions{BlackHole: true}))
	case imagesAway:
		o.Web.Refuse(syscall.ECONNREFUSED)
		o.Web.Reset()
		alarm.After(b.For, func() { o.Web.Refuse(nil) })
		o.lift(b, o.Network.Impair(lwm2mtest.Either(lwm2mtest.FromHost(o.ImageHost), lwm2mtest.ToHost(o.ImageHost)), lwm2mtest.Conditions{BlackHole: true}))
	case loss:
		o.lift(b, o.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Loss: 0.2}))
	case webResets:
		o.Web.Reset()
	case killed:
		o.Crash()
		o.start()
	case restarted:
		_ = o.Client.Close(context.Background()) // the server may be away
		o.start()
	case forgotten:
		o.Server.Forget()
	case observerLost, observerSilent:
		o.blind(b)
	case pausedFor:
		client := o.Client
		_ = client.Pause(context.Background())                                 // it may be about to end
		alarm.After(b.For, func() { _ = client.Resume(context.Background()) }) // the same
	}
}

func (o *ordeal) lift(b misfortune, i *lwm2mtest.Impairment) { alarm.After(b.For, i.Lift) }

// blind has the server forget what it observes, or not take what it is told for a while.
func (o *ordeal) blind(b misfortune) {
	for _, relation := range o.Server.Observations(systemtest.Endpoint) {
		if b.What == observerLost {
			relation.Forget()
			continue
		}
		relation.Ignore(true)
		alarm.After(b.For, func() { relation.Ignore(false) })
	}
}

// judge finds what must not be.
func (o *ordeal) judge(known bool) (out fate) {
	out.story = o.String() + "\n" + o.Client.Story()
	if !known {
		out.fault("the server does not know how it has ended")
	}
	o.judgeOrder(&out)
	o.judgeRepetitions(&out)
	o.judgeBeginning(&out)
	for _, call := range o.Installer.Calls() {
		if call.Step != lwm2mtest.StepReboot && (call.Digest != o.Image.SHA256(o.Size) || call.Size != o.Size) {
			out.fault("%s got another image, of %d bytes", call.Step, call.Size)
		}
	}
	if s := o.Client.Status().Firmware; s == nil || s.Pending != 0 {
		out.fault("there is something left to be told: %+v", s)
	}
	if !o.Server.Registered(systemtest.Endpoint) {
		out.fault("the client is not registered")
	}
	disturbed := o.fortune.suffers(serverAway, loss, killed, restarted, forgotten, pausedFor) || o.rebooted
	// The link is lost to a server that acknowledges nothing. If what it rejects on the next one
	// it has forgotten, or does not know us there, nobody can tell.
	disturbed = disturbed || o.fortune.suffers(observerSilent) && o.fortune.suffers(observerLost)
	if n := o.Server.Seen(systemtest.Endpoint, lwm2mtest.Register); !disturbed && n != 1 {
		out.fault("the client has registered %d times", n)
	}
	return out
}

// judgeOrder demands every state, in order, and the result.
func (o *ordeal) judgeOrder(out *fate) {
	states, results := []int64{0, 1, 2, 3, 0}, []int64{0, 1}
	got := o.Values(o.Order.State())
	ended := o.Values(o.Order.Result())
	switch {
	case o.Order.Manifest() && o.fortune.Reboot:
		states, results = []int64{1, -1, 3, 4, 6, 7, 8, 1}, []int64{-1, 18}
	case o.Order.Manifest():
		states, results = []int64{1, -1, 3, 4, 6, 7, 1}, []int64{-1, 18}
	case o.Order == systemtest.ByPush:
		states, results = packages(ended)
		out.cut = len(results) > 2 || results[len(results)-1] == firmware.Object5ConnectionLost
	}
	if !slices.Equal(got, states) {
		out.fault("the server was told the states %v, want %v", got, states)
	}
	if !slices.Equal(ended, results) {
		out.fault("the server was told the results %v, want %v", ended, results)
	}
}

// packages are the states and results of packages of which some were cut off: a transfer in
// blocks does not outlive its link, and the server sends another one.
func packages(ended []int64) (states, results []int64) {
	states, results = []int64{0}, []int64{0}
	for _, result := range ended {
		switch result {
		case firmware.Object5ConnectionLost:
			states, results = append(states, 1, 0), append(results, result, 0)
		case firmware.Object5Success:
			states, results = append(states, 1, 2, 3, 0), append(results, result, 0)
		}
	}
	return states, results[:max(2, len(results)-1)]
}

// judgeRepetitions demands that nothing is told again that was settled. What the server itself
// asks for is no repetition, nor is a notification that was on its way before.
func (o *ordeal) judgeRepetitions(out *fate) {
	last := map[string]lwm2mtest.Told{}
	for _, told := range o.Told.All() {
		before, known := last[told.Path.String()]
		unasked := told.By == lwm2mtest.ByNotification || told.By == lwm2mtest.BySend
		if known && unasked && before.Value == told.Value && o.settled.between(before.Time, o.sent(told.Time)) {
			out.fault("%s=%d was told again at %s", told.Path, told.Value.Int(), told.Time.Format(instant))
		}
		last[told.Path.String()] = told
	}
}

// sent is when what the server took at an instant was sent first: a datagram may be lost.
func (o *ordeal) sent(taken time.Time) time.Time {
	packets, first := o.Network.Packets(), taken
	for _, p := range packets {
		if p.To.Addr() != systemtest.ServerAddr || !p.Time.Add(o.fortune.Latency).Equal(taken) {
			continue
		}
		for _, earlier := range packets {
			if bytes.Equal(earlier.Data, p.Data) && earlier.Time.Before(first) {
				first = earlier.Time
			}
		}
	}
	return first
}

// judgeBeginning demands that the server knows of the download before it begins, where it
// observes that all the time.
func (o *ordeal) judgeBeginning(out *fate) {
	if !o.Order.Manifest() || o.fortune.suffers(restarted, forgotten, observerLost, serverAway, loss, pausedFor) {
		return
	}
	first, asked := o.firstAsked()
	announced := slices.ContainsFunc(o.Told.All(), func(t lwm2mtest.Told) bool {
		return t.Path == firmware.PathManifestState && t.Value.Int() == int64(firmware.StateDownloading) && !t.Time.After(first)
	})
	if asked && !announced {
		out.fault("the image was asked for at %s, before the server knew of it", first.Format(instant))
	}
}

// firstAsked is when the image was asked for first.
func (o *ordeal) firstAsked() (time.Time, bool) {
	if requests := o.Web.Requests(); len(requests) > 0 {
		return requests[0].Time, true
	}
	for _, p := range o.Network.Packets() {
		if p.To.Addr() == systemtest.ImageAddr {
			return p.Time, true
		}
	}
	return time.Time{}, false
}
