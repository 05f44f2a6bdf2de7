package systemtest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const imageSize = 10000

// webBubble runs a test against a server of an image, with a client of it.
func webBubble(t *testing.T, test func(t *testing.T, h *HTTP, get func(header ...string) (*http.Response, error))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := NewHTTP(t, nil)
		h.SetFile("/fw", lwm2mtest.Pattern(1).File(imageSize))
		transport := &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}
		test(t, h, func(header ...string) (*http.Response, error) {
			return get(t, transport, "http://images.test/fw", header...)
		})
		transport.CloseIdleConnections()
		h.Close()
	})
}

// get asks for a resource, with header fields in pairs.
func get(t *testing.T, transport http.RoundTripper, url string, header ...string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return transport.RoundTrip(r)
}

// expectBody demands the bytes of the image from one to another, and how they end.
func expectBody(t *testing.T, r *http.Response, err error, status int, p lwm2mtest.Pattern, from, to int, end error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	want := make([]byte, to-from)
	_, _ = p.ReadAt(want, int64(from))
	if r.StatusCode != status || !bytes.Equal(got, want) || !IsError(err, end) {
		t.Errorf("%s with %d bytes, %v; want %d with bytes %d to %d, %v", r.Status, len(got), err, status, from, to, end)
	}
}

func TestHTTPServesFilesAndRanges(t *testing.T) {
	webBubble(t, func(t *testing.T, h *HTTP, get func(...string) (*http.Response, error)) {
		r, err := get()
		expectBody(t, r, err, http.StatusOK, 1, 0, imageSize, nil)
		tag := r.Header.Get("ETag")
		r, err = get("Range", "bytes=9000-", "If-Match", tag)
		expectBody(t, r, err, http.StatusPartialContent, 1, 9000, imageSize, nil)
		h.SetFile("/fw", lwm2mtest.Pattern(2).File(imageSize))
		r, err = get("Range", "bytes=9000-", "If-Match", tag)
		expectBody(t, r, err, http.StatusPreconditionFailed, 1, 0, 0, nil)
		h.RemoveFile("/fw")
		if r, err = get(); err != nil || r.StatusCode != http.StatusNotFound {
			t.Errorf("%v, %v", r, err)
		}
		if got := h.Ranges("/fw"); !slices.Equal(got, []string{"", "bytes=9000-", "bytes=9000-", ""}) {
			t.Errorf("ranges %q", got)
		}
	})
}

func TestHTTPEndsBodies(t *testing.T) {
	for end, want := range map[WebEnd]error{WebReset: syscall.ECONNRESET, WebClose: io.ErrUnexpectedEOF} {
		webBubble(t, func(t *testing.T, h *HTTP, get func(...string) (*http.Response, error)) {
			h.Spoil("/fw", 1, WebFault{After: 5001, End: end})
			r, err := get()
			expectBody(t, r, err, http.StatusOK, 1, 0, 5001, want)
			r, err = get("Range", "bytes=5001-")
			expectBody(t, r, err, http.StatusPartialContent, 1, 5001, imageSize, nil)
		})
	}
}

func TestHTTPStalls(t *testing.T) {
	webBubble(t, func(t *testing.T, h *HTTP, get func(...string) (*http.Response, error)) {
		h.Spoil("/fw", 1, WebFault{After: 10, End: WebStall})
		r, err := get()
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Hour, h.Reset)
		began := time.Now()
		expectBody(t, r, err, http.StatusOK, 1, 0, 10, syscall.ECONNRESET)
		if took := time.Since(began); took != time.Hour {
			t.Errorf("the body ended after %v", took)
		}
	})
}

func TestHTTPAnswersOtherwise(t *testing.T) {
	webBubble(t, func(t *testing.T, h *HTTP, get func(...string) (*http.Response, error)) {
		h.Spoil("/fw", 1, WebFault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}}})
		r, err := get()
		if expectBody(t, r, err, http.StatusTooManyRequests, 1, 0, 0, nil); r.Header.Get("Retry-After") != "30" {
			t.Errorf("header %v", r.Header)
		}
		h.Spoil("/fw", 1, WebFault{WholeFile: true, Header: http.Header{"Etag": nil}})
		r, err = get("Range", "bytes=5-", "If-Match", `"x"`)
		if expectBody(t, r, err, http.StatusOK, 1, 0, imageSize, nil); r.Header.Get("ETag") != "" {
			t.Errorf("header %v", r.Header)
		}
		h.Spoil("/fw", 1, WebFault{Replace: new(lwm2mtest.Pattern(2).File(imageSize))})
		r, err = get()
		expectBody(t, r, err, http.StatusOK, 2, 0, imageSize, nil)
		h.Spoil("/fw", -1, WebFault{Endless: true, After: 3 * imageSize, End: WebReset})
		if r, err = get(); err != nil || r.ContentLength >= 0 {
			t.Fatalf("%v, %v", r, err)
		}
		if n, err := io.Copy(io.Discard, r.Body); n != 3*imageSize || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d bytes, %v", n, err)
		}
		h.Mend()
		r, err = get()
		expectBody(t, r, err, http.StatusOK, 2, 0, imageSize, nil)
	})
}

func TestHTTPRefuses(t *testing.T) {
	webBubble(t, func(t *testing.T, h *HTTP, get func(...string) (*http.Response, error)) {
		h.Refuse(syscall.ECONNREFUSED)
		if _, err := get(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v", err)
		}
		h.Refuse(nil)
		h.Spoil("/fw", 1, WebFault{Silent: true})
		time.AfterFunc(time.Hour, h.Reset)
		if _, err := get(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
	})
}

// Over TLS, and on a real port, where the reset is the operating system's.
func TestHTTPSOnAPort(t *testing.T) {
	ca := Authority(t)
	leaf := Issue(t, ca, testpki.Request{Role: testpki.Server, CommonName: "images", DNSNames: []string{"images.test"}})
	h := NewHTTP(t, &tls.Config{Certificates: []tls.Certificate{leaf.TLS()}})
	defer h.Close()
	h.SetFile("/fw", lwm2mtest.Pattern(1).File(imageSize))
	h.Spoil("/fw", 1, WebFault{After: 100, End: WebReset})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "images.test"}}
	defer transport.CloseIdleConnections()
	url := "https://" + h.Listen() + "/fw"
	r, err := get(t, transport, url)
	expectBody(t, r, err, http.StatusOK, 1, 0, 100, syscall.ECONNRESET)
	r, err = get(t, transport, url)
	expectBody(t, r, err, http.StatusOK, 1, 0, imageSize, nil)
	inMemory := transport.Clone()
	inMemory.DialContext = h.Dial
	defer inMemory.CloseIdleConnections()
	r, err = get(t, inMemory, "https://images.test/fw")
	expectBody(t, r, err, http.StatusOK, 1, 0, imageSize, nil)
}
