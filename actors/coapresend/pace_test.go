package coapresend

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Without an estimate of the round-trip time, notifications that are not confirmable
// leave 3 s apart, the newest of each observation (RFC 7641 section 4.5.1).
func TestNonConfirmableNotificationsKeepTheirDistance(t *testing.T) {
	d := newDriver(t, Config{MaxQueue: 2})
	for id := uint64(1); id <= 3; id++ {
		d.notify(id, id, nonConfirmable)
	}
	d.notify(4, 2, nonConfirmable) // in place of 2
	d.notify(5, 4, nonConfirmable) // one too many
	d.run(time.Second)
	d.in(messages.Unobserve{Epoch: epoch, Observation: 3})
	d.run(time.Minute)
	d.notify(6, 1, nonConfirmable)
	d.expect(
		"0s send NON 2.05 mid=100 token=01 observe=1 [1]",
		"0s notified 1 sent",
		"0s notified 2 superseded",
		"0s notified 5 dropped",
		"1s notified 3 superseded",
		"3s send NON 2.05 mid=101 token=02 observe=4 [1]",
		"3s notified 4 sent",
		"1m0s send NON 2.05 mid=102 token=01 observe=6 [1]",
		"1m0s notified 6 sent",
	)
}

// A round trip that was measured is the distance; one of a message that was sent twice
// measures nothing.
func TestRoundTripsSetTheDistance(t *testing.T) {
	d := newDriver(t, Config{})
	d.notify(1, 7)
	d.run(2500 * time.Millisecond)
	d.acknowledge(100)
	if d.m.rtt != 0 {
		t.Error("what was sent twice is measured")
	}
	d.notify(2, 7)
	d.run(3 * time.Second) // half a second later
	d.acknowledge(101)
	for id := uint64(3); id <= 5; id++ {
		d.notify(id, id, nonConfirmable)
	}
	d.notify(6, 5) // what is confirmable does not wait
	d.lines = nil
	d.run(3400 * time.Millisecond)
	d.acknowledge(103)
	d.run(time.Hour)
	d.expect(
		"3.4s notified 6 acknowledged",
		"3.5s send NON 2.05 mid=104 token=04 observe=4 [1]",
		"3.5s notified 4 sent",
	)
	if want := 500*time.Millisecond - 100*time.Millisecond/8; d.m.rtt != want {
		t.Errorf("the round trip is taken for %v, want %v", d.m.rtt, want)
	}
}
