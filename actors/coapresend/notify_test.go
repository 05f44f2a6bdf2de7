package coapresend

import (
	"bytes"
	"cmp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// notify asks for a confirmable notification of an observation, whose token is
// its number; the sequence is the ID. It carries one byte.
func (d *driver) notify(id, observation uint64, edits ...func(*messages.Notify)) {
	n := messages.Notify{
		Epoch: epoch, ID: id, Observation: observation, Token: []byte{byte(observation)}, Sequence: uint32(id),
		Confirmable: true, Code: messages.Content, Payload: []byte{byte(id)},
	}
	for _, edit := range edits {
		edit(&n)
	}
	d.in(n)
}

func nonConfirmable(n *messages.Notify) { n.Confirmable = false }

func (d *driver) acknowledge(mid uint16) { d.peer(coap.EmptyACK(mid)) }
func (d *driver) rst(mid uint16)         { d.peer(coap.Reset(mid)) }

func TestNotificationIsAcknowledged(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.run(time.Second)
	d.acknowledge(100)
	d.run(time.Hour)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"1s notified 1 acknowledged",
	)
}

// A RST ends the observation: what waits of it does not leave any more.
func TestNotificationIsRejected(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.notify(2, 7)
	d.run(time.Second)
	d.rst(100)
	d.run(time.Hour)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"1s notified 1 reset",
		"1s notified 2 reset",
	)
}

// Silence is told to the handler, and to the owner of the link, who starts the
// ladder: 2 + 4 + 8 + 16 + 32 s after the first transmission.
func TestNotificationSilence(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.run(time.Hour)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"2s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"6s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"14s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"30s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"1m2s notified 1 silent",
		"1m2s silence",
	)
}

// A newer value goes out in place of the next resend, under a new message ID and
// with the resends that were left; values between are skipped (RFC 7641 section
// 4.5.2).
func TestNewerNotificationTakesThePlaceOfAResend(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.run(3 * time.Second)
	d.notify(2, 7)
	d.notify(3, 7, nonConfirmable)
	d.run(7 * time.Second)
	d.acknowledge(100) // it comes too late: that message is given up
	d.run(time.Hour)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"2s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"3s notified 2 superseded",
		"6s notified 1 superseded",
		"6s send CON 2.05 mid=101 token=07 observe=3 [1]",
		"14s send CON 2.05 mid=101 token=07 observe=3 [1]",
		"30s send CON 2.05 mid=101 token=07 observe=3 [1]",
		"1m2s notified 3 silent",
		"1m2s silence",
	)
}

// A value that is newer than the one just acknowledged is a transmission of its
// own, with all its resends.
func TestNewerNotificationAfterTheAcknowledgement(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.run(3 * time.Second)
	d.notify(2, 7)
	d.acknowledge(100)
	d.run(6 * time.Second)
	d.acknowledge(101)
	d.run(time.Hour)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"2s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"3s notified 1 acknowledged",
		"3s send CON 2.05 mid=101 token=07 observe=2 [1]",
		"5s send CON 2.05 mid=101 token=07 observe=2 [1]",
		"6s notified 2 acknowledged",
	)
}

// What was silent for all of its resends is so with what should have replaced it
// at the last one.
func TestSilenceOfTheLastResend(t *testing.T) {
	d := newDriver(t, Config{MaxRetransmit: -1})
	d.notify(1, 7)
	d.run(time.Second)
	d.notify(2, 7)
	d.run(time.Hour)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"2s notified 1 silent",
		"2s notified 2 silent",
		"2s silence",
	)
}

