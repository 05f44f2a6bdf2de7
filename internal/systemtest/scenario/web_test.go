package scenario

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	webName = "web" // of the host of the web server, which is web.test
	webAddr = "192.0.2.4"
)

// changeWeb is about the web server, and the image that it has.
func (s *stage) changeWeb(c *command) {
	if s.web == nil {
		s.web = systemtest.NewHTTP(s.t, nil)
		s.network.SetDNS(webName+".test", netip.MustParseAddr(webAddr))
	}
	f := systemtest.WebFault{After: int64(c.number("after", 0))}
	switch what := c.word(); what {
	case "image":
		s.web.SetFile(imageName, lwm2mtest.Pattern(c.number("seed", 1)).File(int64(c.number("size", 3000))))
		return
	case "breaks":
		f.End = systemtest.WebReset
	case "closes":
		f.End = systemtest.WebClose
	case "stalls":
		f.End = systemtest.WebStall
	case "answers":
		f.Status = c.number("status", http.StatusInternalServerError)
	default:
		c.fatalf("there is no such fault")
	}
	s.web.Spoil(imageName, c.number("times", 1), f)
}

// dialWeb opens a connection to the web server. What is sent over it is under way for a while,
// as datagrams are.
func (s *stage) dialWeb(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	if s.web == nil || remote.Addr() != netip.MustParseAddr(webAddr) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	time.Sleep(2 * latency)
	conn, err := s.web.DialAddr(ctx, remote)
	if err != nil {
		return nil, err
	}
	return &webConn{Conn: conn, narrator: s.narrator, life: s.living.Load(), stage: s}, nil
}

// webConn narrates what goes over a connection to the web server: the requests, and how each
// response begins and the connection breaks.
type webConn struct {
	net.Conn
	narrator *narrator
	stage    *stage
	life     int64       // the process that it is of
	answered atomic.Bool // a response has begun
}

// say adds a line, unless the process has been killed meanwhile.
func (w *webConn) say(r rank, actor, text string) {
	if w.stage.living.Load() == w.life {
		w.narrator.say(time.Now(), r, actor, text)
	}
}

// Write implements net.Conn.
func (w *webConn) Write(p []byte) (int, error) {
	if r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p))); err == nil {
		text := r.Method + " " + r.URL.Path
		for _, name := range []string{"Range", "If-Match", "If-Range"} {
			if v := r.Header.Get(name); v != "" {
				text += " " + name + ": " + v
			}
		}
		w.say(rankClient, clientName+" -> "+webName, text)
	}
	time.Sleep(latency)
	return w.Conn.Write(p)
}

// Read implements net.Conn.
func (w *webConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if r, wrong := http.ReadResponse(bufio.NewReader(bytes.NewReader(p[:n])), nil); n > 0 && wrong == nil && !w.answered.Swap(true) {
		text := strconv.Itoa(r.StatusCode) + " " + http.StatusText(r.StatusCode)
		if v := r.Header.Get("Content-Range"); v != "" {
			text += ", " + v
		} else if r.ContentLength > 0 {
			text += fmt.Sprintf(", %d bytes", r.ContentLength)
		}
		w.say(rankReply, webName+" -> "+clientName, text)
	}
	if err != nil {
		w.say(rankReply, webName+" -> "+clientName, "the connection ends: "+err.Error())
	}
	time.Sleep(latency)
	return n, err
}
