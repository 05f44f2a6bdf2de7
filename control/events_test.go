package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// stream is the answer to GET /v1/events: a pipe whose reader may stand still.
type stream struct {
	header http.Header
	status int         // valid once there is a piece; 0 is 200
	pieces chan string // every Write; without room
	ended  chan struct{}
	cancel context.CancelFunc
}

func (s *stream) Header() http.Header { return s.header }

func (s *stream) WriteHeader(status int) { s.status = status }

var errReaderGone = errors.New("the reader has gone")

func (s *stream) Write(p []byte) (int, error) {
	select {
	case s.pieces <- string(p):
		return len(p), nil
	case <-s.ended:
		return 0, errReaderGone
	}
}

// listen opens a stream of events.
func listen(r *systemtest.Client) *stream {
	s := stalled(r, http.MethodGet, "/v1/events")
	<-s.pieces // the comment at the beginning: from here on nothing is missed
	return s
}

// stalled makes a request whose answer nobody reads yet.
func stalled(r *systemtest.Client, method, path string) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{header: http.Header{}, pieces: make(chan string), ended: make(chan struct{}), cancel: cancel}
	request := httptest.NewRequest(method, "http://127.0.0.1:1"+path, http.NoBody).WithContext(ctx)
	go func() {
		defer close(s.pieces)
		r.API().ServeHTTP(s, request)
	}()
	return s
}

// event reads one event, or returns the comment that came in its place.
func (s *stream) event(t *testing.T) (e holdfast.Event, comment string) {
	t.Helper()
	piece := <-s.pieces
	if text, found := strings.CutPrefix(piece, ":"); found {
		return e, strings.TrimSpace(text)
	}
	id, data, _ := strings.Cut(strings.TrimSuffix(piece, "\n\n"), "\n")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &e); err != nil {
		t.Fatalf("%q: %v", piece, err)
	}
	if id != "id: "+strconv.FormatUint(e.Seq, 10) {
		t.Errorf("%s is the id of event %d", id, e.Seq)
	}
	return e, ""
}

func TestControlEventsStreamUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		before := c.Status().Events
		s := listen(c)
		if kind := s.header.Get("Content-Type"); kind != "text/event-stream" {
			t.Error(kind)
		}
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e, _ := s.event(t); e.Type != holdfast.EventRegistrationUpdated || e.Seq != before+1 || e.Endpoint != systemtest.Endpoint {
			t.Errorf("%+v", e)
		}
		began := time.Now()
		if _, comment := s.event(t); comment != "" || time.Since(began) > 2*time.Second {
			t.Errorf("%q after %v", comment, time.Since(began))
		}
		go c.ExpectClose(nil)
		var last holdfast.Event
		for {
			e, comment := s.event(t)
			if comment == "the client is closed" {
				break
			}
			last = e
		}
		if last.State != holdfast.Stopped {
			t.Errorf("the last event: %+v", last)
		}
		if _, open := <-s.pieces; open {
			t.Error("the stream goes on")
		}
		synctest.Wait()
	})
}

// A reader that stands still is dropped, told so when it reads on, and never
// holds the client up.
func TestControlEventsDropASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		s := listen(c)
		for range 300 {
			if err := c.RegisterUpdate(context.Background()); err != nil {
				t.Fatal(err)
			}
			c.Next(holdfast.EventRegistrationUpdated)
		}
		received := 0
		for {
			_, comment := s.event(t)
			if strings.HasPrefix(comment, "dropped") {
				break
			}
			if received++; comment == "" && received > 300 {
				t.Fatal("nothing was dropped")
			}
			if received == 100 { // the room that has been made shows the gap
				if err := c.RegisterUpdate(context.Background()); err != nil {
					t.Fatal(err)
				}
				c.Next(holdfast.EventRegistrationUpdated)
			}
		}
		if received < 256 || received > 258 {
			t.Errorf("%d events before the gap", received)
		}
		if _, open := <-s.pieces; open {
			t.Error("the stream goes on")
		}
		c.ExpectClose(nil)
	})
}

// A reader that goes away ends its stream.
func TestControlEventsEndWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		s := listen(c)
		s.cancel()
		if _, open := <-s.pieces; open {
			t.Error("the stream goes on")
		}
		gone := listen(c)
		close(gone.ended) // writes fail from now on
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, open := <-gone.pieces; open {
			t.Error("the stream goes on")
		}
		c.ExpectClose(nil)
	})
}
