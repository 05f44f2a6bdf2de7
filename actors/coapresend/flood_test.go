package coapresend

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// inundation is a driver whose peer floods it. Its handler answers at once
// unless it is told to be slow; own requests are answered after 100 ms.
type inundation struct {
	*driver
	t *testing.T

	slow      bool
	inbound   []uint64 // what a slow handler has been asked
	sent      int      // datagrams that are no requests of ours
	answers   int      // NON responses
	parts     int      // handler calls
	malformed int
	shed      messages.Shed
	own       uint16    // message ID of our request under way
	due       time.Time // when its answer arrives; zero when nothing is under way
	token     []byte
	outcomes  map[uint64]any
	asked     uint64
}

func newInundation(t *testing.T) *inundation {
	f := &inundation{driver: newDriver(t, Config{}), t: t, outcomes: map[uint64]any{}}
	f.observe = f.note
	return f
}

func (f *inundation) note(told any) {
	switch told := told.(type) {
	case send:
		f.transmitted(told.data)
	case messages.Inbound:
		f.parts++
		if f.inbound = append(f.inbound, told.ID); !f.slow {
			f.inbound = f.inbound[:0]
			f.in(messages.Reply{Epoch: epoch, ID: told.ID, Code: messages.Content, Payload: []byte("x")})
		}
	case messages.Response:
		f.outcomes[told.ID] = told
	case messages.RequestFailed:
		f.outcomes[told.ID] = told
	case messages.Malformed:
		f.malformed++
	case messages.Overloaded:
		f.shed = f.shed.Plus(told.Shed)
	}
}

func (f *inundation) transmitted(data []byte) {
	switch h := coap.Header(data); {
	case h.IsRequest():
		if f.own, f.token = h.MID, h.Token; f.due.IsZero() {
			f.due = f.now.Add(100 * time.Millisecond)
		}
	default:
		if f.sent++; h.Type == coap.NON {
			f.answers++
		}
	}
}

// pass lets a millisecond pass, and delivers the answer to our request when it
// is due.
func (f *inundation) pass() {
	f.run(f.now.Sub(start) + time.Millisecond)
	if !f.due.IsZero() && !f.now.Before(f.due) {
		f.due = time.Time{}
		f.peer(message(coap.ACK, messages.Changed, f.own, f.token))
	}
}

// ask makes a request of our own.
func (f *inundation) ask() {
	f.asked++
	f.get(f.asked)
}

// bounded demands that nothing has grown.
func (f *inundation) bounded() {
	f.t.Helper()
	m := f.m
	if len(m.entries) > DefaultDedupEntries*5/4 || len(m.uploads) > maxUploads || len(m.bodies) > maxBodies ||
		len(m.separate) > maxSeparate || len(m.active) > 2+DefaultDedupEntries || len(m.queue) > 1 || len(m.mids.marks) > midMarks+2 {
		f.t.Fatalf("unbounded: %d entries, %d uploads, %d bodies, %d separate, %d active, %d queued",
			len(m.entries), len(m.uploads), len(m.bodies), len(m.separate), len(m.active), len(m.queue))
	}
}

// answered demands that every request of ours was answered.
func (f *inundation) answered() {
	f.t.Helper()
	for id := range f.asked {
		if response, ok := f.outcomes[id+1].(messages.Response); !ok || response.Code != messages.Changed {
			f.t.Errorf("request %d of ours came to %+v", id+1, f.outcomes[id+1])
		}
	}
}

// counter returns 8 bytes that differ with n.
func counter(n int) []byte { return binary.BigEndian.AppendUint64([]byte(nil), uint64(n)+1<<40) }

