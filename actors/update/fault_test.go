package update

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// The version that a manifest brought runs after the restart, and the configuration may say
// so: that its manifest is of no newer version is no reason to go back.
func TestConfirmedByItsOwnVersion(t *testing.T) {
	w := newWorld(t)
	accept := w.config.Manifests
	w.config.Manifests = func(data []byte, installed string) (*Manifest, error) {
		if installed == "2.0.0" {
			return nil, &firmware.Error{Cause: firmware.CauseVersionRejected}
		}
		return accept(data, installed)
	}
	w.boot()
	w.register()
	w.needsReboot()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	w.wantPhase(Rebooting)
	w.config.Version = "2.0.0"
	w.boot()
	w.register()
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathManifestResult, "18")
	if slices.Contains(w.calls, CallRollBack) {
		t.Error("it went back")
	}
}

// Why the machine goes back is known also when the process ends meanwhile.
func TestRollBackOfALaterProcess(t *testing.T) {
	w := running(t)
	w.needsReboot()
	w.answersCall(CallConfirm, func(out *Called) {
		out.Err = &firmware.ResultError{Result: firmware.ResultWrongClass, Err: errors.New("made for another board")}
	})
	rollBack := w.installer
	w.answersCall(CallRollBack, never)
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	w.boot()
	w.register()
	w.wantPhase(RollingBack)
	if code := w.authorise(messages.FirmwareRefuse, 0); code != messages.ConnectNotAllowed {
		t.Errorf("a refusal that nobody asked for is answered %v", code)
	}
	w.installer = rollBack
	w.boot()
	w.register()
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathManifestResult, "31")
	w.wantSeen(firmware.PathResult, "6")
}

// What an Installer names is what is reported, unless it is no result of a failure.
func TestResultOfTheInstaller(t *testing.T) {
	for named, want := range map[firmware.Result]string{
		firmware.ResultOutOfMemory: "34", firmware.ResultSuccess: "40", firmware.ResultNone: "40", 7: "40",
	} {
		w := running(t)
		w.answersCall(CallInstall, func(out *Called) { out.Err = &firmware.ResultError{Result: named} })
		_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
		w.download()
		w.wantPhase(Idle)
		w.wantSeen(firmware.PathManifestResult, want)
	}
}

// runningAsked is a world whose gateway is asked.
func runningAsked(t *testing.T) *world {
	w := newWorld(t)
	w.config.Ask = true
	w.boot()
	w.register()
	return w
}

