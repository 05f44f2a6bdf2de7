package update

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// While the disk is busy a server is asked for so much and no more, and what is on its way to
// the disk is left alone. What is on it in the end is what came.
func TestSlowDiskStopsTheServer(t *testing.T) {
	w := running(t)
	w.content, w.block, w.slow = make([]byte, 3*roomAhead+100), coapPart, true
	_, _ = rand.NewChaCha8([32]byte{}).Read(w.content) // no two parts are equal
	if err := w.ask(AskURI, lwm2m.String(imageURI)); err != nil {
		t.Fatal(err)
	}
	w.download()
	if w.fetch.Gather != coapPart {
		t.Errorf("parts of %d bytes are asked for", w.fetch.Gather)
	}
	for writes := 0; w.m.record.Phase == Downloading; writes++ {
		if len(w.held) != 1 || writes > 3*roomAhead/coapPart {
			t.Fatalf("%d parts are on their way to the disk after %d", len(w.held), writes)
		}
		if ahead := w.at - len(w.image.data); ahead > roomAhead+coapPart || ahead < roomAhead && w.at < len(w.content) {
			t.Fatalf("%d bytes have been asked for ahead of the disk", ahead)
		}
		w.write()
		w.input(nil)
	}
	if !bytes.Equal(w.image.data, w.content) {
		t.Error("something else is on the disk than has come")
	}
	if i := w.m.image; i.waiting != nil || i.writing != nil || i.spare != nil {
		t.Error("the memory is kept for good")
	}
}
