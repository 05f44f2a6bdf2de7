package download

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// here allows the servers of tests, which are local.
var here = Policy{Hosts: []string{"127.0.0.1", "host.example"}, MaxSize: 1 << 20}

func locate(t *testing.T, raw string) Location {
	t.Helper()
	l, err := here.Parse(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return l
}

// all reads an image to its end, in parts of a size.
func all(b *Body, part int) ([]byte, error) {
	var whole []byte
	for p := make([]byte, part); ; {
		n, err := b.Next(p)
		if whole = append(whole, p[:n]...); err != nil {
			return whole, err
		}
	}
}

// get opens an image and reads all of it.
func get(t *testing.T, c *Client, raw string, f Fetch) (*Body, []byte, error) {
	t.Helper()
	b, err := c.Open(t.Context(), locate(t, raw), f)
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	image, err := all(b, 4096)
	return b, image, err
}

func pattern(n int) []byte {
	image := make([]byte, n)
	for i := range image {
		image[i] = byte(i ^ i>>8)
	}
	return image
}

// fileServer serves an image as web servers serve files.
func fileServer(t *testing.T, image []byte, etag string, modified time.Time) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		http.ServeContent(w, r, "image.bin", modified, bytes.NewReader(image))
	}))
	t.Cleanup(server.Close)
	return server
}

func TestAWholeImage(t *testing.T) {
	image := pattern(100_000)
	server := fileServer(t, image, `"v1"`, time.Time{})
	b, got, err := get(t, &Client{Policy: here}, server.URL+"/a%2Fb?c=%20", Fetch{})
	if !errors.Is(err, io.EOF) || !bytes.Equal(got, image) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if b.From != 0 || b.Total != int64(len(image)) || b.Validator != `"v1"` {
		t.Errorf("%+v", b)
	}
	if n, err := b.Next(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d %v", n, err)
	}
}

// What is there is not asked for again, as long as the image is the same.
func TestTheRestOfAnImage(t *testing.T) {
	image := pattern(50_000)
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	date := modified.Format(http.TimeFormat)
	for _, test := range []struct {
		etag            string
		modified        time.Time
		validator, want string
	}{
		{`"v1"`, modified, `"v1"`, `"v1"`},
		{`"v1"`, time.Time{}, "", `"v1"`},
		{"", modified, date, date},
		{`W/"v1"`, modified, date, date},
		{"", time.Time{}, "", ""},
	} {
		server := fileServer(t, image, test.etag, test.modified)
		b, got, err := get(t, &Client{Policy: here}, server.URL, Fetch{From: 30_000, Validator: test.validator, Size: 50_000})
		if !errors.Is(err, io.EOF) || !bytes.Equal(got, image[30_000:]) {
			t.Errorf("%+v: %d bytes, %v", test, len(got), err)
			continue
		}
		if b.From != 30_000 || b.Total != 50_000 || b.Validator != test.want {
			t.Errorf("%+v: from %d of %d, %s", test, b.From, b.Total, b.Validator)
		}
	}
}

func TestAnImageThatHasChanged(t *testing.T) {
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	date := modified.Add(-time.Hour).Format(http.TimeFormat)
	for _, test := range []struct {
		etag string
		f    Fetch
	}{
		{`"v2"`, Fetch{From: 10, Validator: `"v1"`}},
		{"", Fetch{From: 10, Validator: date}},
		{"", Fetch{From: 10, Validator: `"v1"`}}, // the server has no tags any more
		{`"v1"`, Fetch{From: 10, Validator: `"v1"`, Size: 1001}},
	} {
		server := fileServer(t, pattern(1000), test.etag, modified)
		_, _, err := get(t, &Client{Policy: here}, server.URL, test.f)
		if !is[*ChangedError](err) {
			t.Errorf("%q %+v: %v", test.etag, test.f, err)
		}
	}
}

// A server that has no bytes where the image is to go on says how many there are.
func TestNothingIsLeft(t *testing.T) {
	server := fileServer(t, pattern(1000), `"v1"`, time.Time{})
	_, _, err := get(t, &Client{Policy: here}, server.URL, Fetch{From: 1000, Validator: `"v1"`})
	var e *RangeError
	if !errors.As(err, &e) || e.Size != 1000 {
		t.Error(err)
	}
}

// answer serves the same response to every request.
func answer(t *testing.T, status int, header map[string]string, body string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server
}

// A server that does not do ranges begins anew, and says so.
func TestAServerWithoutRanges(t *testing.T) {
	server := answer(t, 200, map[string]string{"ETag": `"v1"`}, "whole image")
	b, got, err := get(t, &Client{Policy: here}, server.URL, Fetch{From: 6, Validator: `"v1"`})
	if !errors.Is(err, io.EOF) || string(got) != "whole image" || b.From != 0 {
		t.Errorf("%q %v, %+v", got, err, b)
	}
}

