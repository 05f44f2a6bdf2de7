package control_test

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// requestKinds are the kinds of requests that have room of their own, each with
// a request and how many may be under way.
var requestKinds = []struct {
	name, method, path string
	limit              int
}{
	{"streams", http.MethodGet, "/v1/events", 32},
	{"calls", http.MethodPost, "/v1/reconnect", 16},
	{"looks", http.MethodGet, "/v1/status", 16},
	{"health", http.MethodGet, "/livez", 16},
	{"metrics", http.MethodGet, "/metrics", 8},
	{"close", http.MethodPost, "/v1/close", 8}, // last: it ends the client
}

// Whatever fills its room, by readers that stand still, every other kind is
// answered; the kind itself is again when one of them has gone.
func TestControlKindsDoNotStarveEachOther(t *testing.T) {
	for _, full := range requestKinds[:len(requestKinds)-1] {
		t.Run(full.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				c := registeredOverNoSec(w)
				release := fill(c, full.method, full.path, full.limit)
				release(1)
				answered(c, full.method, full.path, http.StatusOK)
				refill := fill(c, full.method, full.path, 1)
				for _, kind := range requestKinds {
					if kind.name != full.name {
						answered(c, kind.method, kind.path, http.StatusOK)
					}
				}
				release(full.limit - 1)
				refill(1)
				_ = c.Close(context.Background()) // the API has done it
				synctest.Wait()
			})
		})
	}
}

// Those who close and do not read the answer leave room for health, and for
// another close once they have gone.
func TestControlClosesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		release := fill(c, http.MethodPost, "/v1/close", 8)
		for _, path := range []string{"/readyz", "/metrics", "/v1/status", "/v1/events"} {
			if s := c.Ask(http.MethodGet, path); strings.Contains(s.Body.String(), "too many") {
				t.Errorf("%s: %d %s", path, s.Code, s.Body)
			}
		}
		_ = c.Close(context.Background()) // the API has begun it
		release(8)
		answered(c, http.MethodPost, "/v1/close", http.StatusOK)
	})
}

// fill makes as many requests as there is room for and reads no answer. One
// more is refused. The function lets some of them go.
func fill(r *systemtest.Client, method, path string, limit int) (release func(n int)) {
	r.T.Helper()
	readers := make([]*stream, limit)
	for i := range readers {
		readers[i] = stalled(r, method, path)
	}
	synctest.Wait()
	recorder := r.Ask(method, path)
	if detail, _ := systemtest.Object(r.T, recorder)["detail"].(string); recorder.Code != http.StatusServiceUnavailable || !strings.Contains(detail, "too many") {
		r.T.Errorf("%s %s above the limit: %d, %s", method, path, recorder.Code, recorder.Body)
	}
	return func(n int) {
		for _, s := range readers[:n] {
			s.cancel()
			close(s.ended)
		}
		readers = readers[n:]
		synctest.Wait()
	}
}

// answered demands an answer to a request, whose reader goes away once it has
// begun.
func answered(r *systemtest.Client, method, path string, status int) {
	r.T.Helper()
	s := stalled(r, method, path)
	first := <-s.pieces
	if got := cmp.Or(s.status, http.StatusOK); got != status {
		r.T.Errorf("%s %s: %d %q", method, path, got, first)
	}
	s.cancel()
	close(s.ended)
	synctest.Wait()
}

// Beyond the bound of connections, the one that has waited longest makes way at
// once, be it idle, new, or in the middle of a header or a body. One that has a
// request under way stays.
func TestControlDoorMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		c.API().ServeOn(l)
		streams := l.dial("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if line, err := bufio.NewReader(streams).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q, %v", line, err)
		}
		idle := l.dial("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
			t.Fatal(err)
		}
		half := l.dial("GET /livez HTTP/1.1\r\nHost: loc")
		body := l.dial("POST /v1/close HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
		silent := l.dial("")
		began := time.Now()
		for range control.MaxConns - 5 {
			l.dial("")
		}
		for i, victim := range []net.Conn{idle, half, body, silent} {
			l.dial("")
			if rest, err := io.ReadAll(victim); err != nil || time.Since(began) != 0 {
				t.Errorf("connection %d: %q, %v after %v", i, rest, err, time.Since(began))
			}
		}
		late := l.dial("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if answer, err := http.ReadResponse(bufio.NewReader(late), nil); err != nil || answer.StatusCode != http.StatusOK || time.Since(began) != 0 {
			t.Errorf("%v, %v after %v", answer, err, time.Since(began))
		}
		if c.State() != holdfast.Registered {
			t.Errorf("the client is %s", c.State())
		}
		if _, err := streams.Write([]byte(" ")); err != nil {
			t.Errorf("the stream was closed: %v", err)
		}
		l.hangUp()
		c.ExpectClose(nil)
	})
}

// pipeListener is a listener in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	dialed []net.Conn
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { close(l.closed); return nil }

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// dial connects, sends the text and waits until it has taken effect.
func (l *pipeListener) dial(text string) net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	if text != "" {
		_, _ = io.WriteString(near, text)
	}
	synctest.Wait()
	l.dialed = append(l.dialed, near)
	return near
}

func (l *pipeListener) hangUp() {
	for _, c := range l.dialed {
		_ = c.Close()
	}
	synctest.Wait()
}

// On real sockets: as many streams as there may be, hundreds of connections
// that are silent, unread, stuck in a header or in the body of a close, and
// every kind of request is answered on a connection of its own.
func TestControlAnswersThroughACrowd(t *testing.T) {
	for _, listen := range []string{"unix:" + filepath.Join(t.TempDir(), "c.sock"), "127.0.0.1:0"} {
		_, api, err := realClient(t, listen)
		if err != nil {
			t.Fatal(err)
		}
		addr := api.Addr()
		browser := dialling(t, addr)
		for range 32 {
			response, err := browser.Get("http://localhost/v1/events")
			if err != nil || response.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", response, err)
			}
			t.Cleanup(func() { _ = response.Body.Close() })
		}
		for _, text := range []string{
			"", "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /metrics HTTP/1.1\r\nHo",
			"POST /v1/close HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
		} {
			crowd(t, addr, text)
		}
		for i, want := range []int{http.StatusServiceUnavailable, http.StatusOK, http.StatusOK, http.StatusOK, http.StatusOK, http.StatusOK} {
			kind := requestKinds[i]
			if got := statusOf(t, addr, kind.method, kind.path); got != want {
				t.Errorf("%s: %s %s: %d", addr, kind.method, kind.path, got)
			}
		}
	}
}

// crowd opens a hundred connections that send a text and read nothing. Some of
// them are closed to make way for others.
func crowd(t *testing.T, addr, text string) {
	t.Helper()
	network, target := "tcp", addr
	if path, unix := strings.CutPrefix(addr, "unix:"); unix {
		network, target = "unix", path
	}
	for range 100 {
		conn, err := net.Dial(network, target)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, text)
	}
}

// statusOf makes a request on a connection of its own.
func statusOf(t *testing.T, addr, method, path string) int {
	t.Helper()
	request, err := http.NewRequest(method, "http://localhost"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	browser := dialling(t, addr)
	response, err := browser.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	_ = response.Body.Close() // unread: it may have no end
	return response.StatusCode
}
