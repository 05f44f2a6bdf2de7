package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-iot/holdfast"
)

const (
	// eventBuffer is how many events may wait for a slow reader.
	eventBuffer = 256
	// heartbeatInterval is the longest silence of a stream. A reader that is gone
	// shows at the next write, and to the reader a client that hangs.
	heartbeatInterval = 2 * time.Second
)

// events answers with server-sent events, from now on until the client is
// closed or the reader is too slow.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	events, cancel := s.client.Events(eventBuffer)
	defer cancel()
	out := eventStream{w: w, control: http.NewResponseController(w), farewell: s.farewell}
	w.Header().Set("Content-Type", "text/event-stream")
	if out.comment("events of "+onlyPrintable(s.view.Endpoint())) != nil {
		return
	}
	ending := s.ending
	heartbeat := time.NewTimer(heartbeatInterval)
	defer heartbeat.Stop()
	for {
		heartbeat.Reset(heartbeatInterval) // a write to a slow reader may have outlasted it (see package alarm)
		var err error
		select {
		case e, open := <-events:
			err = out.next(e, open)
		case <-heartbeat.C:
			err = out.comment("")
		case <-ending:
			ending = nil
			cancel() // what has come is written, then the stream ends
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// farewell says why a stream ends: with its client, as a rule.
func (s *Server) farewell() string {
	if state := s.client.Status().State; state == holdfast.Stopped || state == "" {
		return "the client is closed"
	}
	return "the control API is closed"
}

// eventStream writes server-sent events (WHATWG HTML, section 9.2).
type eventStream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	farewell func() string // says why nothing more comes
	last     uint64        // seq of the newest event; 0 when there was none
}

// errStreamEnds says that nothing more will come.
var errStreamEnds = errors.New("the stream of events ends")

// next writes one event. The numbers have no gaps, so one shows that the reader
// was too slow for what is between.
func (s *eventStream) next(e holdfast.Event, open bool) error {
	switch {
	case !open:
		return errors.Join(s.comment(s.farewell()), errStreamEnds)
	case s.last != 0 && e.Seq != s.last+1:
		return errors.Join(s.comment("dropped: too slow for the events"), errStreamEnds)
	}
	s.last = e.Seq
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("id: %d\ndata: %s\n\n", e.Seq, data))
}

func (s *eventStream) comment(text string) error { return s.write(": " + text + "\n\n") }

func (s *eventStream) write(text string) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // where it is not supported, writes are not bounded
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := s.control.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func onlyPrintable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