// Of what is put off once more, the later period counts, and what the gateway was asked shows.
func TestPutOffAgain(t *testing.T) {
	w := runningAsked(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.authorise(messages.FirmwareDefer, time.Hour)
	w.authorise(messages.FirmwareDefer, 3*time.Hour)
	w.pass(3*time.Hour - time.Second)
	w.wantPhase(DeferredDownload)
	if w.status.PutOff != messages.AsksDownload || w.status.Asks != messages.AsksNothing || !w.status.Deferred.Equal(start.Add(3*time.Hour)) {
		t.Errorf("the status is %+v", w.status)
	}
	w.boot()
	w.pass(time.Second)
	w.wantPhase(AskingDownload)
	w.authorise(messages.FirmwareDefer, 0)
	w.pass(1000 * time.Hour)
	w.wantPhase(DeferredDownload)
	if w.status.PutOff != messages.AsksDownload || w.status.Asks != messages.AsksNothing || !w.status.Deferred.IsZero() {
		t.Errorf("the status is %+v", w.status)
	}
}

// A wait is over when its time is over, also where the machine was suspended; and it is never
// longer than it was to be, also where the clock was set back.
func TestWaitsAndTheClock(t *testing.T) {
	w := runningAsked(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.authorise(messages.FirmwareDefer, time.Hour)
	for timer := range w.timers {
		w.timers[timer] = w.timers[timer].Add(50 * time.Minute)
	}
	w.now = w.now.Add(50 * time.Minute)
	w.input(messages.Woke{Slept: 50 * time.Minute})
	w.pass(10*time.Minute - time.Second)
	w.wantPhase(DeferredDownload)
	w.pass(time.Second)
	w.wantPhase(AskingDownload)

	w.authorise(messages.FirmwareDefer, time.Hour)
	w.now = w.now.Add(-1000 * time.Hour)
	w.boot()
	w.pass(time.Hour)
	w.wantPhase(AskingDownload)
}

// The installation begins at the latest when the server says, also where the gateway has
// never answered; and what a server has said once is not said of the next update.
func TestLatestInstallation(t *testing.T) {
	w := runningAsked(t)
	_ = w.ask(AskMaxDefer, lwm2m.Unsigned(60))
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.authorise(messages.FirmwareGrant, 0)
	w.download()
	_ = w.ask(AskUpdate, lwm2m.Value{})
	w.wantPhase(AskingInstall)
	w.boot()
	w.register()
	w.pass(time.Minute - time.Second)
	w.wantPhase(AskingInstall)
	w.pass(time.Second)
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathResult, "1")

	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.authorise(messages.FirmwareGrant, 0)
	w.download()
	w.wantPhase(AskingInstall)
}

// A period that the server writes while the installation is put off, or while the gateway is asked,
// counts from then on; none is no reason to begin.
func TestLatestInstallationIsWrittenLater(t *testing.T) {
	for _, putOff := range []bool{true, false} {
		w := runningAsked(t)
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		w.authorise(messages.FirmwareGrant, 0)
		w.download()
		_ = w.ask(AskUpdate, lwm2m.Value{})
		want := AskingInstall
		if putOff {
			w.authorise(messages.FirmwareDefer, 2*time.Hour)
			want = DeferredInstall
		}
		_ = w.ask(AskMaxDefer, lwm2m.Unsigned(0))
		w.pass(10 * time.Minute)
		w.wantPhase(want)
		_ = w.ask(AskMaxDefer, lwm2m.Unsigned(60))
		w.pass(time.Minute - time.Second)
		w.wantPhase(want)
		w.pass(time.Second)
		w.wantPhase(Idle)
		if got := w.of(firmware.PathResult); got[len(got)-1] != "1" {
			t.Errorf("put off %t: the server has seen the results %v", putOff, got)
		}
	}
}

// The image of an update that has ended is removed when that is durable: not after another
// has begun to come.
func TestPushBehindARemoval(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.storeErr = errors.New("the disk is full")
	_ = w.ask(AskCancel, lwm2m.Value{})
	in := messages.InboundBlock{Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: 1, Payload: w.content}}
	w.input(in)
	if len(w.replies) != 0 {
		t.Fatalf("answered %+v", w.replies)
	}
	w.storeErr = nil
	w.pass(storeAgain)
	w.wantPhase(Downloaded)
	if !bytes.Equal(w.image.data, w.content) || len(w.replies) != 1 || w.replies[0].Code != messages.Changed {
		t.Errorf("%d bytes are there, answered %+v", len(w.image.data), w.replies)
	}
}

// An image that fills the disk is removed although it cannot be stored that its update has ended,
// whatever that was by: without it there is room for the record, which is written at once.
func TestImageThatFillsTheDisk(t *testing.T) {
	for name, end := range map[string]struct {
		by     func(*world)
		result string
	}{
		"full": {func(w *world) {
			w.image.err, w.stall = &firmware.Error{Cause: firmware.CauseNoSpace}, 0
			w.download()
		}, "2"},
		"cancelled": {func(w *world) { _ = w.ask(AskCancel, lwm2m.Value{}) }, "10"},
	} {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			_ = w.ask(AskURI, lwm2m.String(imageURI))
			w.stall = 2048
			w.download()
			w.storeFull = true
			end.by(w)
			w.wantPhase(Idle)
			w.wantSeen(firmware.PathResult, end.result)
			if w.image.id != "" || w.m.unsaved || !w.timers[timerStore].IsZero() {
				t.Errorf("there are %d bytes, and the record waits: %v, until %v", len(w.image.data), w.m.unsaved, w.timers[timerStore])
			}
		})
	}
}

// A version that runs keeps its image until that is durable: what has been installed is not to be
// reported as not to be found.
func TestInstalledOnAFullDisk(t *testing.T) {
	w := running(t)
	once := true
	w.answersCall(CallInstall, func(*Called) { w.storeFull, once = once, false })
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	w.wantSeen(firmware.PathManifestResult)
	if w.image.id == "" {
		t.Error("the image is gone")
	}
	w.storeFull = false
	w.boot()
	w.register()
	w.wantSeen(firmware.PathManifestResult, "18")
}

