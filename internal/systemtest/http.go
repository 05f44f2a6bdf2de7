package systemtest

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// HTTP is a web server that has images. It listens in memory, for clients that dial by
// [HTTP.Dial], and so works in a bubble; [HTTP.Listen] opens a real port besides.
type HTTP struct {
	T *testing.T

	server   *http.Server
	listener *memoryListener
	security *tls.Config
	closing  chan struct{}
	serving  sync.WaitGroup

	mu       sync.Mutex
	files    map[string]webFile
	versions byte
	faults   []*webFault
	requests []WebRequest
	conns    map[net.Conn]struct{}
	refusal  error
}

// webFile is a file with its entity tag.
type webFile struct {
	lwm2mtest.File
	tag string // quoted; empty for none
}

// WebRequest is a request that the server has got.
type WebRequest struct {
	Time   time.Time
	Method string
	Path   string
	Header http.Header
}

// WebFault is how the server treats a request instead of just answering it. The zero value is
// good behaviour.
type WebFault struct {
	// Status is answered in place of the file, unless it is 0, with Header.
	Status int
	// Header is added to the answer: Retry-After, Location and so on. A nil value
	// takes a field out.
	Header http.Header
	// Replace is served from now on.
	Replace *lwm2mtest.File
	// WholeFile ignores Range and all conditions.
	WholeFile bool
	// Endless is a body without an end, and without Content-Length.
	Endless bool
	// After is the number of bytes of the body after which End happens.
	After int64
	End   WebEnd
	// Silent answers nothing at all.
	Silent bool
	// Handler answers in place of all this.
	Handler http.HandlerFunc
}

// WebEnd is how a body ends before its time.
type WebEnd uint8

// The ends.
const (
	WebWhole WebEnd = iota // it does not
	WebReset               // the connection is reset
	WebClose               // it is closed in good order
	WebStall               // nothing more comes
)

// webFault is a fault that waits for its requests.
type webFault struct {
	path string
	left int // negative: for ever
	WebFault
}

// NewHTTP starts a server, over TLS when security is not nil. The caller closes it, in the
// same bubble.
func NewHTTP(t *testing.T, security *tls.Config) *HTTP {
	t.Helper()
	h := &HTTP{
		T: t, listener: newMemoryListener(), security: security, closing: make(chan struct{}),
		files: make(map[string]webFile), conns: make(map[net.Conn]struct{}),
	}
	h.server = &http.Server{Handler: h, ConnState: h.track, ErrorLog: log.New(io.Discard, "", 0)}
	h.serve(h.listener)
	return h
}

func (h *HTTP) serve(l net.Listener) {
	if h.security != nil {
		l = tls.NewListener(l, h.security)
	}
	h.serving.Go(func() { _ = h.server.Serve(l) }) // it ends with Close
}

// Close ends the server and its connections.
func (h *HTTP) Close() {
	h.T.Helper()
	close(h.closing)
	if err := h.server.Close(); err != nil {
		h.T.Error(err)
	}
	h.serving.Wait()
}

// Listen serves on a port of loopback besides, and returns its address, host:port.
func (h *HTTP) Listen() string {
	h.T.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		h.T.Fatal(err)
	}
	h.serve(l)
	return l.Addr().String()
}

// Dial connects to the server, whatever the address is. It is an
// [http.Transport.DialContext].
func (h *HTTP) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	h.mu.Lock()
	refusal := h.refusal
	h.mu.Unlock()
	if refusal != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: refusal}
	}
	return h.listener.dial(ctx, address)
}

// DialAddr is Dial for an address that was resolved.
func (h *HTTP) DialAddr(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	return h.Dial(ctx, "tcp", remote.String())
}

// Refuse makes Dial fail with an errno, ECONNREFUSED say, until it is told nil.
func (h *HTTP) Refuse(errno error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusal = errno
}

// Reset resets all connections that there are.
func (h *HTTP) Reset() {
	h.mu.Lock()
	conns := h.conns
	h.conns = make(map[net.Conn]struct{})
	h.mu.Unlock()
	for c := range conns {
		reset(c)
	}
}

// track keeps the connections for Reset.
func (h *HTTP) track(c net.Conn, state http.ConnState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch state {
	case http.StateNew:
		h.conns[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(h.conns, c)
	}
}

// SetFile serves a file in place of what was served at a path before. Its Size2 is not used.
func (h *HTTP) SetFile(path string, f lwm2mtest.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.setFile(path, f)
}

// setFile runs with the lock held.
func (h *HTTP) setFile(path string, f lwm2mtest.File) {
	h.versions++
	w := webFile{File: f, tag: `"` + hex.EncodeToString(append(f.ETag, h.versions)) + `"`}
	switch {
	case f.WithoutETag:
		w.tag = ""
	case f.ETag != nil:
		w.tag = `"` + hex.EncodeToString(f.ETag) + `"`
	}
	h.files[path] = w
}

// RemoveFile takes a file away: 404.
func (h *HTTP) RemoveFile(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.files, path)
}

// Spoil makes the server treat the next n requests for a path in that way; a negative n means
// until Mend. Faults queue: each request takes the first one for its path.
func (h *HTTP) Spoil(path string, n int, f WebFault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n != 0 {
		h.faults = append(h.faults, &webFault{path: path, left: n, WebFault: f})
	}
}

// Mend forgets what Spoil was told. What is under way goes on as it is.
func (h *HTTP) Mend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// Requests returns what was asked for so far, oldest first.
func (h *HTTP) Requests() []WebRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// Ranges returns the Range of each request for a path, empty for none.
func (h *HTTP) Ranges(path string) (ranges []string) {
	for _, r := range h.Requests() {
		if r.Path == path {
			ranges = append(ranges, r.Header.Get("Range"))
		}
	}
	return ranges
}

// take notes a request, and returns what is done with it.
func (h *HTTP) take(r *http.Request) (file webFile, found bool, f WebFault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, WebRequest{time.Now(), r.Method, r.URL.Path, r.Header.Clone()})
	i := slices.IndexFunc(h.faults, func(f *webFault) bool { return f.path == r.URL.Path })
	if i >= 0 {
		f = h.faults[i].WebFault
		if h.faults[i].left--; h.faults[i].left == 0 {
			h.faults = slices.Delete(h.faults, i, i+1)
		}
	}
	if f.Replace != nil {
		h.setFile(r.URL.Path, *f.Replace)
	}
	file, found = h.files[r.URL.Path]
	return file, found, f
}
