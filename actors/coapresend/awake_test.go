package coapresend

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// queued returns the driver of a link that is in queue mode from the start, and
// watches when it falls asleep and wakes up.
func queued(t *testing.T, cfg Config) (*driver, func(want ...string)) {
	d := newDriver(t, cfg)
	var said []string
	d.observe = func(message any) {
		switch message.(type) {
		case messages.LinkAsleep:
			said = append(said, d.now.Sub(start).String()+" asleep")
		case messages.LinkAwake:
			said = append(said, d.now.Sub(start).String()+" awake")
		}
	}
	d.in(messages.QueueMode{Epoch: epoch, On: true})
	return d, func(want ...string) {
		t.Helper()
		d.lines, said = said, nil
		d.expect(want...)
	}
}

// The window is MAX_TRANSMIT_WAIT by the parameters of the link.
func TestAwakeWindow(t *testing.T) {
	d, expect := queued(t, Config{})
	d.run(93*time.Second - 1)
	expect()
	d.run(time.Hour)
	expect("1m33s asleep")

	d, expect = queued(t, Config{AckTimeout: 10 * time.Second, MaxRetransmit: 1})
	d.run(time.Hour)
	expect("45s asleep")
}

// Every message in either direction begins a window of its own, also one that comes
// while the client is asleep: it is answered as ever.
func TestEveryMessageBeginsAWindow(t *testing.T) {
	d, expect := queued(t, Config{})
	d.run(80 * time.Second)
	d.peer(message(coap.ACK, messages.Empty, 1, nil))
	d.run(150 * time.Second)
	d.peer(message(coap.CON, messages.Empty, 5, nil)) // a ping
	d.run(243*time.Second - 1)
	expect()
	d.run(time.Hour)
	expect("4m3s asleep")
	d.peer(message(coap.NON, messages.GET, 6, []byte{1}, path("a")))
	d.answer(1, messages.Content)
	expect("1h0m0s awake")
	d.run(2 * time.Hour)
	expect("1h1m33s asleep")
	d.get(1)
	expect("2h0m0s awake")
}

// What cannot be decoded begins none, unless it is answered by a RST.
func TestMalformedMessagesWakeNobody(t *testing.T) {
	d, expect := queued(t, Config{})
	d.run(time.Hour)
	expect("1m33s asleep")
	d.raw(0x59, 0x01, 0x43, 0x21)
	expect()
	d.raw(0x49, 0x01, 0x43, 0x22)
	expect("1h0m0s awake")
}

// A client that waits for an answer is awake, for as long as that takes.
func TestAwakeWhileAnAnswerIsDue(t *testing.T) {
	d, expect := queued(t, Config{})
	d.get(1)
	d.peer(message(coap.ACK, messages.Empty, 100, nil))
	d.run(200 * time.Second)
	expect()
	d.peer(message(coap.CON, messages.Content, 9, token(1)))
	d.run(293*time.Second - 1)
	expect()
	d.run(time.Hour)
	expect("4m53s asleep")
}

// So is one whose own answer is still to come.
func TestAwakeWhileAHandlerWorks(t *testing.T) {
	d, expect := queued(t, Config{})
	d.peer(message(coap.NON, messages.GET, 6, []byte{1}, path("a")))
	d.run(100 * time.Second)
	expect()
	d.answer(1, messages.Content)
	d.run(time.Hour)
	expect("3m13s asleep")
}

// Resends belong to an exchange, and so does the wait for the last of them.
func TestAwakeUntilAnExchangeIsOver(t *testing.T) {
	d, expect := queued(t, Config{})
	d.get(1)
	d.run(time.Hour)
	expect("2m3s asleep") // 93 s after the last resend, at 30 s
}

// Without queue mode nothing is said, nor when it has ended.
func TestNoWindowWithoutQueueMode(t *testing.T) {
	d, expect := queued(t, Config{})
	d.in(messages.QueueMode{Epoch: epoch, On: true}) // once more, which is nothing new
	d.run(time.Minute)
	d.in(messages.QueueMode{Epoch: epoch})
	d.run(time.Hour)
	d.peer(message(coap.CON, messages.Empty, 5, nil))
	d.run(2 * time.Hour)
	expect()
	d.in(messages.QueueMode{Epoch: epoch + 1, On: true})
	d.run(3 * time.Hour)
	expect()
}