// A server whose account is gone is not waited for: another is told.
func TestServerIsGone(t *testing.T) {
	w := running(t)
	w.input(messages.ServersChanged{Servers: []messages.Peer{peer1, messages.ManagementPeer(2)}})
	w.silent = true
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.wantPhase(Announcing)
	w.lose()
	w.boot()
	w.silent = false
	w.peer = messages.ManagementPeer(2)
	w.register()
	w.pass(time.Hour)
	w.wantPhase(Announcing)
	w.input(messages.ServersChanged{Servers: []messages.Peer{w.peer}})
	w.show(w.view)
	w.input(nil)
	w.wantPhase(Downloading)
	if got := w.of(firmware.PathManifestState); !inOrder(got, []string{"-1", "3", "4"}) {
		t.Errorf("the server has seen %v", got)
	}
	if _, kept := w.m.record.Hosts[peer1.ID]; kept || len(w.m.record.Observe) != 1 {
		t.Errorf("the record still knows it: %+v", w.m.record)
	}
}

// A session that is up before the record has been read is one with a server that may observe
// again.
func TestSessionBeforeTheRecord(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.silent = true
	w.download()
	w.stored = new(*messages.StoredState)
	w.boot()
	w.silent, w.sends, w.observes = false, true, nil
	w.epoch++
	w.input(messages.SessionUp{Peer: w.peer, Epoch: w.epoch, Version: "1.1", Host: "lwm2m.example.com", Port: 5683})
	w.input(messages.ReportsObserved{Peer: w.peer, Epoch: w.epoch})
	w.input(messages.RecordLoaded{Stored: messages.StoredState{Data: w.record}})
	if w.m.record.Hosts[1].Name != "lwm2m.example.com" {
		t.Error("where the server is has been forgotten")
	}
	w.pass(observeGrace - time.Second)
	w.wantSeen(firmware.PathState, "1")
	w.pass(time.Second)
	w.wantSeen(firmware.PathState, "1", "2")
}

// A record that this version does not understand is set aside, and not written over.
func TestRecordOfAnotherVersion(t *testing.T) {
	w := newWorld(t)
	w.record = []byte(`{"Version":2,"Reports":["of a later version"]}`)
	was := w.record
	w.boot()
	w.register()
	if !bytes.Equal(w.aside, was) || !slices.Contains(w.logged, firmware.CauseRecordLost) {
		t.Errorf("set aside %q, logged %v", w.aside, w.logged)
	}
	if err := w.ask(AskURI, lwm2m.String(imageURI)); err != nil {
		t.Error(err)
	}
}

// A record that cannot be read at present is not written over: it is read again.
func TestRecordIsReadAgain(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	was := slices.Clone(w.record)
	unread := &messages.StoredState{Err: errors.New("the disk fails"), Unread: true}
	w.stored = &unread
	w.boot()
	w.register()
	w.pass(3 * storeAgain)
	unread = nil // and then no answer comes
	w.pass(storeAgain + 3*loadBound)
	if !bytes.Equal(w.record, was) || w.loads < 6 {
		t.Fatalf("%d loads, and the record is %s", w.loads, w.record)
	}
	if n := len(slices.DeleteFunc(slices.Clone(w.logged), func(c firmware.Cause) bool { return c != firmware.CauseRecordLost })); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	w.stored = nil
	w.pass(loadBound)
	w.wantPhase(Downloading)
}

// However often the gateway puts off, and however long the server is away: what is to be
// reported has an end, and the record can be read again.
func TestReportsAreBounded(t *testing.T) {
	w := runningAsked(t)
	w.silent = true
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	for range 500 {
		w.authorise(messages.FirmwareDefer, time.Minute)
		w.pass(time.Minute)
	}
	if n := len(w.m.record.Outbox); n < fullFrom || n > maxOutbox {
		t.Errorf("%d reports", n)
	}
	if _, err := decodeRecord(w.record); err != nil {
		t.Error(err)
	}
	w.silent = false
	w.show(w.view)
	w.input(nil)
	w.pass(time.Minute)
	w.wantPhase(AskingDownload)
}