func TestWhatIsAsked(t *testing.T) {
	asked := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Format(http.TimeFormat)
	for _, test := range []struct {
		f    Fetch
		want map[string]string
	}{
		{Fetch{Validator: `"v1"`}, map[string]string{"Range": "", "If-Match": ""}},
		{Fetch{From: 5, Validator: `"v1"`}, map[string]string{"Range": "bytes=5-", "If-Match": `"v1"`, "If-Unmodified-Since": ""}},
		{Fetch{From: 5, Validator: date}, map[string]string{"Range": "bytes=5-", "If-Match": "", "If-Unmodified-Since": date}},
		{Fetch{From: 5}, map[string]string{"Range": "bytes=5-", "If-Match": "", "If-Unmodified-Since": ""}},
		{Fetch{From: 5, Validator: "\"v\"\r\nX: y"}, map[string]string{"If-Match": "", "X": ""}},
		{Fetch{From: 5, Validator: `W/"v1"`}, map[string]string{"If-Match": ""}},
	} {
		_, _, err := get(t, &Client{Policy: here}, server.URL+"/a//b?x=%2f", test.f)
		if e := new(StatusError); !errors.As(err, &e) || !e.NotFound() {
			t.Fatal(err)
		}
		r := <-asked
		test.want["Accept-Encoding"], test.want["Cookie"], test.want["User-Agent"] = "identity", "", "holdfast"
		for name, want := range test.want {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%+v: %s is %q, want %q", test.f, name, got, want)
			}
		}
		if r.RequestURI != "/a//b?x=%2f" || "http://"+r.Host != server.URL || !r.Close || r.Method != http.MethodGet {
			t.Errorf("%s %s %s", r.Method, r.Host, r.RequestURI)
		}
	}
}

// The environment does not decide where an image comes from.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	server := answer(t, 200, nil, "image")
	c := &Client{Policy: Policy{Hosts: []string{"host.example"}}, Resolve: resolvesTo("127.0.0.1")}
	raw := strings.Replace(server.URL, "127.0.0.1", "host.example", 1)
	if _, got, err := get(t, c, raw, Fetch{}); string(got) != "image" || !errors.Is(err, io.EOF) {
		t.Errorf("%q %v", got, err)
	}
}

func TestStatuses(t *testing.T) {
	date := func(after time.Duration) string {
		return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(after).Format(http.TimeFormat)
	}
	for _, test := range []struct {
		status     int
		retryAfter string
		want       StatusError
	}{
		{404, "", StatusError{Status: 404}},
		{410, "9", StatusError{Status: 410}},
		{401, "", StatusError{Status: 401}},
		{500, "9", StatusError{Status: 500}},
		{429, "", StatusError{429, time.Minute}},
		{503, "120", StatusError{503, 2 * time.Minute}},
		{503, "0", StatusError{503, time.Second}},
		{429, "99999999999999999999999", StatusError{429, 7 * 24 * time.Hour}},
		{429, "604801", StatusError{429, 7 * 24 * time.Hour}},
		{429, "-5", StatusError{429, time.Minute}},
		{429, "soon", StatusError{429, time.Minute}},
		{503, date(90 * time.Second), StatusError{503, 90 * time.Second}}, // by the server's own clock
		{503, date(-time.Hour), StatusError{503, time.Second}},
		{503, date(1000 * time.Hour), StatusError{503, 7 * 24 * time.Hour}},
	} {
		header := map[string]string{"Date": date(0)}
		if test.retryAfter != "" {
			header["Retry-After"] = test.retryAfter
		}
		_, _, err := get(t, &Client{Policy: here}, answer(t, test.status, header, "").URL, Fetch{})
		var e *StatusError
		if !errors.As(err, &e) || *e != test.want || e.Overloaded() != (test.want.After > 0) {
			t.Errorf("%d with %q: %v, want %v", test.status, test.retryAfter, err, &test.want)
		}
	}
}

// Nothing of an image that is too large is read, and nothing beyond the limit of one that
// does not say how large it is.
func TestImagesThatAreTooLarge(t *testing.T) {
	c := &Client{Policy: Policy{Hosts: here.Hosts, MaxSize: 1000}}
	if _, err := c.Open(t.Context(), locate(t, fileServer(t, pattern(1001), "", time.Time{}).URL), Fetch{}); !is[*SizeError](err) {
		t.Error(err)
	}
	if _, got, err := get(t, c, fileServer(t, pattern(1000), "", time.Time{}).URL, Fetch{}); len(got) != 1000 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for part := pattern(100); ; {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	if _, got, err := get(t, c, endless.URL, Fetch{}); len(got) != 1000 || !is[*SizeError](err) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, got, err := get(t, c, endless.URL, Fetch{From: 5, Size: 500}); len(got) != 500 || !is[*ChangedError](err) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// An image that comes in chunks has an end of its own, and an unknown size.
func TestChunks(t *testing.T) {
	image := pattern(10_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for part := range 10 {
			_, _ = w.Write(image[part*1000 : part*1000+1000])
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer server.Close()
	for _, size := range []int64{0, 9_000, 10_000, 10_001} { // what was expected does not change it
		b, got, err := get(t, &Client{Policy: here}, server.URL, Fetch{Size: size})
		if !bytes.Equal(got, image) || !errors.Is(err, io.EOF) || b.Total != 0 {
			t.Errorf("size %d: %d bytes of %d, %v", size, len(got), b.Total, err)
		}
	}
}

func TestOneAtATime(t *testing.T) {
	server := fileServer(t, pattern(10_000), "", time.Time{})
	b, err := (&Client{Policy: here}).Open(t.Context(), locate(t, server.URL), Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := b.Next(make([]byte, 7000)); n != 7000 || err != nil {
		t.Errorf("a part of %d bytes, %v", n, err)
	}
	if n, err := b.Next(make([]byte, 7000)); n != 3000 || err != nil {
		t.Errorf("the last part has %d bytes, %v", n, err)
	}
	b.Close()
	b.Close()
}

func TestCloseAndCancel(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(10))
		_, _ = io.WriteString(w, "abc")
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	for name, stop := range map[string]func(b *Body, cancel func()){
		"close":  func(b *Body, _ func()) { b.Close() },
		"cancel": func(_ *Body, cancel func()) { cancel() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b, err := (&Client{Policy: here}).Open(ctx, locate(t, server.URL), Fetch{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := b.Next(make([]byte, 3)); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		go stop(b, cancel)
		if n, err := b.Next(make([]byte, 3)); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %d %v", name, n, err)
		}
	}
}
