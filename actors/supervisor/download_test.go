package supervisor

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	httpImage  = "https://images.example/fw?key=secret"
	ownImage   = "coap://images.example/fw"
	imageAtDM  = "coaps://dm1.example/fw" // the server of serverAccount(t, server(1), ...)
	firstFetch = 7
)

var imageKeys = messages.Credentials{Mode: messages.SecurityPSK, Identity: "images", Key: messages.Secret("0123456789")}

// updating is running with a shared actor update.
func updating(t *testing.T, configured ...messages.Account) *driver {
	t.Helper()
	return updatingWith(t, Download{Credentials: imageKeys}, configured...)
}

func updatingWith(t *testing.T, how Download, configured ...messages.Account) *driver {
	t.Helper()
	d := newDriver(t, configured...)
	config := testConfig()
	config.Update, config.Download = true, &how
	d.machine = New(config)
	d.step(messages.Start{})
	d.loaded(nil, nil)
	return d
}

// open has update ask for an image.
func (d *driver) open(image string) {
	d.t.Helper()
	d.step(messages.OpenDownload{ID: firstFetch, URI: image})
}

// saidToUpdate returns what update was told since the last time, but for servers and sessions.
func (d *driver) saidToUpdate() []any {
	news := slices.DeleteFunc(d.updates, func(message any) bool {
		switch message.(type) {
		case messages.ServersChanged, messages.SessionUp, messages.SessionLost, messages.Woke:
			return true
		}
		return false
	})
	d.updates = nil
	return news
}

// wantTold demands what update was told since the last time.
func (d *driver) wantTold(want ...any) {
	d.t.Helper()
	if got := d.saidToUpdate(); !slices.Equal(got, want) {
		d.t.Fatalf("update was told %+v, want %+v", got, want)
	}
}

// wantPaused demands that update was told, in order and besides what wantTold is about, whether the
// client is paused.
func (d *driver) wantPaused(want ...bool) {
	d.t.Helper()
	var got []bool
	d.updates = slices.DeleteFunc(d.updates, func(message any) bool {
		p, is := message.(messages.DownloadPaused)
		if is && p.ID == firstFetch {
			got = append(got, p.Paused)
		}
		return is
	})
	if !slices.Equal(got, want) {
		d.t.Fatalf("update was told %v of a pause, want %v", got, want)
	}
}

// opened demands that one attempt has begun since the last time.
func (d *driver) opened(via messages.Via) messages.DownloadOpened {
	d.t.Helper()
	if got := d.saidToUpdate(); len(got) == 1 {
		if o, is := got[0].(messages.DownloadOpened); is && o.ID == firstFetch && o.Via == via && (o.Epoch == 0) == (via == messages.ViaHTTP) {
			return o
		}
	}
	d.t.Fatalf("no attempt over %s has begun", via)
	return messages.DownloadOpened{}
}

// fetchFails ends the attempt, and returns the one event of that.
func (d *driver) fetchFails(f messages.Failure, final bool) messages.Event {
	d.t.Helper()
	before := len(d.events)
	d.step(messages.DownloadFailed{ID: firstFetch, Failure: f, Final: final})
	errors := onlyErrors(d.events[before:])
	if len(errors) != 1 {
		d.t.Fatalf("one failed attempt made %d error events", len(errors))
	}
	if errors[0].Phase != "firmware" {
		d.t.Fatalf("phase %q", errors[0].Phase)
	}
	return errors[0]
}

// A download by HTTP begins at once. Each failure makes one event and doubles the delay; when
// bytes have come the count begins anew.
func TestDownloadIsRetried(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(httpImage)
	d.opened(messages.ViaHTTP)
	unreachable := messages.Failure{Class: messages.ClassUnreachable, Cause: errors.New("no route")}
	for n, want := range []time.Duration{testR0, 2 * testR0, 4 * testR0} {
		e := d.fetchFails(unreachable, false)
		checkEvent(t, e, messages.ConnectNetworkError, uint64(n+1), messages.ActionRetry, want)
		if e.Server != "https://images.example/fw" {
			t.Errorf("server %q", e.Server)
		}
		d.wantTold()
		if got := d.fire(timerFetch); got != want {
			t.Fatalf("waited %v, want %v", got, want)
		}
		d.opened(messages.ViaHTTP)
	}
	d.step(messages.DownloadProgressed{ID: firstFetch + 1})
	checkEvent(t, d.fetchFails(unreachable, false), messages.ConnectNetworkError, 4, messages.ActionRetry, 8*testR0)
	d.fire(timerFetch)
	d.step(messages.DownloadProgressed{ID: firstFetch})
	checkEvent(t, d.fetchFails(unreachable, false), messages.ConnectNetworkError, 1, messages.ActionRetry, testR0)
}

