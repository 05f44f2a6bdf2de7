package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// session is one run of a Leshan process: lines out, replies and events in.
type session struct {
	process *process

	mu      sync.Mutex
	partial []byte // the beginning of a line that has not ended yet
	nextSeq int
	replies map[int]chan Object // by seq; buffered
	events  []event
	changed chan struct{} // closed and replaced by every event
}

type event struct {
	fields Object
	taken  bool // by a waitEvent
}

// startSession builds the peer if needed and starts it.
func startSession(t testing.TB, kind string, args []string) (*session, error) {
	t.Helper()
	java, models := leshanCommand(t)
	s := &session{replies: make(map[int]chan Object), changed: make(chan struct{})}
	all := append(append(java[1:], kind, "--models", models), args...)
	proc, err := start(t, s, nil, java[0], all...)
	if err != nil {
		return nil, err
	}
	s.process = proc
	return s, nil
}

// Write takes the process's standard output apart into lines.
func (s *session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partial = append(s.partial, p...)
	for {
		line, rest, ended := bytes.Cut(s.partial, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		s.dispatch(decodeLine(line))
		s.partial = rest
	}
}

// decodeLine makes an event of what is no JSON, so that nothing is lost.
func decodeLine(line []byte) Object {
	var fields Object
	if err := json.Unmarshal(line, &fields); err != nil || fields == nil {
		return Object{"event": "stray", "line": string(line)}
	}
	return fields
}

// dispatch runs with the lock held.
func (s *session) dispatch(fields Object) {
	if _, isEvent := fields["event"]; isEvent {
		s.events = append(s.events, event{fields: fields})
		close(s.changed)
		s.changed = make(chan struct{})
		return
	}
	seq, _ := fields["seq"].(float64)
	if reply, waiting := s.replies[int(seq)]; waiting {
		reply <- fields
		delete(s.replies, int(seq))
	}
}

func (s *session) call(ctx context.Context, command any) (Object, error) {
	seq, reply := s.expect()
	defer s.forget(seq)
	line, err := encodeCommand(command, seq)
	if err != nil {
		return nil, err
	}
	if err := s.send(line); err != nil {
		return nil, err
	}
	select {
	case fields := <-reply:
		return fields, nil
	case <-s.process.exited:
		return nil, errExited
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expect reserves a sequence number and the channel of its reply.
func (s *session) expect() (int, <-chan Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextSeq++
	reply := make(chan Object, 1)
	s.replies[s.nextSeq] = reply
	return s.nextSeq, reply
}

func (s *session) forget(seq int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.replies, seq)
}

// send writes one line. The pipe is an os.File, whose Write is atomic towards
// other goroutines, so callers need no lock of their own.
func (s *session) send(line []byte) error {
	if _, err := s.process.stdin.Write(line); err != nil {
		return fmt.Errorf("%w: %w", errExited, err)
	}
	return nil
}

// encodeCommand adds the sequence number to a map or a struct.
func encodeCommand(command any, seq int) ([]byte, error) {
	raw, err := json.Marshal(command)
	if err != nil {
		return nil, fmt.Errorf("peer: command %v: %w", command, err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("peer: command %s is no object", raw)
	}
	fields["seq"] = json.RawMessage(fmt.Sprint(seq))
	line, err := json.Marshal(fields)
	return append(line, '\n'), err
}

func (s *session) waitEvent(ctx context.Context, name string, match func(Object) bool) (Object, error) {
	for {
		fields, changed := s.take(name, match)
		if fields != nil {
			return fields, nil
		}
		select {
		case <-changed:
		case <-s.process.exited:
			// Wait has seen all of the output: one last look.
			if fields, _ := s.take(name, match); fields != nil {
				return fields, nil
			}
			return nil, fmt.Errorf("waiting for %s: %w", name, errExited)
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s: %w", name, ctx.Err())
		}
	}
}

// take returns and marks the first event that fits and was not taken, else nil
// and a channel that is closed by the next event.
func (s *session) take(name string, match func(Object) bool) (Object, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.events {
		e := &s.events[i]
		if !e.taken && e.fields["event"] == name && (match == nil || match(e.fields)) {
			e.taken = true
			return e.fields, nil
		}
	}
	return nil, s.changed
}

func (s *session) history() []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Object, len(s.events))
	for i, e := range s.events {
		all[i] = e.fields
	}
	return all
}
