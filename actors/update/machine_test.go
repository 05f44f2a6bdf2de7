package update

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestManifest(t *testing.T) {
	w := running(t)
	if err := w.ask(AskManifest, lwm2m.Opaque([]byte("good"))); err != nil {
		t.Fatal(err)
	}
	w.wantPhase(Downloading)
	w.download()
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathManifestState, "-1", "3", "4", "6", "7", "1")
	w.wantSeen(firmware.PathManifestResult, "18")
	w.wantSeen(firmware.PathState, "1", "2", "3", "0")
	w.wantSeen(firmware.PathResult, "1")
	if w.m.installed() != "2.0.0" {
		t.Errorf("the version is %s", w.m.installed())
	}
	if w.image.id != "" {
		t.Error("the image is still there")
	}
}

func TestPullAndUpdate(t *testing.T) {
	w := running(t)
	if err := w.ask(AskURI, lwm2m.String(imageURI)); err != nil {
		t.Fatal(err)
	}
	if w.open == nil || w.open.URI != imageURI {
		t.Fatalf("asked for %+v", w.open)
	}
	w.download()
	w.wantPhase(Downloaded)
	if !bytes.Equal(w.image.data, w.content) {
		t.Fatal("the image is another one")
	}
	if err := w.ask(AskUpdate, lwm2m.Value{}); err != nil {
		t.Fatal(err)
	}
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathState, "1", "2", "3", "0")
	w.wantSeen(firmware.PathResult, "1")
}

func TestPush(t *testing.T) {
	for name, format := range map[string]struct {
		format *messages.Format
		head   []byte
	}{
		"opaque": {new(messages.FormatOpaque), nil},
		"none":   {nil, nil},
		"TLV":    {new(messages.FormatTLV), []byte{0xd0, 0, 0x13, 0x88}}, // 5000
		"CBOR":   {new(messages.FormatCBOR), []byte{0x59, 0x13, 0x88}},
	} {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			w.push(format.format, append(format.head, w.content...), 512)
			w.wantPhase(Downloaded)
			if !bytes.Equal(w.image.data, w.content) {
				t.Fatal("the image is another one")
			}
			if len(w.replies) != 1 || w.replies[0].Code != messages.Changed {
				t.Fatalf("answered %+v", w.replies)
			}
			w.wantSeen(firmware.PathState, "1", "2")
		})
	}
}

// push sends a package in blocks, each after the one before has been asked for.
func (w *world) push(format *messages.Format, payload []byte, size int) {
	w.t.Helper()
	for at := 0; at < len(payload); at += size {
		before := w.mores
		end := min(at+size, len(payload))
		in := messages.InboundBlock{
			Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: uint64(at), ContentFormat: format, Payload: payload[at:end]},
			Offset:  uint64(at), Next: end < len(payload),
		}
		w.input(in)
		if in.Next && w.mores != before+1 {
			w.t.Fatalf("after the block at %d nothing more is asked for: %+v", at, w.replies)
		}
	}
}

func TestDownloadGoesOnAfterLoss(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.stall = 2048
	w.download()
	w.stall = 0
	w.input(messages.RequestFailed{Epoch: w.fetch.Epoch, ID: w.fetch.ID, Reason: messages.Exhausted})
	if len(w.failed) != 1 || w.failed[0].Final || w.failed[0].Failure.Class != messages.ClassSilence {
		t.Fatalf("failed %+v", w.failed)
	}
	w.download()
	w.wantPhase(Downloaded)
	if !bytes.Equal(w.image.data, w.content) {
		t.Fatal("the image is another one")
	}
	if len(w.asked) != 2 || w.asked[0] != 0 || w.asked[1] != 1024 {
		t.Errorf("asked from %v", w.asked)
	}
}

func TestImageChanges(t *testing.T) {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.stall = 2048
	w.download()
	w.stall = 0
	w.lose()
	w.content, w.etag = content(3000), []byte{2}
	w.register()
	w.download()
	w.serve() // what is asked for then, from the beginning
	w.input(nil)
	w.wantPhase(Downloaded)
	if !bytes.Equal(w.image.data, w.content) {
		t.Fatal("the image is another one")
	}
}

