package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	// killSize is the size of the images, in bytes: no multiple of a block.
	killSize = 200_000
	// killPace is how long the servers of images take for a kilobyte.
	killPace = time.Millisecond
)

// moments lets somebody wait until something happens that others see.
type moments struct {
	mu      sync.Mutex
	awaited string
	came    chan struct{}
}

// await returns what is closed when that moment comes. There is one who waits at a time.
func (m *moments) await(moment string) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.awaited, m.came = moment, make(chan struct{})
	return m.came
}

// pass says that a moment has come.
func (m *moments) pass(moment string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.awaited == moment {
		m.awaited = ""
		close(m.came)
	}
}

// images are what the gateway can fetch, by CoAP and by HTTP.
type images struct {
	moments  *moments
	coap     *lwm2mtest.Server
	webAddr  string
	linkAddr string

	mu    sync.Mutex
	files map[string]lwm2mtest.Pattern
	// starts are where fetching began by HTTP, by name.
	starts map[string][]int64
}

// serveImages serves images on a port for CoAP, besides the one of the management server, and
// on another for HTTP.
func serveImages(t *testing.T, server *lwm2mtest.Server, m *moments) *images {
	t.Helper()
	i := &images{moments: m, coap: server, files: map[string]lwm2mtest.Pattern{}, starts: map[string][]int64{}}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.ServeFiles(pc, lwm2mtest.NoSec())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: i}
	go func() { _ = web.Serve(l) }() // it ends with Close
	t.Cleanup(func() { _ = web.Close() })
	i.linkAddr, i.webAddr = pc.LocalAddr().String(), l.Addr().String()
	return i
}

// add serves one more image.
func (i *images) add(name string, content lwm2mtest.Pattern) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.files[name] = content
	i.coap.SetFile(name, lwm2mtest.File{Content: noticed{content, i.moments}, Size: killSize})
	i.coap.SpoilFile(name, -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Delay: killPace}})
}

// startsOf returns where fetching an image has begun, each time, over whatever link.
func (i *images) startsOf(name string) []int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append(i.coap.FetchStarts(name), i.starts[name]...)
}

// ServeHTTP serves an image, slowly.
func (i *images) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	from, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	offset, _ := strconv.ParseInt(from, 10, 64) // 0 without a Range
	i.mu.Lock()
	content, found := i.files[name]
	i.starts[name] = append(i.starts[name], offset)
	i.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", strconv.Quote(name))
	http.ServeContent(w, r, "", time.Time{}, slow{io.NewSectionReader(noticed{content, i.moments}, 0, killSize), r})
}

// noticed is an image that says how far it has been read.
type noticed struct {
	lwm2mtest.Pattern
	moments *moments
}

// ReadAt implements io.ReaderAt.
func (n noticed) ReadAt(buf []byte, offset int64) (int, error) {
	n.moments.pass(quarter(offset * 4 / killSize))
	return n.Pattern.ReadAt(buf, offset)
}

// quarter is the moment at which a quarter of an image begins to be fetched, from 0.
func quarter(n int64) string { return "quarter " + strconv.FormatInt(n, 10) }

// slow gives an image out at the pace of the servers.
type slow struct {
	io.ReadSeeker
	request *http.Request
}

// Read implements io.Reader.
func (s slow) Read(buf []byte) (int, error) {
	select {
	case <-time.After(4 * killPace):
	case <-s.request.Context().Done():
		return 0, s.request.Context().Err()
	}
	return s.ReadSeeker.Read(buf[:min(len(buf), 4096)])
}
