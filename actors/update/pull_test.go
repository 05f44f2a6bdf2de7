package update

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// pulling is a world whose machine fetches, and has got a part of the image unless the server
// sends nothing.
func pulling(t *testing.T, stall int) *world {
	w := running(t)
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.stall = stall
	w.download()
	return w
}

func (w *world) answers(code messages.CoAPCode) {
	w.input(messages.Response{Epoch: w.fetch.Epoch, ID: w.fetch.ID, Code: code})
}

// A server that has given a part of an image is asked again when it refuses the rest: also where
// that part is still on its way to the disk.
func TestRefusalBehindAPartThatIsBeingWritten(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.NotFound, messages.BadRequest} {
		w := running(t)
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		w.stall = 1024
		w.opened()
		w.answersNothing = true
		w.serve()
		w.input(nil)
		w.answers(code)
		if len(w.failed) != 1 || w.failed[0].Final {
			t.Errorf("%s: failed %+v", code, w.failed)
		}
		w.wantPhase(Downloading)
	}
}

// A server that has a shorter image by now has nothing where the download was to go on: it begins
// anew. Where its beginning is refused, too, that is the end.
func TestImageShrinks(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.BadRequest, messages.BadOption} {
		w := pulling(t, 3072)
		w.lose()
		w.content, w.etag, w.stall = content(2000), []byte{2}, 0
		w.register()
		w.opened()
		w.answers(code)
		if w.fetch == nil || w.fetch.From != 0 {
			t.Fatalf("%s: asked from %v", code, w.asked)
		}
		w.serve()
		w.input(nil)
		w.wantPhase(Downloaded)
		if !bytes.Equal(w.image.data, w.content) || len(w.failed) != 0 {
			t.Errorf("%s: %d bytes, failed %+v", code, len(w.image.data), w.failed)
		}
		w = pulling(t, 3072)
		w.lose()
		w.register()
		w.opened()
		w.answers(code)
		w.answers(code)
		w.wantPhase(Idle)
		w.wantSeen(firmware.PathResult, "4")
	}
}

// A server without entity tags that has another image by now: what was put together is not what
// the manifest is about, and is fetched from its beginning, once. Where that is no better, it is
// the image.
func TestImageOfTwo(t *testing.T) {
	good := content(5000)
	for name, test := range map[string]struct {
		before, after []byte
		result        firmware.Result
	}{
		"the good one afterwards":      {bytes.Repeat([]byte{1}, 5000), good, firmware.ResultSuccess},
		"a longer one before":          {bytes.Repeat([]byte{1}, 9000), good, firmware.ResultSuccess},
		"a longer one afterwards":      {good, bytes.Repeat([]byte{1}, 9000), firmware.ResultNoSpace},
		"never the good one":           {bytes.Repeat([]byte{1}, 5000), bytes.Repeat([]byte{2}, 5000), firmware.ResultPayloadCorrupted},
		"the same, and not a good one": {bytes.Repeat([]byte{1}, 5000), bytes.Repeat([]byte{1}, 5000), firmware.ResultPayloadCorrupted},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.Manifests = func([]byte, string) (*Manifest, error) {
				return &Manifest{URI: imageURI, Version: "2.0.0", Size: int64(len(good)), Digest: sha256.Sum256(good)}, nil
			}
			w.boot()
			w.register()
			w.content, w.etag, w.stall = test.before, nil, 2048
			_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
			w.download()
			w.lose()
			w.content, w.stall = test.after, 0
			w.register()
			w.download()
			if len(w.failed) != 1 || w.failed[0].Final {
				t.Fatalf("failed %+v", w.failed)
			}
			w.wantPhase(Downloading)
			w.download()
			if w.status.Result != test.result || w.m.record.Phase != Idle {
				t.Errorf("the result is %s in %s", w.status.Result, w.m.record.Phase)
			}
			if at := w.asked; len(at) != 3 || at[0] != 0 || at[1] == 0 || at[2] != 0 {
				t.Errorf("asked from %v", at)
			}
		})
	}
}

