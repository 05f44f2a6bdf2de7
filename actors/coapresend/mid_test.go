package coapresend

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/messages"
)

const lifetime = 247 * time.Second

// TestMIDsIncrement: RFC 7252 section 4.4: a random start, then one by one,
// through the wrap.
func TestMIDsIncrement(t *testing.T) {
	var s midSource
	for i := range midSpace {
		mid, ok := s.next(start, lifetime, &testRand{}, midSpace)
		if !ok || mid != uint16(100+i) {
			t.Fatalf("message ID %d is %d, %v", i, mid, ok)
		}
	}
	if _, ok := s.next(start.Add(lifetime-1), lifetime, &testRand{}, midSpace); ok {
		t.Error("a message ID was used twice within the lifetime")
	}
	if mid, ok := s.next(start.Add(2*lifetime), lifetime, &testRand{}, midSpace); !ok || mid != 100 {
		t.Errorf("after the lifetime: %d, %v", mid, ok)
	}
}

// TestMIDsNotReused: RFC 7252 section 4.4: whenever they are asked for, no two
// equal ones lie less than the lifetime apart; few marks are kept.
func TestMIDsNotReused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s midSource
		last := map[uint16]time.Time{}
		now := start
		for range rapid.IntRange(1, 12).Draw(t, "bursts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "pause")) * time.Second)
			for range rapid.IntRange(1, 20000).Draw(t, "burst") {
				mid, ok := s.next(now, lifetime, &testRand{}, midSpace)
				if !ok {
					break
				}
				if before, used := last[mid]; used && now.Sub(before) < lifetime {
					t.Fatalf("%d used again after %v", mid, now.Sub(before))
				}
				last[mid] = now
			}
			if len(s.marks) > midMarks+2 {
				t.Fatalf("%d marks", len(s.marks))
			}
		}
	})
}

// TestNoMIDLeft: a request of ours then waits until one is free, and does not
// fail; a NON response is lost.
func TestNoMIDLeft(t *testing.T) {
	d := newDriver(t, Config{})
	for range midSpace {
		d.m.mids.next(d.now, lifetime, d.m.rnd, midSpace)
	}
	d.get(1)
	d.peer(message(1, messages.GET, 9, nil))
	d.reply(messages.Content, nil)
	d.expect("0s inbound 0.01 /", "0s overloaded {Queue:0 Rate:0 Answers:1 Memory:0 Forged:0 Truncated:0 Unsent:0}")
	d.run(10 * time.Minute)
	d.lines = d.lines[:1]
	d.expect("4m10.859375s send CON 0.01 mid=100 token=01 /a")
}
