package coapresend

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// download asks for a streamed body and gets its first block.
func download(t *testing.T, cfg Config) *driver {
	d := newDriver(t, cfg)
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}, Stream: true})
	d.ack(messages.Content, block2(0, true, 6), part(2500, 0, 1024))
	d.lines = nil
	return d
}

// A slow owner has one part at most: nothing is asked of the peer before the owner
// asks for it, whoever else asks.
func TestStreamIsPulled(t *testing.T) {
	d := download(t, Config{})
	d.in(messages.More{Epoch: epoch + 1, ID: 1})
	d.in(messages.More{Epoch: epoch, ID: 2})
	d.in(messages.More{Epoch: epoch, ID: 1, Upload: true})
	d.run(4 * time.Minute)
	d.expect()
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.ack(messages.Content, block2(1, true, 6), part(2500, 1024, 2048))
	d.run(8 * time.Minute)
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.ack(messages.Content, block2(2, false, 6), part(2500, 2048, 2500))
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.expect(
		"4m0s send CON 0.01 mid=101 token=02 /a b2=1/0/1024",
		"4m0s part 1 at 1024 [1024]",
		"8m0s send CON 0.01 mid=102 token=03 /a b2=2/0/1024",
		"8m0s part 1 at 2048 [452]",
		"8m0s response 1 2.05",
	)
}

// While an owner deals with a part, other requests go on.
func TestStreamHoldsUpNothing(t *testing.T) {
	d := download(t, Config{})
	d.get(2)
	d.ack(messages.Content, payload([]byte("x")))
	d.expect("0s send CON 0.01 mid=101 token=02 /a", "0s response 2 2.05 [1]")
}

// An owner that never asks again ends its transfer, and is told.
func TestStreamStalls(t *testing.T) {
	d := download(t, Config{MaxQueue: 1})
	d.run(time.Hour)
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.expect("4m7s failed 1 next part not asked for")
	if d.m.calls != 0 || len(d.m.stalled) != 0 {
		t.Errorf("%d calls and %d stalled are left", d.m.calls, len(d.m.stalled))
	}
}

// A request can be given up wherever it is: stalled, in flight, acknowledged, or
// waiting. What comes for it later is nobody's, and its place is free.
func TestCancel(t *testing.T) {
	cancel := messages.Cancel{Epoch: epoch, ID: 1}
	t.Run("stalled", func(t *testing.T) {
		d := download(t, Config{})
		d.in(messages.Cancel{Epoch: epoch + 1, ID: 1})
		d.in(cancel)
		d.in(messages.More{Epoch: epoch, ID: 1})
		d.run(time.Hour)
		d.expect()
		d.wantNoCalls()
	})
	t.Run("in flight", func(t *testing.T) {
		d := download(t, Config{})
		d.in(messages.More{Epoch: epoch, ID: 1})
		d.get(2)
		d.in(cancel)
		d.ack(messages.Content, payload([]byte("x")))
		d.peer(message(coap.CON, messages.Content, 9, token(2)))
		d.run(time.Hour)
		d.expect(
			"0s send CON 0.01 mid=101 token=02 /a b2=1/0/1024",
			"0s send CON 0.01 mid=102 token=03 /a",
			"0s response 2 2.05 [1]",
			"0s send RST 0.00 mid=9",
		)
		d.wantNoCalls()
	})
	t.Run("acknowledged", func(t *testing.T) {
		d := newDriver(t, Config{})
		d.get(1)
		d.peer(coap.EmptyACK(100))
		d.in(cancel)
		d.run(time.Hour)
		d.expect("0s send CON 0.01 mid=100 token=01 /a")
		d.wantNoCalls()
	})
	t.Run("waiting", func(t *testing.T) {
		d := newDriver(t, Config{})
		d.get(2)
		d.get(1)
		d.in(cancel)
		d.ack(messages.Content)
		d.in(cancel)
		d.run(time.Hour)
		d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s response 2 2.05")
		d.wantNoCalls()
	})
}

func (d *driver) wantNoCalls() {
	d.t.Helper()
	if d.m.calls != 0 || len(d.m.active)+len(d.m.queue)+len(d.m.stalled) != 0 {
		d.t.Errorf("%d calls, %d active, %d queued, %d stalled are left", d.m.calls, len(d.m.active), len(d.m.queue), len(d.m.stalled))
	}
}