// No delay is longer than the cap, however often it fails.
func TestDownloadDelayHasACap(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(httpImage)
	for range 40 {
		d.fetchFails(messages.Failure{Class: messages.ClassTimeout}, false)
		d.fire(timerFetch)
	}
	e := d.fetchFails(messages.Failure{Class: messages.ClassTimeout}, false)
	if got, _ := e.RetryIn(); got != Week {
		t.Errorf("retries in %v", got)
	}
}

// What the server of the image asks for is kept, whatever ends other waits.
func TestDownloadKeepsTheFloor(t *testing.T) {
	for _, test := range []struct {
		name   string
		asked  *time.Duration
		answer messages.CoAPCode
		want   time.Duration
	}{
		{"Max-Age", new(10 * time.Minute), messages.ServiceUnavailable, 10 * time.Minute},
		{"none", nil, messages.TooManyRequests, DefaultFloor},
		{"zero", new(time.Duration(0)), messages.TooManyRequests, testR0},
		{"absurd", new(1000 * Week), messages.ServiceUnavailable, Week},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := updating(t, serverAccount(t, server(1), 0))
			d.open(httpImage)
			d.saidToUpdate()
			busy := messages.Failure{Class: messages.ClassRejected, Answer: test.answer, MaxAge: test.asked}
			checkEvent(t, d.fetchFails(busy, false), messages.ConnectNetworkError, 1, messages.ActionRetry, test.want)
			if test.want > testR0 {
				d.now = d.now.Add(10 * time.Second)
				d.step(messages.NetworkUp{})
				d.wantTold()
				test.want -= 10 * time.Second
			}
			if got := d.fire(timerFetch); got != test.want {
				t.Fatalf("waited %v, want %v", got, test.want)
			}
			d.opened(messages.ViaHTTP)
		})
	}
}

// Hints that the network is back end a wait, at most once in five seconds.
func TestDownloadHeedsHints(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.open(httpImage)
	fails := func() {
		d.saidToUpdate()
		d.step(messages.DownloadFailed{ID: firstFetch, Failure: messages.Failure{Class: messages.ClassTimeout}})
	}
	fails()
	d.step(messages.NetworkUp{})
	d.opened(messages.ViaHTTP)
	fails()
	d.now = d.now.Add(hintInterval - 1)
	d.step(messages.NetworkUp{})
	d.wantTold()
	d.now = d.now.Add(1)
	d.call(messages.CallReconnect)
	d.opened(messages.ViaHTTP)
	if _, armed := d.timers[timerFetch]; armed {
		t.Error("the timer of the wait is left")
	}
}

// The time of a suspend counts for the delay and for what the server has asked for.
func TestDownloadSleeps(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(httpImage)
	d.saidToUpdate()
	d.fetchFails(messages.Failure{Class: messages.ClassRejected, Answer: messages.TooManyRequests, MaxAge: new(time.Hour)}, false)
	d.step(messages.Woke{Slept: 40 * time.Minute})
	d.wantTold()
	if got := d.fire(timerFetch); got != 20*time.Minute {
		t.Fatalf("waited %v", got)
	}
	d.opened(messages.ViaHTTP)
	d.fetchFails(messages.Failure{Class: messages.ClassRejected, Answer: messages.TooManyRequests, MaxAge: new(time.Hour)}, false)
	d.now = d.now.Add(time.Minute)
	d.step(messages.Woke{Slept: time.Hour})
	d.opened(messages.ViaHTTP)
}