// floods are the kinds of datagrams that somebody can send without end. Each
// makes the n-th datagram of a flood.
var floods = map[string]func(f *inundation, n int) []byte{
	"NON requests": func(_ *inundation, n int) []byte {
		return encoded(message(coap.NON, messages.GET, uint16(n), counter(n), path("3", "0", "0")))
	},
	"one NON request": func(*inundation, int) []byte {
		return encoded(message(coap.NON, messages.GET, 9, nil, path("3", "0", "0")))
	},
	"CON requests": func(_ *inundation, n int) []byte {
		return encoded(message(coap.CON, messages.POST, uint16(n), counter(n), path("3", "0", "0")))
	},
	"one CON request": func(*inundation, int) []byte {
		return encoded(message(coap.CON, messages.GET, 9, nil, path("3", "0", "0")))
	},
	"observations": func(_ *inundation, n int) []byte {
		return encoded(message(coap.CON, messages.GET, uint16(n), counter(n), path("3", "0", "0"), uintOption(coap.Observe, 0)))
	},
	"first blocks": func(_ *inundation, n int) []byte {
		return encoded(message(coap.CON, messages.PUT, uint16(n), nil, path("5", "0", "0"), block1(0, true, 6),
			bytesOption(coap.RequestTag, string(counter(n))), payload(make([]byte, 1024))))
	},
	"first blocks in NON": func(_ *inundation, n int) []byte {
		return encoded(message(coap.NON, messages.PUT, uint16(n), nil, path("5", "0", "0"), block1(0, true, 6),
			bytesOption(coap.RequestTag, string(counter(n))), payload(make([]byte, 1024))))
	},
	"bodies that are too large": func(_ *inundation, n int) []byte {
		return encoded(message(coap.CON, messages.PUT, uint16(n), nil, path("5", "0", "0"), block1(0, true, 6),
			uintOption(coap.Size1, 1<<30), payload(make([]byte, 1024))))
	},
	"pings":      func(_ *inundation, n int) []byte { return encoded(coap.Message{MID: uint16(n)}) },
	"empty ACKs": func(f *inundation, n int) []byte { return encoded(coap.EmptyACK(f.guess(n))) },
	"RSTs":       func(f *inundation, n int) []byte { return encoded(coap.Reset(f.guess(n))) },
	"CON responses": func(_ *inundation, n int) []byte {
		return encoded(message(coap.CON, messages.Changed, uint16(n), counter(n)))
	},
	"NON responses": func(_ *inundation, n int) []byte {
		return encoded(message(coap.NON, messages.Changed, uint16(n), counter(n)))
	},
	"piggybacked responses": func(f *inundation, n int) []byte {
		return encoded(message(coap.ACK, messages.Changed, f.guess(n), counter(n)))
	},
	"malformed CON": func(_ *inundation, n int) []byte { return []byte{0x44, 1, byte(n >> 8), byte(n)} },
	"malformed NON": func(_ *inundation, n int) []byte { return []byte{0x54, 1, byte(n >> 8), byte(n)} },
	"no CoAP":       func(*inundation, int) []byte { return []byte("GET / HTTP/1.1\r\n") },
	"empty":         func(*inundation, int) []byte { return nil },
}

// guess is a message ID that hits our own request now and then.
func (f *inundation) guess(n int) uint16 {
	if n%1000 == 999 {
		return f.own
	}
	return f.own + 0x8000 + uint16(n)%0x4000
}

func encoded(msg coap.Message) []byte { return mustEncode(msg) }

// TestFloods: whatever comes, 50,000 of it a second, our own requests are
// answered, memory and answers are bounded, what is dropped is counted, and
// nothing is left when it is over.
func TestFloods(t *testing.T) {
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			f := newInundation(t)
			f.inundate(time.Second, 50, flood)
			if limit := workBurst + 1100; f.sent > limit || f.parts > limit || f.malformed > reportBurst+4 {
				t.Errorf("%d datagrams sent, the handler asked %d times, %d reports", f.sent, f.parts, f.malformed)
			}
			f.run(time.Hour)
			f.answered()
			if f.shed.Rate < 40_000 {
				t.Errorf("dropped %+v", f.shed)
			}
			if m := f.m; len(m.active)+len(m.queue)+len(m.separate)+len(m.entries)+len(m.uploads)+len(m.bodies)+m.calls > 0 || len(f.timers) > 0 {
				t.Errorf("left over: %+v", m)
			}
		})
	}
}

