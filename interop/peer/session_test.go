package peer

import (
	"testing"
	"testing/synctest"
)

func newTestSession() *session {
	return &session{
		process: &process{exited: make(chan struct{})},
		replies: make(map[int]chan Object),
		changed: make(chan struct{}),
	}
}

func feed(t *testing.T, s *session, text string) {
	t.Helper()
	if _, err := s.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestSessionTakesLinesApart(t *testing.T) {
	t.Parallel()
	s := newTestSession()
	feed(t, s, `{"event":"a","n":1}`+"\n"+`{"event":`)
	feed(t, s, `"b"}`+"\nnot JSON\n")
	events := s.history()
	if len(events) != 3 || events[0]["n"] != 1.0 || events[1]["event"] != "b" || events[2]["line"] != "not JSON" {
		t.Errorf("events = %v", events)
	}
}

func TestSessionMatchesReplies(t *testing.T) {
	t.Parallel()
	s := newTestSession()
	first, firstReply := s.expect()
	second, secondReply := s.expect()
	feed(t, s, `{"seq":2,"op":"two"}`+"\n"+`{"seq":1,"op":"one"}`+"\n"+`{"seq":9}`+"\n")
	if one, two := <-firstReply, <-secondReply; one["op"] != "one" || two["op"] != "two" {
		t.Errorf("replies to %d and %d = %v and %v", first, second, one, two)
	}
}

func TestWaitEventReturnsEachOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestSession()
		feed(t, s, `{"event":"up","n":1}`+"\n"+`{"event":"up","n":2}`+"\n")
		isTwo := func(o Object) bool { return o["n"] == 2.0 }
		for _, want := range []struct {
			match func(Object) bool
			n     float64
		}{{isTwo, 2}, {nil, 1}} {
			got, err := s.waitEvent(t.Context(), "up", want.match)
			if err != nil || got["n"] != want.n {
				t.Errorf("waitEvent = %v, %v, want n = %v", got, err, want.n)
			}
		}
		later := make(chan Object)
		go func() {
			got, _ := s.waitEvent(t.Context(), "up", nil)
			later <- got
		}()
		synctest.Wait()
		feed(t, s, `{"event":"up","n":3}`+"\n")
		if got := <-later; got["n"] != 3.0 {
			t.Errorf("late event = %v, want n = 3", got)
		}
	})
}

func TestEncodeCommand(t *testing.T) {
	t.Parallel()
	type command struct {
		Op string `json:"op"`
	}
	for _, c := range []any{command{"clients"}, Object{"op": "clients"}} {
		line, err := encodeCommand(c, 7)
		if want := `{"op":"clients","seq":7}` + "\n"; err != nil || string(line) != want {
			t.Errorf("encodeCommand(%v) = %q, %v, want %q", c, line, err, want)
		}
	}
	for _, c := range []any{nil, 1, make(chan int)} {
		if line, err := encodeCommand(c, 1); err == nil {
			t.Errorf("encodeCommand(%v) = %q, want an error", c, line)
		}
	}
}
