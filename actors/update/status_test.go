package update

import (
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
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