// inundate lets so many datagrams come each millisecond, and makes a request
// of our own twice a second.
func (f *inundation) inundate(long time.Duration, each int, flood func(*inundation, int) []byte) {
	n := 0
	for ms := range int(long / time.Millisecond) {
		if ms%500 == 200 {
			f.ask()
		}
		for range each {
			f.raw(flood(f, n)...)
			n++
		}
		f.bounded()
		f.pass()
	}
}

// TestNONFloodLeavesMessageIDs: NON requests come as fast as they are worked
// at, for longer than their answers' share of the message IDs lasts. The answers
// stop there; our requests go on, and so do answers to CON, which need none.
func TestNONFloodLeavesMessageIDs(t *testing.T) {
	f := newInundation(t)
	f.inundate(time.Minute, 1, floods["NON requests"])
	if f.answers > midsForNON || f.answers < midsForNON-int(f.asked) {
		t.Errorf("%d answers", f.answers)
	}
	if f.shed.Answers == 0 {
		t.Error("lost answers are not counted")
	}
	before := f.sent
	f.peer(message(coap.CON, messages.GET, 9, nil, path("3", "0", "0")))
	if f.sent != before+1 {
		t.Error("a CON request was not answered")
	}
	f.run(time.Hour)
	f.answered()
}

// TestSlowHandlerHoldsNothingUp: separate responses, of which the peer
// acknowledges none, neither queue up nor hold up our own requests.
func TestSlowHandlerHoldsNothingUp(t *testing.T) {
	f := newInundation(t)
	f.slow = true
	for n := range 150 {
		for i := range 100 {
			f.raw(floods["CON requests"](f, 100*n+i)...)
		}
		f.run(f.now.Sub(start) + time.Second) // they are acknowledged
		asked := f.inbound
		f.inbound = nil
		for _, id := range asked {
			f.in(messages.Reply{Epoch: epoch, ID: id, Code: messages.Changed})
		}
		f.ask()
		f.bounded()
		for range 200 {
			f.pass()
		}
	}
	f.run(2 * time.Hour)
	f.answered()
}

// TestWorkIsShared: what is not a confirmable request leaves half of the burst
// to those that are, and a bucket fills again in its time.
func TestWorkIsShared(t *testing.T) {
	d := newInundation(t)
	for n := range 3 * workBurst {
		d.raw(floods["NON requests"](d, n)...)
	}
	if d.parts != workLesser {
		t.Errorf("%d NON requests were worked at", d.parts)
	}
	for n := range 3 * workBurst {
		d.raw(floods["CON requests"](d, 20_000+n)...)
	}
	if d.parts != workBurst {
		t.Errorf("%d requests were worked at", d.parts)
	}
	for ms := range 5 {
		d.pass()
		d.parts = 0
		for n := range 5 {
			d.raw(floods["NON requests"](d, n)...)
			d.raw(floods["CON requests"](d, 40_000+100*ms+n)...)
		}
		if d.parts != 1 {
			t.Errorf("%d more in a millisecond", d.parts)
		}
	}
}

// TestBucketFillsAgain: never more than the burst, however long it rests.
func TestBucketFillsAgain(t *testing.T) {
	var b bucket
	now := start
	for _, test := range []struct {
		rest time.Duration
		want int
	}{{0, 10}, {0, 0}, {999 * time.Millisecond, 0}, {time.Millisecond, 1}, {5 * time.Second, 5}, {time.Hour, 10}} {
		now = now.Add(test.rest)
		taken := 0
		for b.take(now, time.Second, 10) {
			taken++
		}
		if taken != test.want {
			t.Errorf("after another %v: %d tokens, want %d", test.rest, taken, test.want)
		}
	}
}