// A RST may come for a message that was replaced, and for one that was not
// confirmable, within the time in which its message ID is not used again.
func TestLateReset(t *testing.T) {
	t.Run("replaced", func(t *testing.T) {
		d := newDriver(t, Config{})
		d.notify(1, 7)
		d.notify(2, 7)
		d.run(3 * time.Second)
		d.rst(100)
		d.run(time.Hour)
		d.expect(
			"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
			"2s notified 1 superseded",
			"2s send CON 2.05 mid=101 token=07 observe=2 [1]",
			"3s notified 2 reset",
			"3s notified 1 reset",
		)
	})
	t.Run("NON", func(t *testing.T) {
		d := newDriver(t, Config{})
		d.notify(1, 7, nonConfirmable)
		d.m.pace = nil // so that both leave at once
		d.notify(2, 8, nonConfirmable)
		d.run(Config{}.NonLifetime() - 1)
		d.rst(100)
		d.rst(100)
		d.run(Config{}.NonLifetime())
		d.rst(101)
		d.run(time.Hour)
		d.expect(
			"0s send NON 2.05 mid=100 token=07 observe=1 [1]",
			"0s notified 1 sent",
			"0s send NON 2.05 mid=101 token=08 observe=2 [1]",
			"0s notified 2 sent",
			"2m24.999999999s notified 1 reset",
		)
		if len(d.m.rejectable) != 0 {
			t.Error("more is remembered than can be rejected")
		}
	})
}

// Whoever guesses message IDs cannot end observations.
func TestGuessedResetsEndNoObservation(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7, nonConfirmable)
	for mid := range uint16(strayBurst) {
		d.rst(5000 + mid)
	}
	d.rst(100)
	d.expect(
		"0s send NON 2.05 mid=100 token=07 observe=1 [1]",
		"0s notified 1 sent",
		"0s overloaded {Queue:0 Rate:0 Answers:0 Memory:0 Forged:1 Truncated:0 Unsent:0}",
	)
}

// Under NSTART requests of ours come first, then responses, then notifications,
// oldest observation first, of which a newer value has replaced the one that
// waited.
func TestNotificationsComeLast(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.notify(10, 7)
	d.notify(11, 8)
	d.notify(12, 7)
	d.peer(post(9))
	d.run(time.Second)
	d.get(2)
	d.reply(messages.Changed, nil)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"0s notified 10 superseded",
		"0s inbound 0.02 /a",
		"1s send ACK 0.00 mid=9",
		"1s send CON 2.04 mid=101 token=aa",
	)
	d.peer(message(coap.ACK, messages.Changed, 100, token(1)))
	d.acknowledge(101)
	d.peer(message(coap.ACK, messages.Changed, 102, token(2)))
	d.acknowledge(103)
	d.acknowledge(104)
	d.expect(
		"1s response 1 2.04",
		"1s send CON 0.01 mid=102 token=02 /a",
		"1s response 2 2.04",
		"1s send CON 2.05 mid=103 token=07 observe=12 [1]",
		"1s notified 12 acknowledged",
		"1s send CON 2.05 mid=104 token=08 observe=11 [1]",
		"1s notified 11 acknowledged",
	)
}

// A silent observer holds up neither a request of ours nor a response.
func TestSilentObserverHoldsUpNothing(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.peer(post(9))
	d.run(time.Second)
	d.reply(messages.Changed, nil)
	d.get(1)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"0s inbound 0.02 /a",
		"1s send ACK 0.00 mid=9",
		"1s send CON 2.04 mid=101 token=aa",
		"1s send CON 0.01 mid=102 token=01 /a",
	)
}

// An observation that has ended says nothing more, and its silence is no sign.
func TestUnobserve(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.notify(2, 7)
	d.notify(3, 8)
	d.notify(4, 9)
	d.in(messages.Unobserve{Epoch: epoch, Observation: 8})
	d.in(messages.Unobserve{Epoch: epoch + 1, Observation: 7})
	d.run(time.Second)
	d.in(messages.Unobserve{Epoch: epoch, Observation: 7})
	d.acknowledge(101)
	d.run(time.Hour)
	d.expect(
		"0s send CON 2.05 mid=100 token=07 observe=1 [1]",
		"0s notified 3 superseded",
		"1s notified 1 superseded",
		"1s notified 2 superseded",
		"1s send CON 2.05 mid=101 token=09 observe=4 [1]",
		"1s notified 4 acknowledged",
	)
}