// A server of its own gets a link of its own, with an epoch of its own, towards public
// addresses only.
func TestDownloadOverALinkOfItsOwn(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(ownImage)
	epoch := d.opened(messages.ViaLink).Epoch
	if d.epoch(fetchPeer) != epoch || epoch == d.epoch(server(1)) {
		t.Fatalf("epoch %d", epoch)
	}
	c := lastOrder[messages.Connect](d)
	if c.Peer != fetchPeer || c.Epoch != epoch || c.URI.String() != ownImage || c.Credentials.Mode != messages.SecurityNoSec ||
		!c.Public || !c.Deadline.Equal(d.now.Add(3*time.Minute)) {
		t.Errorf("%+v", c)
	}
	if got := d.timers[timerFetchGuard].Sub(d.now); got != 3*time.Minute+guardGrace {
		t.Errorf("the guard comes after %v", got)
	}
	d.progressTo(fetchPeer, "192.0.2.1:5683", "192.0.2.2:5683")
	d.step(messages.Progress{Epoch: epoch, Stage: messages.StageUp})
	if _, armed := d.timers[timerFetchGuard]; armed {
		t.Error("the guard of a link that is up is left")
	}
	d.fetchFails(messages.Failure{Class: messages.ClassReset, Epoch: epoch}, false)
	if !d.idle(fetchPeer) {
		t.Error("the link is left")
	}
	d.fire(timerFetch)
	next := d.opened(messages.ViaLink).Epoch
	if c = lastOrder[messages.Connect](d); next == epoch || c.Epoch != next || c.After.String() != "192.0.2.1:5683" {
		t.Errorf("%+v", c)
	}
	d.step(messages.CloseDownload{ID: firstFetch + 1})
	d.epoch(fetchPeer)
	d.step(messages.CloseDownload{ID: firstFetch})
	d.wantTold()
	if _, armed := d.timers[timerFetchGuard]; armed || !d.idle(fetchPeer) {
		t.Error("link or guard are left")
	}
}

