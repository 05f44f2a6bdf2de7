package holdfast

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// controlEventBuffer is how many events may wait for a slow reader.
	controlEventBuffer = 256
	// controlHeartbeat is the longest silence of a stream: a reader that is
	// gone shows at the next write.
	controlHeartbeat = 15 * time.Second
)

// events answers with server-sent events, from now on until the client is
// closed or the reader is too slow.
func (c *control) events(w http.ResponseWriter, r *http.Request) {
	events, cancel := c.client.Events(controlEventBuffer)
	defer cancel()
	s := eventStream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	if s.comment("events of "+onlyPrintable(c.client.config.Endpoint)) != nil {
		return
	}
	heartbeat := time.NewTicker(controlHeartbeat)
	defer heartbeat.Stop()
	for {
		var err error
		select {
		case e, open := <-events:
			err = s.next(e, open)
		case <-heartbeat.C:
			err = s.comment("")
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// eventStream writes server-sent events (WHATWG HTML, section 9.2).
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    uint64 // seq of the newest event; 0 when there was none
}

// errStreamEnds says that nothing more will come.
var errStreamEnds = errors.New("the stream of events ends")

// next writes one event. The numbers have no gaps, so one shows that the reader
// was too slow for what is between.
func (s *eventStream) next(e Event, open bool) error {
	switch {
	case !open:
		return errors.Join(s.comment("the client is closed"), errStreamEnds)
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
	_ = s.control.SetWriteDeadline(time.Now().Add(controlWriteTimeout)) // where it is not supported, writes are not bounded
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := s.control.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