// The queue is bounded, by observation.
func TestNotificationQueueIsBounded(t *testing.T) {
	d := newDriver(t, Config{MaxQueue: 2})
	for id := uint64(1); id <= 4; id++ {
		d.notify(id, id)
	}
	d.notify(5, 3)
	d.expect(
		"0s send CON 2.05 mid=100 token=01 observe=1 [1]",
		"0s notified 4 dropped",
		"0s notified 3 superseded",
	)
}

// What cannot be encoded is refused at once, and so is another epoch's.
func TestUnsendableNotifications(t *testing.T) {
	d := newDriver(t, Config{})
	for id, edit := range []func(*messages.Notify){
		func(n *messages.Notify) { n.Epoch++ },
		func(n *messages.Notify) { n.Sequence = messages.MaxSequence + 1 },
		func(n *messages.Notify) { n.Token = make([]byte, 9) },
		func(n *messages.Notify) { n.ETag = make([]byte, 9) },
		func(n *messages.Notify) { n.Code = messages.GET },
		func(n *messages.Notify) { n.Code = messages.Continue },
		func(n *messages.Notify) { n.Code = messages.NewCoAPCode(6, 0) },
	} {
		d.notify(uint64(id), 1, edit)
	}
	d.expect(
		"0s notified 1 cannot be encoded", "0s notified 2 cannot be encoded", "0s notified 3 cannot be encoded",
		"0s notified 4 cannot be encoded", "0s notified 5 cannot be encoded", "0s notified 6 cannot be encoded",
	)
	d.notify(7, 1, func(n *messages.Notify) {
		n.Sequence, n.Token, n.ETag = messages.MaxSequence, make([]byte, 8), make([]byte, 8)
		n.Code, n.Payload = messages.NotFound, nil // an error ends the observation and has no sequence
	})
	d.expect("0s send CON 4.04 mid=100 token=00")
}

// Before the link is up there is no one to be told: what is confirmable waits, the
// rest is lost.
func TestNotificationsBeforeTheLink(t *testing.T) {
	d := newDriver(t, Config{})
	d.m = New(d.m.cfg, &testRand{})
	d.notify(1, 7)
	d.notify(2, 8, nonConfirmable)
	d.run(time.Second)
	d.in(messages.LinkUp{Epoch: epoch})
	d.expect(
		"0s notified 2 dropped",
		"1s send CON 2.05 mid=100 token=07 observe=1 [1]",
	)
}

// A value larger than a block is begun with its first block; the observer asks for
// the others under a token of its own, and gets them from the same representation
// (RFC 7959 section 2.6).
func TestNotificationInBlocks(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 16})
	value := pattern(40)
	d.peer(message(coap.CON, messages.GET, 1, []byte{7}, path("a"), uintOption(coap.Observe, 0)))
	in := d.lastInbound()
	if !bytes.Equal(in.Token, []byte{7}) || in.Observe == nil || in.Key == "" {
		t.Fatalf("the handler got %+v", in)
	}
	d.in(messages.Reply{Epoch: epoch, ID: in.ID, Code: messages.Content, Observe: new(uint32(1)), Payload: []byte("x")})
	d.notify(2, 7, func(n *messages.Notify) { n.Key, n.Payload = in.Key, value })
	d.acknowledge(100)
	d.peer(message(coap.CON, messages.GET, 2, []byte{9}, path("a"), block2(1, false, 0)))
	d.peer(message(coap.CON, messages.GET, 3, []byte{9}, path("a"), block2(2, false, 0)))
	d.expect(
		"0s inbound 0.01 /a",
		"0s send ACK 2.05 mid=1 token=07 observe=1 [1]",
		"0s send CON 2.05 mid=100 token=07 observe=2 b2=0/1/16 size2=40 [16]",
		"0s notified 2 acknowledged",
		"0s send ACK 2.05 mid=2 token=09 b2=1/1/16 [16]",
		"0s send ACK 2.05 mid=3 token=09 b2=2/0/16 [8]",
	)
	if got := d.collect(1); !bytes.Equal(got, value) {
		t.Error("the blocks are not those of the value")
	}
}