// Where trouble may be that of one address only, the others are tried at once, within the
// time of one attempt; that makes one event at the end, of what tells most.
func TestDownloadTriesAllAddresses(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(ownImage)
	epoch := d.opened(messages.ViaLink).Epoch
	d.progressTo(fetchPeer, "192.0.2.1:5683", "192.0.2.2:5683")
	d.step(messages.Joined{Epoch: epoch, Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.3:5683")}})
	d.now = d.now.Add(time.Minute)
	before := len(d.events)
	d.step(messages.DownloadFailed{ID: firstFetch, Failure: messages.Failure{Class: messages.ClassRefused, Epoch: epoch}})
	if len(d.events) != before {
		t.Fatalf("%+v", d.events[before:])
	}
	second := d.opened(messages.ViaLink).Epoch
	c := lastOrder[messages.Connect](d)
	if len(c.Addresses) != 3 || c.After.String() != "192.0.2.1:5683" || !c.Deadline.Equal(d.now.Add(time.Minute)) {
		t.Errorf("%+v", c)
	}
	d.now = d.now.Add(2 * time.Minute)
	e := d.fetchFails(messages.Failure{Class: messages.ClassTimeout, Epoch: second}, false)
	checkEvent(t, e, messages.ConnectNetworkError, 1, messages.ActionRetry, testR0)
}

// A host that the configuration names may be anywhere; so may a server of this client.
func TestDownloadFromAllowedHosts(t *testing.T) {
	local := serverAccount(t, server(1), 0)
	local.URI = mustURI(t, "coaps://127.0.0.1:5700")
	for image, public := range map[string]bool{
		"coap://images.example/fw": true,
		"coap://store.example/fw":  false,
		"coap://127.0.0.7:7000/fw": false,
	} {
		d := updatingWith(t, Download{Hosts: []string{"Store.example", "127.0.0.7:7000"}}, local)
		d.open(image)
		d.opened(messages.ViaLink)
		if got := lastOrder[messages.Connect](d).Public; got != public {
			t.Errorf("%s: public %t", image, got)
		}
	}
	for _, image := range []string{"http://127.0.0.1/fw", "coap://127.0.0.1/fw", "coap://localhost/fw", "file:///etc/passwd", ""} {
		d := updating(t, local)
		d.open(image)
		if f := d.impossible(); f.Class != messages.ClassConfiguration {
			t.Errorf("%s: %+v", image, f)
		}
	}
}

// impossible demands that an attempt has begun and ended in one, and returns why.
func (d *driver) impossible() messages.Failure {
	d.t.Helper()
	told := d.saidToUpdate()
	if len(told) == 2 {
		opened, began := told[0].(messages.DownloadOpened)
		lost, ended := told[1].(messages.LinkLost)
		if began && ended && opened.Epoch != 0 && opened.Epoch == lost.Failure.Epoch && d.idle(fetchPeer) {
			return lost.Failure
		}
	}
	d.t.Fatalf("update was told %+v", told)
	return messages.Failure{}
}

// A coaps server gets the credentials of the configuration. Without any the attempt ends
// at once, and with it the update, if update says so.
func TestDownloadCredentials(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open("coaps://images.example/fw")
	d.opened(messages.ViaLink)
	if c := lastOrder[messages.Connect](d); c.Credentials.Identity != "images" {
		t.Errorf("%+v", c.Credentials)
	}

	d = updatingWith(t, Download{}, serverAccount(t, server(1), 0))
	d.open("coaps://images.example/fw")
	f := d.impossible()
	if f.Class != messages.ClassBadCredentials || !strings.Contains(f.Error(), "firmware.download") {
		t.Fatalf("%+v", f)
	}
	e := d.fetchFails(f, true)
	checkEvent(t, e, messages.ConnectorInvalidCredentials, 1, messages.ActionNone, 0)
	if e.RetryInMS != nil || strings.Contains(e.Remedy, "goes on") || !strings.HasSuffix(e.Remedy, "The update has ended.") {
		t.Errorf("%+v", e)
	}
	d.step(messages.DownloadFailed{ID: firstFetch, Failure: f})
	if d.machine.fetch != nil {
		t.Error("the download has not ended")
	}
}

// An image of a management server comes over its link.
func TestDownloadOverTheManagementLink(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0), serverAccount(t, server(2), 1))
	d.open(imageAtDM)
	d.register(server(2))
	d.wantTold() // until its own server is registered with
	d.register(server(1))
	opened := d.opened(messages.ViaManagement)
	if opened.Epoch != d.epoch(server(1)) || !d.idle(fetchPeer) {
		t.Fatalf("%+v", opened)
	}

	// A session that is lost is no failure of the download, which goes on with the next.
	d.fail(server(1), messages.Failure{Class: messages.ClassClosed, Phase: messages.PhaseRegistered})
	d.wantTold(messages.DownloadInterrupted{ID: firstFetch})
	d.step(messages.DownloadFailed{ID: firstFetch, Failure: messages.Failure{Class: messages.ClassClosed, Epoch: opened.Epoch}})
	d.wait(server(1))
	d.register(server(1))
	next := d.opened(messages.ViaManagement)
	d.step(messages.DownloadFailed{ID: firstFetch, Failure: messages.Failure{Class: messages.ClassClosed, Epoch: opened.Epoch}}) // late
	if n := d.machine.fetch.outage.failures; n != 0 || next.Epoch == opened.Epoch {
		t.Fatalf("%d failures of the download", n)
	}

	// A failure on a link that works is one, and takes the link from nobody.
	silent := messages.Failure{Class: messages.ClassSilence, Epoch: next.Epoch}
	checkEvent(t, d.fetchFails(silent, false), messages.ConnectTimeout, 1, messages.ActionRetry, testR0)
	d.epoch(server(1))
	d.fire(timerFetch)
	if d.opened(messages.ViaManagement).Epoch != next.Epoch {
		t.Error("it is another link")
	}
}

// Another port, or another security, is another server.
func TestDownloadFromAnotherPort(t *testing.T) {
	for _, image := range []string{"coap://dm1.example/fw", "coaps://dm1.example:5700/fw"} {
		d := updating(t, serverAccount(t, server(1), 0))
		d.register(server(1))
		d.open(image)
		d.opened(messages.ViaLink)
	}
}

// A server that has asked for a pause is not asked for its image meanwhile.
func TestDownloadWaitsForThePauseOfTheAccount(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	busy := rejectedWith(messages.ServiceUnavailable, messages.PhaseUpdate)
	busy.MaxAge = new(time.Hour)
	d.report(server(1), busy, true)
	d.open(imageAtDM)
	d.wantTold()
	d.wait(server(1))
	d.opened(messages.ViaManagement)
}

