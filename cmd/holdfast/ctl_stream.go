package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// ctlStream is a stream of a client's events, and with it its sign of life: when
// nothing has come for longer than heartbeats are apart, the stream ends, and its
// context with it.
type ctlStream struct {
	ctx    context.Context // ends with the stream, unless that ends in order
	cancel context.CancelCauseFunc
	events chan holdfast.Event // closed at the end
	closed bool                // the client was closed in order; valid once events is closed

	client *ctlClient
	body   io.ReadCloser
	alarm  *time.Timer
	lines  *bufio.Scanner
}

// streamRoom is how many events may wait for whoever reads them. The client itself
// cuts off who is slower than 256.
const streamRoom = 1 << 10

// stream opens a stream of events. When it returns, no event is missed any more.
func (c *ctlClient) stream(ctx context.Context) (*ctlStream, error) {
	s := &ctlStream{client: c, events: make(chan holdfast.Event, streamRoom)}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.alarm = time.AfterFunc(ctlPatience, func() { s.cancel(&hungError{c.address}) })
	response, err := c.request(s.ctx, http.MethodGet, "/v1/events", mediaEvents)
	if err != nil {
		s.end()
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // it is only read
		s.end()
		return nil, &refusedError{c.address, response.StatusCode}
	}
	s.body, s.lines = response.Body, bufio.NewScanner(response.Body)
	if !s.lines.Scan() { // the comment at the beginning says that the subscription has begun
		err := s.broken()
		_ = s.body.Close()
		s.end()
		return nil, err
	}
	go s.read()
	return s, nil
}

// refusedError says that a client has answered, and has refused.
type refusedError struct {
	address string
	status  int
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s answered %s", e.address, http.StatusText(e.status))
}

// read hands events over until the stream ends.
func (s *ctlStream) read() {
	defer close(s.events)
	defer s.body.Close() // it is only read
	var last string
	for s.lines.Scan() {
		s.alarm.Reset(ctlPatience)
		line := s.lines.Text()
		if comment, is := strings.CutPrefix(line, ": "); is && comment != "" {
			last = comment
		}
		data, isEvent := strings.CutPrefix(line, "data: ")
		var e holdfast.Event
		if isEvent && json.Unmarshal([]byte(data), &e) == nil && !s.hand(e) {
			return
		}
	}
	s.conclude(last)
}

// hand hands one event over, unless nobody waits for it any more.
func (s *ctlStream) hand(e holdfast.Event) bool {
	select {
	case s.events <- e:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// conclude notes why nothing more comes, by the last comment of the client. Where
// that was closed in order, its answer to a call may still be under way.
func (s *ctlStream) conclude(last string) {
	s.alarm.Stop()
	switch {
	case s.lines.Err() == nil && strings.HasPrefix(last, "the client is closed"):
		s.closed = true
	case s.lines.Err() == nil && strings.HasPrefix(last, "dropped"):
		s.cancel(fmt.Errorf("the stream was cut off: %s", printable(last)))
	case s.lines.Err() == nil && strings.HasPrefix(last, "the control API"):
		s.cancel(errors.New("the control API of the client is closed"))
	default:
		s.cancel(s.broken())
	}
}

func (s *ctlStream) broken() error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	err := s.lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("the stream of events broke off: %w", err)
}

// err returns why the stream has ended: nil when the client was closed in order, or
// when it goes on.
func (s *ctlStream) err() error { return context.Cause(s.ctx) }

// end ends the stream.
func (s *ctlStream) end() {
	s.alarm.Stop()
	s.cancel(context.Canceled)
}