func TestRefusals(t *testing.T) {
	refused := func(t *testing.T, err error, code lwm2m.Code) {
		t.Helper()
		var e *object.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("answered %v, want %s", err, code)
		}
	}
	t.Run("bad URI", func(t *testing.T) {
		w := running(t)
		refused(t, w.ask(AskURI, lwm2m.String("coap://")), lwm2m.CodeBadRequest)
		w.wantPhase(Idle)
		w.wantSeen(firmware.PathResult, "7")
	})
	t.Run("scheme", func(t *testing.T) {
		w := running(t)
		refused(t, w.ask(AskURI, lwm2m.String("ftp://files.example.com/image")), lwm2m.CodeBadRequest)
		w.wantSeen(firmware.PathResult, "9")
		refused(t, w.ask(AskURI, lwm2m.String("ftp://files.example.com/image")), lwm2m.CodeBadRequest)
		w.wantSeen(firmware.PathResult, "9", "0", "9")
	})
	t.Run("URI while downloading", func(t *testing.T) {
		w := running(t)
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		refused(t, w.ask(AskURI, lwm2m.String(imageURI+"2")), lwm2m.CodeBadRequest)
		w.wantPhase(Downloading)
	})
	t.Run("update while idle", func(t *testing.T) {
		w := running(t)
		refused(t, w.ask(AskUpdate, lwm2m.Value{}), lwm2m.CodeMethodNotAllowed)
		refused(t, w.ask(AskCancel, lwm2m.Value{}), lwm2m.CodeMethodNotAllowed)
	})
	t.Run("reset", func(t *testing.T) {
		w := running(t)
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		if err := w.ask(AskURI, lwm2m.String("")); err != nil {
			t.Fatal(err)
		}
		w.wantPhase(Idle)
		w.wantSeen(firmware.PathState, "1", "0")
		w.wantSeen(firmware.PathResult)
		if w.open != nil {
			t.Error("the download is still open")
		}
	})
	t.Run("cancel", func(t *testing.T) {
		w := running(t)
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		if err := w.ask(AskCancel, lwm2m.Value{}); err != nil {
			t.Fatal(err)
		}
		w.wantSeen(firmware.PathState, "1", "0")
		w.wantSeen(firmware.PathResult, "10")
	})
}

// What a server is refused is written down once, whichever way it has asked.
func TestRefusalsAreLogged(t *testing.T) {
	w := running(t)
	_ = w.ask(AskUpdate, lwm2m.Value{})
	_ = w.ask(AskURI, lwm2m.String("ftp://files.example.com/image")) // has a result
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	_ = w.ask(AskURI, lwm2m.String(imageURI+"2"))
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.input(messages.InboundBlock{Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: 1, Payload: w.content[:1024]}, Next: true})
	w.download()
	w.answersCall(CallInstall, never)
	_ = w.ask(AskUpdate, lwm2m.Value{})
	w.input(messages.InboundBlock{Inbound: messages.Inbound{Peer: w.peer, Epoch: w.epoch, ID: 2}}) // a package that stands for none
	want := []firmware.Cause{
		firmware.CauseRequestRefused, firmware.CauseManifestBusy, firmware.CauseManifestBusy, firmware.CauseManifestBusy, firmware.CauseRequestRefused,
	}
	if !slices.Equal(w.logged, want) {
		t.Errorf("logged %v, want %v", w.logged, want)
	}
}

// How much of the image is there shows while it comes, in bytes as the registry of the OMA has it.
func TestProgressShows(t *testing.T) {
	w := newWorld(t)
	w.content = content(400_000)
	w.boot()
	w.register()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.stall = 200 * 1024
	w.download()
	if there := w.view.Progress; there < 128<<10 || there > int64(w.stall) {
		t.Errorf("%d bytes of %d show", there, w.stall)
	}
}

func TestRebootAndConfirm(t *testing.T) {
	w := running(t)
	w.installer = func(c Call) Called {
		out := Called{ID: c.ID, Method: c.Method, Done: firmware.InstallNeedsReboot}
		return out
	}
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	w.wantPhase(Rebooting)
	w.wantSeen(firmware.PathManifestState, "-1", "3", "4", "6", "7", "8")
	w.boot()
	w.register()
	w.wantPhase(Idle)
	w.wantSeen(firmware.PathManifestState, "-1", "3", "4", "6", "7", "8", "1")
	w.wantSeen(firmware.PathManifestResult, "18")
}