// What ends an attempt without a failure, and when the next begins.
func TestDownloadIsInterrupted(t *testing.T) {
	interrupted := messages.DownloadInterrupted{ID: firstFetch}
	t.Run("pause", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.open(ownImage)
		d.opened(messages.ViaLink)
		d.call(messages.CallPause)
		d.wantPaused(true)
		d.wantTold(interrupted)
		if !d.idle(fetchPeer) || len(d.timers) != 0 {
			t.Fatalf("links or timers are left: %v", d.timers)
		}
		d.step(messages.NetworkUp{})
		d.wantTold()
		d.call(messages.CallResume)
		d.wantPaused(false)
		d.opened(messages.ViaLink)
	})
	t.Run("pause in a wait", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.open(httpImage)
		d.fetchFails(messages.Failure{Class: messages.ClassRejected, Answer: messages.TooManyRequests}, false)
		d.saidToUpdate()
		d.call(messages.CallPause)
		d.now = d.now.Add(20 * time.Second)
		d.call(messages.CallResume)
		d.wantPaused(true, false)
		d.wantTold()
		if got := d.fire(timerFetch); got != 40*time.Second {
			t.Fatalf("waited %v", got)
		}
		d.opened(messages.ViaHTTP)
	})
	t.Run("asked for in a pause", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.call(messages.CallPause)
		d.open(httpImage)
		d.wantPaused(true)
		d.wantTold()
		d.call(messages.CallResume)
		d.wantPaused(false)
		d.opened(messages.ViaHTTP)
	})
	t.Run("factory reset", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.open(ownImage)
		d.opened(messages.ViaLink)
		d.step(messages.CallRequest{Call: messages.CallFactoryReset})
		d.wantTold()
		d.step(messages.CredentialsForgotten{Token: d.resets[0].Token})
		d.wantTold(interrupted)
		if !d.idle(fetchPeer) {
			t.Fatal("the link is left")
		}
		d.loaded(nil, nil)
		d.opened(messages.ViaLink)
	})
	t.Run("stop", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.register(server(1))
		d.open(ownImage)
		d.opened(messages.ViaLink)
		d.step(messages.Stop{Deadline: d.now.Add(time.Minute)})
		d.wantTold(interrupted)
		d.open(ownImage)
		d.wantTold()
		if !d.idle(fetchPeer) {
			t.Fatal("the link is left")
		}
	})
	t.Run("another one", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.open(ownImage)
		first := d.opened(messages.ViaLink)
		d.step(messages.OpenDownload{ID: firstFetch + 1, URI: httpImage})
		d.wantTold(messages.DownloadOpened{ID: firstFetch + 1, Via: messages.ViaHTTP})
		d.step(messages.DownloadFailed{ID: firstFetch, Failure: messages.Failure{Class: messages.ClassRefused, Epoch: first.Epoch}})
		if !d.idle(fetchPeer) || len(d.errors()) > 0 {
			t.Fatal("the first one is left")
		}
	})
}

// An image that is asked for once more does not come before its server wants that.
func TestDownloadClosedKeepsTheFloor(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(httpImage)
	d.fetchFails(messages.Failure{Class: messages.ClassRejected, Answer: messages.TooManyRequests}, false)
	d.step(messages.CloseDownload{ID: firstFetch})
	d.saidToUpdate()
	d.now = d.now.Add(10 * time.Second)
	d.open(httpImage)
	d.wantTold()
	if got := d.fire(timerFetch); got != DefaultFloor-10*time.Second {
		t.Fatalf("waited %v", got)
	}
	d.opened(messages.ViaHTTP)
	checkEvent(t, d.fetchFails(messages.Failure{Class: messages.ClassTimeout}, false), messages.ConnectTimeout, 1, messages.ActionRetry, testR0)
}

// A link that says nothing is given up, and so is one whose actors crash.
func TestDownloadLinkIsLost(t *testing.T) {
	t.Run("silent", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.open(ownImage)
		d.saidToUpdate()
		d.fire(timerFetchGuard)
		d.wantTold(messages.DownloadInterrupted{ID: firstFetch})
		checkEvent(t, d.newest(messages.EventError), messages.ConnectUnknownError, 1, messages.ActionRetry, testR0)
		d.fire(timerFetch)
		d.opened(messages.ViaLink)
	})
	t.Run("crashed", func(t *testing.T) {
		d := updating(t, serverAccount(t, server(1), 0))
		d.open(ownImage)
		for _, role := range []core.Role{core.Network, core.Link} {
			epoch := d.opened(messages.ViaLink).Epoch
			crash := Crashed{Role: role, Peer: fetchPeer, Epoch: epoch, Reason: errors.New("boom")}
			d.step(crash)
			d.step(crash)
			d.wantTold(messages.DownloadInterrupted{ID: firstFetch})
			if !d.idle(fetchPeer) {
				t.Fatal("the link is left")
			}
			d.fire(timerFetch)
		}
		checkEvent(t, d.newest(messages.EventError), messages.ConnectUnknownError, 2, messages.ActionRetry, 2*testR0)
	})
}