// A Send that does not reach its server is sent again, in the same session, too.
func TestSendIsSentAgain(t *testing.T) {
	for _, out := range []messages.SendOutcome{
		{Refusal: messages.SendSilent}, {Refusal: messages.SendBusy}, {Refusal: messages.SendNotRegistered},
		{Refusal: messages.SendRefused, Code: messages.ServiceUnavailable},
		{Refusal: messages.SendRefused, Code: messages.NotFound}, // it may not know the client any more
	} {
		w := newWorld(t)
		w.observes, w.sends, w.outcome = nil, true, &out
		w.boot()
		w.register()
		_ = w.ask(AskManifest, lwm2m.Opaque([]byte("bad")))
		w.wantSeen(firmware.PathManifestResult)
		w.outcome = nil
		w.pass(sendAgain)
		w.wantSeen(firmware.PathManifestState, "-1", "1")
		w.wantSeen(firmware.PathManifestResult, "23")
	}
}

// A server that answers 4.04 again, although it knows the client, has no Send: the last values
// wait for it to read them.
func TestServerWithoutSend(t *testing.T) {
	w := newWorld(t)
	w.observes, w.sends = nil, true
	w.outcome = &messages.SendOutcome{Refusal: messages.SendRefused, Code: messages.NotFound}
	w.boot()
	w.register()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("bad")))
	if len(w.m.record.Outbox) == 0 {
		t.Error("it was not asked a second time")
	}
	w.pass(sendAgain)
	if n := len(w.m.record.Outbox); n != 0 {
		t.Errorf("%d reports wait for a server that has no Send", n)
	}
}

// Restarts do not make the time longer for which a download may bring nothing.
func TestGiveUpAcrossRestarts(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	for range 3 {
		w.pass(7 * time.Hour)
		w.boot()
		w.register()
	}
	w.pass(3*time.Hour - time.Second)
	w.wantPhase(Downloading)
	w.pass(time.Second)
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathResult, "4")

	// However long the gateway was off, there is a while to try.
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.now = w.now.Add(100 * time.Hour)
	w.boot()
	w.register()
	w.pass(time.Hour - time.Second)
	w.wantPhase(Downloading)
	w.download()
	w.wantPhase(Downloaded)
}

// An image that never stays the same is fetched at the pace of the policy.
func TestImageNeverTheSame(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.stall = 1024
	w.download()
	for range 2 {
		w.input(messages.RequestFailed{Epoch: w.fetch.Epoch, ID: w.fetch.ID, Reason: messages.BodyChanged})
		if w.fetch != nil {
			w.serve()
			w.input(nil)
		}
	}
	if len(w.failed) != 1 || w.failed[0].Final || w.failed[0].Failure.Class != messages.ClassBadAnswer {
		t.Fatalf("failed %+v", w.failed)
	}
	w.stall = 0
	w.download()
	w.wantPhase(Downloaded)
}

// A download that is begun anew in each attempt, and gets no further, has an end: what comes is
// what has come before. A server has another image a few times, and not for ever.
func TestDownloadThatGetsNoFurther(t *testing.T) {
	for name, test := range map[string]struct {
		etag  func(attempt int) []byte
		moved int
	}{
		"no tags":               {func(int) []byte { return nil }, 1},
		"another one each time": {func(attempt int) []byte { return []byte{byte(attempt)} }, 1 + changesLimit},
	} {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			_ = w.ask(AskURI, lwm2m.String(imageURI))
			w.stall = 2048
			last := 0 // the attempt that has brought it further
			for attempt := range 10 {
				before := w.moved
				w.etag = test.etag(attempt)
				w.download()
				w.serve() // what is asked for then, from the beginning
				w.input(nil)
				w.input(messages.RequestFailed{Epoch: w.fetch.Epoch, ID: w.fetch.ID, Reason: messages.Exhausted})
				if w.moved > before {
					last = attempt
				}
				w.pass(time.Hour)
			}
			if w.moved != test.moved || len(w.failed) != 10 {
				t.Errorf("%d attempts of %d have brought it further, want %d", w.moved, len(w.failed), test.moved)
			}
			w.pass(time.Duration(14+last)*time.Hour - time.Second)
			w.wantPhase(Downloading)
			w.pass(time.Second)
			w.wantPhase(Idle)
			w.wantSeen(firmware.PathResult, "4")
		})
	}
}

// What the Installer is at ends when a server cancels the update.
func TestCancelEndsTheCall(t *testing.T) {
	w := running(t)
	w.answersCall(CallVerify, never)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.download()
	w.wantPhase(Verifying)
	_ = w.ask(AskCancel, lwm2m.Value{})
	w.wantPhase(Idle)
	if len(w.ended) != 1 || w.m.call != 0 {
		t.Errorf("ended %v", w.ended)
	}
}