// collect returns the payloads of what was sent from a datagram on, which all
// have the same entity tag.
func (d *driver) collect(from int) (body []byte) {
	d.t.Helper()
	var tag []byte
	for _, datagram := range d.sent[from:] {
		msg, err := coap.Decode(datagram)
		if err != nil {
			d.t.Fatal(err)
		}
		etag, ok := msg.Bytes(coap.ETag)
		if !ok || tag != nil && !bytes.Equal(etag, tag) {
			d.t.Errorf("entity tag %x, want %x", etag, tag)
		}
		tag = etag
		body = append(body, msg.Payload...)
	}
	return body
}

// The handler's own entity tag is the one that is sent.
func TestEntityTags(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7, func(n *messages.Notify) { n.ETag = []byte("tag") })
	d.peer(post(9))
	d.in(messages.Reply{Epoch: epoch, ID: d.lastInbound().ID, Code: messages.Content, ETag: []byte("tag")})
	for _, datagram := range d.sent {
		msg, _ := coap.Decode(datagram)
		if tag, _ := msg.Bytes(coap.ETag); string(tag) != "tag" {
			t.Errorf("entity tag %q", tag)
		}
	}
	if len(d.sent) != 2 {
		t.Errorf("%d datagrams", len(d.sent))
	}
}

// A reply that is none, because a value is out of range, is a fault of the handler.
func TestImproperReplies(t *testing.T) {
	for _, reply := range []messages.Reply{
		{Code: messages.Content, Observe: new(uint32(messages.MaxSequence + 1))},
		{Code: messages.NotFound, Observe: new(uint32(1))},
		{Code: messages.Content, ETag: make([]byte, 9)},
	} {
		d := newDriver(t, Config{})
		d.peer(post(9))
		reply.Epoch, reply.ID = epoch, d.lastInbound().ID
		d.in(reply)
		d.expect("0s inbound 0.02 /a", "0s send ACK 5.00 mid=9 token=aa")
	}
}

// When all message IDs for responses are in use a notification waits, and requests
// of ours still have theirs; one that is not confirmable is lost.
func TestNotificationsWithoutMessageID(t *testing.T) {
	d := newDriver(t, Config{})
	d.m.mids.count = midsForResponses
	d.m.mids.marks = []midMark{{opened: d.now}}
	d.notify(1, 7)
	d.notify(2, 8, nonConfirmable)
	d.expect(
		"0s notified 2 dropped",
		"0s overloaded {Queue:0 Rate:0 Answers:1 Memory:0 Forged:0 Truncated:0 Unsent:0}",
	)
	d.run(time.Hour)
	if len(d.sent) == 0 {
		t.Error("the notification never left")
	}
}

// What is remembered for late RSTs is bounded.
func TestRejectableIsBounded(t *testing.T) {
	d := newDriver(t, Config{})
	for id := range uint64(1000) {
		d.notify(id, id, nonConfirmable)
		d.run(d.now.Sub(start) + unknownRTT)
	}
	if got := len(d.m.rejectable); got != maxRejectable {
		t.Errorf("%d are remembered", got)
	}
}

// Whatever an observer does, in whatever order: every notification gets one
// outcome (and at most a late reset besides), a message ID has one content, no more
// than NSTART and one for each kind are in flight, and when nothing more is to be
// said the newest value of every observation that was not given up has been
// acknowledged, rejected or met with silence.
func TestNotificationsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := newObserver(t, rt)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			o.step()
		}
		o.run(o.now.Sub(start) + 2*time.Hour)
		o.settled()
	})
}