// What the server of an image sends that is no CoAP is reported as that of any other.
func TestDownloadLinkWithNonsense(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(ownImage)
	nonsense := messages.Malformed{Epoch: d.epoch(fetchPeer), Cause: errors.New("nonsense")}
	d.step(nonsense)
	d.step(nonsense)
	errors := d.errors()
	if len(errors) != 1 || errors[0].Phase != "firmware" || errors[0].Server != ownImage {
		t.Fatalf("%+v", errors)
	}
	checkEvent(t, errors[0], messages.ConnectResponseParseFailed, 1, messages.ActionIgnore, 0)
}

// The message IDs of one link for an image follow those of the one before.
func TestDownloadMessageIDs(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(ownImage)
	first := d.firstMID
	d.step(messages.MessageIDsUsed{Epoch: d.epoch(fetchPeer)})
	d.fetchFails(messages.Failure{Class: messages.ClassReset}, false)
	d.fire(timerFetch)
	if d.firstMID != first+2*messages.MessageIDBlock {
		t.Errorf("%d follows %d", d.firstMID, first)
	}
}

// A link may be lost before anything else has happened, and update is told so by its actor: it has to
// know of the attempt by then, or it would wait for what never comes.
func TestDownloadIsOpenBeforeItCanFail(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	var order []string
	for _, effect := range d.machine.Step(d.now, messages.OpenDownload{ID: firstFetch, URI: ownImage}) {
		switch effect := effect.(type) {
		case Spawn:
			order = append(order, "spawned")
		case core.Tell:
			if _, opened := effect.Message.(messages.DownloadOpened); opened {
				order = append(order, "opened")
			}
		case Order:
			if _, connects := effect.Message.(messages.Connect); connects {
				order = append(order, "connects")
			}
		}
	}
	if want := []string{"spawned", "opened", "connects"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}

// Whatever ends an attempt, another one follows: the table has no other step for downloads.
func TestDownloadFailuresAreAllRetried(t *testing.T) {
	answers := []messages.CoAPCode{messages.NotFound, messages.Forbidden, messages.BadRequest, messages.ServiceUnavailable, messages.InternalServerError}
	for _, class := range messages.Classes() {
		for _, answer := range append(answers, messages.Empty) {
			row := Lookup(&messages.Failure{Class: class, Phase: messages.PhaseFirmware, Answer: answer}, false)
			if row.Step != Retry && class != messages.ClassMalformed && !strings.HasPrefix(class.String(), "bootstrap") {
				t.Errorf("%s %s: %s", class, answer, row.Step)
			}
			if strings.Contains(row.Remedy, "bootstrap server") && !strings.HasPrefix(class.String(), "bootstrap") {
				t.Errorf("%s %s: %s", class, answer, row.Remedy)
			}
			if strings.Contains(row.Remedy, "UDP") { // an image may come by TCP
				t.Errorf("%s %s: %s", class, answer, row.Remedy)
			}
		}
	}
}

// Without a shared actor update there is none of all this.
func TestNoUpdate(t *testing.T) {
	d := running(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.open(httpImage)
	d.step(messages.FirmwareChanged{Status: messages.FirmwareStatus{Object: 5}})
	answer := make(chan messages.Answered, 1)
	d.step(messages.AuthoriseFirmware{Decision: messages.FirmwareGrant, Answer: answer})
	if got := d.answers; len(got) != 1 || got[0] != messages.ConnectNotAllowed {
		t.Errorf("answers %v", got)
	}
	d.step(messages.SendReports{ID: 1, Peer: server(1), Paths: []lwm2m.Path{lwm2m.PathOf(5, 0, 3)}})
	d.step(messages.Woke{Slept: time.Minute})
	if len(d.updates) != 0 || d.machine.fetch != nil || d.machine.snapshot().Firmware != nil {
		t.Errorf("update is told %+v", d.updates)
	}
}