// TestGuessedMessageIDsAreNotBelieved: after 16 ACKs or RSTs under message IDs
// that we have not used, one that hits does nothing; 4 s later it counts again.
// Late ones of exchanges that are over are no guesses.
func TestGuessedMessageIDsAreNotBelieved(t *testing.T) {
	for name, forged := range map[string]func(uint16) coap.Message{"RST": coap.Reset, "ACK": coap.EmptyACK} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.get(1)
			for n := range uint16(strayBurst) {
				d.peer(forged(5000 + n))
			}
			d.peer(forged(100))
			d.run(2 * time.Second)
			d.expect(
				"0s send CON 0.01 mid=100 token=01 /a",
				"0s overloaded {Queue:0 Rate:0 Answers:0 Memory:0 Forged:1 Truncated:0 Unsent:0}",
				"2s send CON 0.01 mid=100 token=01 /a",
			)
			d.run(strayEvery)
			d.peer(forged(100))
			d.run(10 * time.Second)
			want := []string{"4s failed 1 reset by the peer"}
			if name == "ACK" {
				want = nil // it waits for the response
			}
			d.expect(want...)
		})
	}
	d := newDriver(t, Config{})
	d.get(1)
	d.peer(message(coap.ACK, messages.Content, 100, token(1)))
	d.get(2)
	for range 10 * strayBurst {
		d.peer(coap.Reset(100))
	}
	d.peer(coap.Reset(101))
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s response 1 2.05", "0s send CON 0.01 mid=101 token=02 /a", "0s failed 2 reset by the peer")
}

// TestReadsAreForgottenFirst: what is safe to repeat makes room, so that a
// flood of reads does not make a write be executed twice.
func TestReadsAreForgottenFirst(t *testing.T) {
	f := newInundation(t)
	f.peer(post(9))
	for n := range 1000 {
		f.peer(message(coap.CON, messages.GET, uint16(1000+n), nil, path("3")))
	}
	f.parts = 0
	f.peer(post(9))
	if f.parts != 0 {
		t.Error("executed twice")
	}
	f.peer(message(coap.CON, messages.GET, 1000, nil, path("3")))
	if f.parts != 1 {
		t.Error("a read of long ago is remembered")
	}
}

// TestTransfersOfNONGoFirst: neither uploads nor kept replies of confirmable
// messages make room for those of others.
func TestTransfersOfNONGoFirst(t *testing.T) {
	first := func(kind coap.Type, mid uint16) coap.Message {
		return message(kind, messages.PUT, mid, nil, path("5", "0", string(rune('a'+mid))), block1(0, true, 0), payload(make([]byte, 16)))
	}
	d := newDriver(t, Config{})
	d.peer(first(coap.NON, 1))
	for mid := range uint16(maxUploads) {
		d.peer(first(coap.CON, 2+mid))
	}
	d.peer(first(coap.NON, 10))
	var left []bool
	for _, u := range d.m.uploads {
		left = append(left, u.non)
	}
	if diff := cmp.Diff(make([]bool, maxUploads), left); diff != "" {
		t.Errorf("uploads of NON: %s", diff)
	}
	for mid, kind := range []coap.Type{coap.NON, coap.CON, coap.CON, coap.CON, coap.CON, coap.NON} {
		d.peer(message(kind, messages.GET, uint16(20+mid), nil, path(string(rune('a'+mid))), block2(0, false, 0)))
		d.reply(messages.Content, pattern(100))
	}
	for _, b := range d.m.bodies {
		if !b.confirmable {
			t.Error("a reply to a NON is kept instead of one to a CON")
		}
	}
}

// TestShedIsReported: at once, and then what has come together in 10 s; nothing
// more once it is over.
func TestShedIsReported(t *testing.T) {
	d := newDriver(t, Config{})
	d.in(dropped{queue: 3})
	for range 5 {
		d.run(d.now.Sub(start) + time.Second)
		d.in(dropped{queue: 2})
	}
	d.run(time.Hour)
	d.expect(
		"0s overloaded {Queue:3 Rate:0 Answers:0 Memory:0 Forged:0 Truncated:0 Unsent:0}",
		"10s overloaded {Queue:10 Rate:0 Answers:0 Memory:0 Forged:0 Truncated:0 Unsent:0}",
	)
}