// observer is the driver of a machine with an observer that does anything.
type observer struct {
	*driver
	rt       *rapid.T
	id       uint64
	outcomes map[uint64][]messages.NotifyOutcome
	contents map[uint16]string // of confirmable messages, by message ID
	mids     []uint16
	unheard  time.Time         // when the last one left that is not confirmable
	newest   map[uint64]uint64 // by observation
}

func newObserver(t *testing.T, rt *rapid.T) *observer {
	o := &observer{
		driver: newDriver(t, Config{MaxQueue: 3}), rt: rt,
		outcomes: map[uint64][]messages.NotifyOutcome{}, contents: map[uint16]string{}, newest: map[uint64]uint64{},
	}
	o.observe = o.note
	return o
}

func (o *observer) note(told any) {
	switch told := told.(type) {
	case messages.Notified:
		o.outcomes[told.ID] = append(o.outcomes[told.ID], told.Outcome)
	case send:
		msg, err := coap.Decode(told.data)
		if err != nil {
			o.rt.Fatal(err)
		}
		before, again := o.contents[msg.MID]
		if again && before != string(told.data) {
			o.rt.Fatalf("message ID %d has two contents", msg.MID)
		}
		if !again {
			o.outstanding(msg)
		}
		o.contents[msg.MID] = string(told.data)
		o.mids = append(o.mids, msg.MID)
	}
}

// outstanding demands that what leaves for the first time leaves alone: RFC 7641 section
// 4.5.1.
func (o *observer) outstanding(msg coap.Message) {
	if since := o.now.Sub(o.unheard); !o.unheard.IsZero() && since < cmp.Or(o.m.rtt, unknownRTT) {
		o.rt.Fatalf("%v after one that is not confirmable leaves another", since)
	}
	if msg.Type == coap.CON {
		return
	}
	if o.unheard = o.now; o.m.inFlight(kindNotification) > 0 {
		o.rt.Fatal("one leaves while another is not acknowledged")
	}
}

func (o *observer) step() {
	observation := rapid.Uint64Range(1, 5).Draw(o.rt, "observation")
	switch rapid.IntRange(0, 6).Draw(o.rt, "what") {
	case 0, 1, 2:
		o.id++
		o.newest[observation] = o.id
		edits := []func(*messages.Notify){}
		if rapid.Bool().Draw(o.rt, "NON") {
			edits = append(edits, nonConfirmable)
		}
		o.notify(o.id, observation, edits...)
	case 3:
		o.run(o.now.Sub(start) + time.Duration(rapid.IntRange(1, 20).Draw(o.rt, "seconds"))*time.Second)
	case 4, 5:
		if len(o.mids) == 0 {
			return
		}
		mid := rapid.SampledFrom(o.mids).Draw(o.rt, "mid")
		if rapid.Bool().Draw(o.rt, "reset") {
			o.rst(mid)
		} else {
			o.acknowledge(mid)
		}
	case 6:
		delete(o.newest, observation)
		o.in(messages.Unobserve{Epoch: epoch, Observation: observation})
	}
	if n := o.m.inFlight(kindNotification); n > o.m.cfg.NStart || len(o.m.notes) > o.m.cfg.MaxQueue+1 {
		o.rt.Fatalf("%d notifications in flight, %d wait", n, len(o.m.notes))
	}
}

func (o *observer) settled() {
	for id := uint64(1); id <= o.id; id++ {
		got := o.outcomes[id]
		late := len(got) == 2 && got[1] == messages.NotifyReset && (got[0] == messages.NotifySent || got[0] == messages.NotifySuperseded)
		if len(got) != 1 && !late {
			o.rt.Fatalf("notification %d: %v", id, got)
		}
	}
	for observation, id := range o.newest {
		if got := o.outcomes[id][0]; got == messages.NotifySuperseded {
			o.rt.Fatalf("the newest of observation %d, %d, was superseded", observation, id)
		}
	}
	if len(o.m.notes)+len(o.m.active)+len(o.m.rejectable) > 0 {
		o.rt.Fatal("something is left")
	}
}