// Some refusals say nothing of the next attempt.
func TestRefusalsThatPass(t *testing.T) {
	for code, final := range map[messages.CoAPCode]bool{
		messages.RequestEntityIncomplete: false, messages.TooManyRequests: false, messages.ServiceUnavailable: false,
		messages.BadRequest: true, messages.Forbidden: true, messages.NotFound: true, messages.RequestEntityTooLarge: true,
	} {
		w := running(t)
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		w.opened()
		w.answers(code)
		if len(w.failed) != 1 || w.failed[0].Final != final {
			t.Errorf("%s: failed %+v", code, w.failed)
		}
	}
}

// An image that ends before its announced end is asked for once more. Where it ends there again,
// the announcement was wrong; with a manifest it is the image.
func TestImageEndsEarly(t *testing.T) {
	for name, test := range map[string]struct {
		manifest bool
		mended   bool // the server has all of it the second time
		phase    Phase
		result   int64
	}{
		"an end that was none":      {false, true, Downloaded, firmware.Object5Initial},
		"a wrong announcement":      {false, false, Downloaded, firmware.Object5Initial},
		"a short one":               {true, false, Idle, firmware.Object5IntegrityFailed},
		"not as short as it seemed": {true, true, Idle, firmware.Object5Success},
	} {
		t.Run(name, func(t *testing.T) {
			w := running(t)
			whole := w.content
			if test.manifest {
				_ = w.ask(AskManifest, lwm2m.Opaque([]byte("good")))
			} else {
				_ = w.ask(AskURI, lwm2m.String(imageURI))
			}
			w.opened()
			w.early = 3000
			w.serve()
			w.input(nil)
			if len(w.failed) != 1 || w.failed[0].Final || w.failed[0].Failure.Class != messages.ClassBadAnswer {
				t.Fatalf("failed %+v", w.failed)
			}
			w.wantPhase(Downloading)
			if test.mended {
				w.early = 0
			} else {
				whole = whole[:w.early]
			}
			w.download()
			w.wantPhase(test.phase)
			if test.phase == Downloaded && !bytes.Equal(w.image.data, whole) {
				t.Errorf("%d bytes are there", len(w.image.data))
			}
			if w.status.Object5 != test.result {
				t.Errorf("the result is %d, want %d", w.status.Object5, test.result)
			}
		})
	}
}

// A download that is given up says what the last attempt has failed with.
func TestGiveUpSaysWhy(t *testing.T) {
	w := pulling(t, 1024)
	w.input(messages.RequestFailed{Epoch: w.fetch.Epoch, ID: w.fetch.ID, Reason: messages.Exhausted})
	w.opened()
	w.answers(messages.InternalServerError)
	w.pass(24 * time.Hour)
	w.wantPhase(Idle)
	why := fmt.Sprint(firmware.CauseConnectionLost, ": ", w.failed[1].Failure.Error())
	if w.status.Detail != why || !strings.Contains(why, "5.00") {
		t.Errorf("%q, want %q", w.status.Detail, why)
	}
}

// Why an image cannot be begun, or not be finished, is said once.
func TestCausesAreSaidOnce(t *testing.T) {
	wrong := &firmware.Error{Cause: firmware.CauseNoSpace, Err: errors.New("7 bytes are free")}
	for name, fails := range map[string]func(*world){
		"begun":    func(w *world) { w.input(ImageReady{Job: w.m.image.job, Err: wrong}) },
		"written":  func(w *world) { w.input(ImageWritten{Job: w.m.image.last, Err: wrong}) },
		"finished": func(w *world) { w.input(ImageDone{Job: w.m.image.last, Err: wrong}) },
	} {
		w := running(t)
		w.answersNothing = true
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		w.opened()
		fails(w)
		w.wantPhase(Idle)
		if want := "there is no room for the image: 7 bytes are free"; w.status.Detail != want || w.status.Object5 != firmware.Object5NoSpace {
			t.Errorf("%s: %q, want %q", name, w.status.Detail, want)
		}
	}
}