func TestRollBack(t *testing.T) {
	w := running(t)
	w.installer = func(c Call) Called {
		out := Called{ID: c.ID, Method: c.Method, Done: firmware.InstallNeedsReboot}
		if c.Method == CallConfirm {
			out.Err = errors.New("it does not start")
		}
		return out
	}
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.download()
	_ = w.ask(AskUpdate, lwm2m.Value{})
	w.wantPhase(Rebooting)
	w.boot()
	w.register()
	w.wantPhase(Downloaded)
	w.wantSeen(firmware.PathState, "1", "2", "3", "2")
	w.wantSeen(firmware.PathResult, "8")
}

func TestNobodyAcknowledges(t *testing.T) {
	w := newWorld(t)
	w.boot()
	w.silent = true
	w.register()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.wantPhase(Announcing)
	w.pass(240 * time.Hour)
	w.wantPhase(Announcing)
	if w.open != nil {
		t.Fatal("the download has begun although the server does not know")
	}
}

// What a server that observes has read may have been lost on the way to it: it is waited for
// that it acknowledges a notification.
func TestAReadOfAnObserverIsNoAcknowledgement(t *testing.T) {
	w := newWorld(t)
	w.boot()
	w.silent = true
	w.register()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	path := pathOf(w.view.Owed[0])
	shown := []lwm2m.Node{{Path: path, Value: lwm2m.Integer(w.view.Reported[path.String()])}}
	w.input(messages.ReportsDelivered{Peer: w.peer, Asked: true, Nodes: shown})
	if now := w.view.Reported[path.String()]; now != shown[0].Value.Int() || !containsAll(w.view.Owed, path.String()) {
		t.Fatalf("%s=%d was read, and %d is shown, owed %v", path, shown[0].Value.Int(), now, w.view.Owed)
	}
	w.input(messages.ReportsDelivered{Peer: w.peer, Nodes: shown})
	if now := w.view.Reported[path.String()]; now == shown[0].Value.Int() && containsAll(w.view.Owed, path.String()) {
		t.Fatalf("%s=%d was acknowledged, and is still owed", path, now)
	}
}

// A server whose observation has ended has a while to observe again: it may not know the client
// any more, which registers anew then. Until then its values wait.
func TestObservationsThatEnd(t *testing.T) {
	for name, anew := range map[string]bool{"in the same session": false, "in a new one": true} {
		w := newWorld(t)
		w.boot()
		w.register()
		observes := w.observes
		w.observes = nil
		w.observesOn()
		_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
		w.wantPhase(Announcing)
		w.pass(observeGrace / 2)
		if w.observes = observes; anew {
			w.lose()
			w.register()
		} else {
			w.observesOn()
		}
		w.download()
		w.wantPhase(Idle)
		w.wantSeen(firmware.PathManifestState, "-1", "3", "4", "6", "7", "1")
		w.wantSeen(firmware.PathManifestResult, "18")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestNobodyObserves(t *testing.T) {
	w := newWorld(t)
	w.observes = nil
	w.boot()
	w.register()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	w.wantPhase(Idle)
	if got := w.view.Reported[firmware.PathManifestResult.String()]; got != 18 {
		t.Errorf("the result shows %d", got)
	}
	if !containsAll(w.view.Owed, firmware.PathManifestResult.String(), firmware.PathManifestState.String()) {
		t.Errorf("owed %v", w.view.Owed)
	}
	w.input(messages.ReportsDelivered{Peer: w.peer, Asked: true, Nodes: []lwm2m.Node{{Path: firmware.PathManifestResult, Value: lwm2m.Integer(18)}}})
	if containsAll(w.view.Owed, firmware.PathManifestResult.String()) {
		t.Errorf("still owed: %v", w.view.Owed)
	}
}

func containsAll(all []string, some ...string) bool {
	for _, s := range some {
		if !bytes.Contains([]byte(joined(all)), []byte("|"+s+"|")) {
			return false
		}
	}
	return true
}

func joined(all []string) (text string) {
	text = "|"
	for _, s := range all {
		text += s + "|"
	}
	return text
}

func TestSends(t *testing.T) {
	w := newWorld(t)
	w.observes, w.sends = nil, true
	w.boot()
	w.register()
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
	w.download()
	w.wantSeen(firmware.PathManifestState, "-1", "3", "4", "6", "7", "1")
	w.wantSeen(firmware.PathManifestResult, "18")
}