// A restart that does not come is asked for again, but not while the Installer is at it. An
// actor that was started anew in the same process has seen no restart.
func TestRebootIsAskedForAgain(t *testing.T) {
	w := running(t)
	w.needsReboot()
	w.answersCall(CallReboot, never)
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	w.pass(time.Hour)
	want := []Method{CallVerify, CallInstall, CallReboot}
	if !slices.Equal(w.calls, want) {
		t.Fatalf("called %v", w.calls)
	}
	w.input(Called{ID: w.m.call, Method: CallReboot})
	w.pass(rebootEvery)
	if want = append(want, CallReboot); !slices.Equal(w.calls, want) {
		t.Fatalf("called %v", w.calls)
	}
	w.incarnation = 2
	w.boot()
	w.register()
	w.pass(tellBound)
	if want = append(want, CallReboot); !slices.Equal(w.calls, want) || w.m.record.Phase != Rebooting {
		t.Fatalf("called %v, in %s", w.calls, w.m.record.Phase)
	}
}

// The block of a package that is begun anew is answered.
func TestPackageBegunAnew(t *testing.T) {
	w := running(t)
	block := messages.InboundBlock{Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: 1, Payload: w.content[:1024]}, Next: true}
	w.answersNothing = true
	w.input(block)
	block.ID = 2
	w.input(block)
	if len(w.replies) != 1 || w.replies[0].ID != 1 || w.replies[0].Code != messages.RequestEntityIncomplete {
		t.Errorf("answered %+v", w.replies)
	}
}

// A cancelled package is answered as such.
func TestCancelWhileABlockWaits(t *testing.T) {
	w := running(t)
	w.answersNothing = true
	w.input(messages.InboundBlock{Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: 1, Payload: w.content[:1024]}, Next: true})
	_ = w.ask(AskCancel, lwm2m.Value{})
	if len(w.replies) != 1 || w.replies[0].Code != messages.BadRequest {
		t.Errorf("answered %+v", w.replies)
	}
}

// A value that nobody waits for does not overtake those before it, which would take its place
// again when their turn comes.
func TestValuesOfTheOtherFaceStayInOrder(t *testing.T) {
	w := newWorld(t)
	w.boot()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("bad")))
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	_ = w.ask(AskCancel, lwm2m.Value{})
	w.register()
	w.pass(time.Hour)
	if got := w.view.Reported[firmware.PathManifestResult.String()]; got != 37 {
		t.Errorf("the result shows %d", got)
	}
	w.wantSeen(firmware.PathManifestResult, "23", "-1", "37")
}

// While the client is paused, it is not the download that brings nothing: also where the process
// or the actor ends meanwhile.
func TestGiveUpOfAClientThatIsPaused(t *testing.T) {
	w := running(t)
	pause := func(paused bool) { w.input(messages.DownloadPaused{ID: w.open.ID, Paused: paused}) }
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.pass(20 * time.Hour)
	pause(true)
	pause(true)
	w.pass(100 * time.Hour)
	w.wantPhase(Downloading)
	pause(false)
	pause(false)
	w.pass(4*time.Hour - time.Second)
	w.wantPhase(Downloading)
	w.pass(time.Second)
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathResult, "4")

	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.stall = 1024
	w.pass(20 * time.Hour)
	w.download()
	pause(true)
	w.input(messages.DownloadInterrupted{ID: w.open.ID})
	w.pass(100 * time.Hour)
	w.boot()
	w.register()
	w.pass(24*time.Hour - time.Second)
	w.wantPhase(Downloading)
	w.pass(time.Second)
	w.wantPhase(Idle)
}

// What was on its way to the disk when the client was paused has brought the download further.
func TestPauseWhileAPartIsWritten(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.pass(20 * time.Hour)
	w.stall = 1024
	w.opened()
	w.answersNothing = true
	w.serve()
	w.input(messages.DownloadPaused{ID: w.open.ID, Paused: true})
	w.input(ImageWritten{Job: w.m.image.last, Length: 1024})
	w.pass(100 * time.Hour)
	w.input(messages.DownloadPaused{ID: w.open.ID})
	w.pass(24*time.Hour - time.Second)
	w.wantPhase(Downloading)
	w.pass(time.Second)
	w.wantPhase(Idle)
}
