package behaviour

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// handler is an answer of a web server that is made by hand, of the whole image and the first byte
// that is asked for.
func handler(answer func(w http.ResponseWriter, whole []byte, from int)) systemtest.WebFault {
	whole := make([]byte, imageSize)
	_, _ = image.ReadAt(whole, 0) // does not fail
	return systemtest.WebFault{Handler: func(w http.ResponseWriter, r *http.Request) {
		var from int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from) // else it is 0
		answer(w, whole, from)
	}}
}

// part answers with a range, and says something of it that may not be so.
func part(w http.ResponseWriter, says string, content []byte) {
	w.Header().Set("Content-Range", says)
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(content) // the connection may be gone
}

// Whatever a web server answers once, to the first request or to the one for the rest: the image
// that is installed in the end is the one that it has.
func TestFirmwareOfAnOddWebServer(t *testing.T) {
	breaks := systemtest.WebFault{After: 70_000, End: systemtest.WebReset}
	for name, faults := range map[string][]systemtest.WebFault{
		"request timeout": {{Status: http.StatusRequestTimeout}},
		"too early":       {{Status: http.StatusTooEarly}},
		"compressed": {handler(func(w http.ResponseWriter, whole []byte, _ int) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(whole)
			_ = z.Close()
		})},
		"chunks": {handler(func(w http.ResponseWriter, whole []byte, _ int) {
			for ; len(whole) > 0; whole = whole[1000:] {
				_, _ = w.Write(whole[:1000])
				w.(http.Flusher).Flush()
			}
		})},
		"chunks that break": {handler(func(w http.ResponseWriter, whole []byte, _ int) {
			_, _ = w.Write(whole[:50_000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})},
		"a part unasked":  {handler(func(w http.ResponseWriter, whole []byte, _ int) { part(w, "bytes 0-99999/100000", whole) })},
		"the whole of it": {breaks, {WholeFile: true}},
		"another part": {breaks, handler(func(w http.ResponseWriter, whole []byte, _ int) {
			part(w, "bytes 60000-99999/100000", whole[60_000:])
		})},
		"another part that says it is the one": {breaks, handler(func(w http.ResponseWriter, whole []byte, from int) {
			part(w, fmt.Sprintf("bytes %d-99999/100000", from), whole[60_000:])
		})},
		"another size": {breaks, handler(func(w http.ResponseWriter, whole []byte, from int) {
			part(w, fmt.Sprintf("bytes %d-99999/200000", from), whole[from:])
		})},
		"a part of the part": {breaks, handler(func(w http.ResponseWriter, whole []byte, from int) {
			part(w, fmt.Sprintf("bytes %d-%d/100000", from, from+999), whole[from:from+1000])
		})},
		"not found while it restarts": {breaks, {Status: http.StatusNotFound}, {Status: http.StatusForbidden}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withWeb(t, func(w *firmwareWorld, web *systemtest.HTTP, _ *systemtest.Client) {
				for _, fault := range faults {
					web.Spoil("/image", 1, fault)
				}
				w.write("/5/0/1", text(webURI), lwm2m.CodeChanged)
				time.Sleep(time.Hour)
				w.installs(image, imageSize)
			})
		})
	}
}

// A web server of which no attempt gets anything more ends the update after a day, which says why;
// until then it is asked ever less often.
func TestFirmwareOfAUselessWebServer(t *testing.T) {
	untagged := image.File(imageSize)
	untagged.WithoutETag = true
	for name, test := range map[string]struct {
		fault systemtest.WebFault
		why   string
	}{
		"broken half way": {systemtest.WebFault{After: 50_000, End: systemtest.WebReset}, "connection reset"},
		"compressed": {handler(func(w http.ResponseWriter, _ []byte, _ int) {
			w.Header().Set("Content-Encoding", "gzip")
		}), "is compressed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withWeb(t, func(w *firmwareWorld, web *systemtest.HTTP, c *systemtest.Client) {
				web.SetFile("/image", untagged)
				web.Spoil("/image", -1, test.fault)
				w.write("/5/0/1", text(webURI), lwm2m.CodeChanged)
				time.Sleep(23 * time.Hour)
				w.wantState(1, 0)
				time.Sleep(2 * time.Hour)
				w.wantState(0, 4)
				if n := len(web.Requests()); n < 10 || n > 100 {
					t.Errorf("it was asked %d times in a day", n)
				}
				if why := c.Status().Firmware.Detail; !strings.Contains(why, test.why) {
					t.Errorf("it says %q, want %q", why, test.why)
				}
			})
		})
	}
}

// A CoAP server whose image is never the same one from its beginning to its end is no better.
func TestFirmwareOfAServerWhoseImageNeverStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{From: 50_000, ETag: []byte{}})
		c := w.Start(w.config())
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.PathState, firmware.PathResult)
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		time.Sleep(25 * time.Hour)
		w.wantValues(firmware.PathState, 0, 1, 0)
		w.wantValues(firmware.PathResult, 0, 4)
		if n := w.Server.FetchCount("image"); n > 5000 {
			t.Errorf("%d blocks were fetched in a day, of an image that has 98", n)
		}
		c.ExpectClose(nil)
	})
}
