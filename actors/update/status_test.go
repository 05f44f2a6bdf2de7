package update

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// While an image is fetched and summed up, what is there of it does not become less, and its
// size is not forgotten.
func TestProgressDoesNotFallBack(t *testing.T) {
	for name, begin := range map[string]func(w *world) error{
		"by URI":      func(w *world) error { return w.ask(AskURI, lwm2m.String(imageURI)) },
		"by manifest": func(w *world) error { return w.ask(AskManifest, lwm2m.Opaque([]byte("good"))) },
	} {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			if err := begin(w); err != nil {
				t.Fatal(err)
			}
			w.download()
			var there, total int64
			for _, s := range w.statuses {
				if s.State != firmware.StateDownloading && s.State != firmware.StateDownloaded {
					continue
				}
				if s.Progress < there || s.Total < total {
					t.Errorf("%d of %d after %d of %d", s.Progress, s.Total, there, total)
				}
				there, total = s.Progress, s.Total
			}
			if there == 0 || there != total {
				t.Errorf("%d of %d in the end", there, total)
			}
		})
	}
}

// Why an update has failed is said once.
func TestReasonIsSaidOnce(t *testing.T) {
	w := running(t)
	_ = w.ask(AskManifest, lwm2m.Opaque([]byte("bad"))) // what is wrong with it is the result
	if why := firmware.CauseSignature.String(); strings.Count(w.status.Detail, why) != 1 {
		t.Errorf("%q", w.status.Detail)
	}
}

// The state of an update that was put off is the one that the server sees.
func TestStateOfAnUpdateThatIsPutOff(t *testing.T) {
	w := running(t)
	w.config.Ask, w.m.config.Ask = true, true
	if err := w.ask(AskURI, lwm2m.String(imageURI)); err != nil {
		t.Fatal(err)
	}
	decide := func(d messages.FirmwareDecision) {
		w.input(messages.AuthoriseFirmware{Decision: d, Period: time.Hour, Answer: make(chan messages.Answered, 1)})
	}
	want := func(phase Phase, state int64) {
		t.Helper()
		w.wantPhase(phase)
		if got, _ := w.status.Values(); got != state || w.view.Reported[firmware.PathState.String()] != state {
			t.Errorf("%s: %d, and the server sees %d", phase, got, w.view.Reported[firmware.PathState.String()])
		}
	}
	decide(messages.FirmwareDefer)
	want(DeferredDownload, firmware.Object5Downloading)
	decide(messages.FirmwareGrant)
	w.download()
	_ = w.ask(AskUpdate, lwm2m.Value{})
	decide(messages.FirmwareDefer)
	want(DeferredInstall, firmware.Object5Downloaded)
}

// Progress is told in steps, whatever else is told between them.
func TestProgressIsToldInSteps(t *testing.T) {
	w := running(t)
	w.content = content(400_000)
	if err := w.ask(AskURI, lwm2m.String(imageURI)); err != nil {
		t.Fatal(err)
	}
	w.download()
	told := map[int64]bool{}
	for _, s := range w.statuses {
		told[s.Progress] = true
	}
	if len(told) < 4 || len(told) > 20 {
		t.Errorf("%d steps: %v", len(told), told)
	}
}
