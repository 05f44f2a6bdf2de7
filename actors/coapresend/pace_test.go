package coapresend

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// Without an estimate of the round-trip time, notifications that are not confirmable
// leave 3 s apart, the newest of each observation (RFC 7641 section 4.5.1). One that has
// waited for that is made confirmable, to have an estimate.
func TestNonConfirmableNotificationsKeepTheirDistance(t *testing.T) {
	d := newDriver(t, Config{MaxQueue: 2})
	for id := uint64(1); id <= 3; id++ {
		d.notify(id, id, nonConfirmable)
	}
	d.notify(4, 2, nonConfirmable) // in place of 2
	d.notify(5, 4, nonConfirmable) // one too many
	d.run(time.Second)
	d.in(messages.Unobserve{Epoch: epoch, Observation: 3})
	d.run(3100 * time.Millisecond)
	d.acknowledge(101)
	d.run(time.Minute)
	d.notify(6, 1, nonConfirmable)
	d.expect(
		"0s send NON 2.05 mid=100 token=01 observe=1 [1]",
		"0s notified 1 sent",
		"0s notified 2 superseded",
		"0s notified 5 dropped",
		"1s notified 3 superseded",
		"3s send CON 2.05 mid=101 token=02 observe=4 [1]",
		"3.1s notified 4 acknowledged",
		"1m0s send NON 2.05 mid=102 token=01 observe=6 [1]",
		"1m0s notified 6 sent",
	)
}

// A round trip that was measured is the distance, also to what is confirmable; one of a
// message that was sent twice measures nothing.
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
	d.notify(6, 5) // takes the place of what waits
	d.lines = nil
	d.run(4400 * time.Millisecond)
	d.notify(7, 8, nonConfirmable)
	d.acknowledge(104)
	d.run(time.Hour)
	d.expect(
		"3.5s send NON 2.05 mid=103 token=04 observe=4 [1]",
		"3.5s notified 4 sent",
		"4s send CON 2.05 mid=104 token=05 observe=6 [1]",
		"4.4s notified 6 acknowledged",
		"4.4s send NON 2.05 mid=105 token=08 observe=7 [1]",
		"4.4s notified 7 sent",
	)
	if want := 500*time.Millisecond - 100*time.Millisecond/8; d.m.rtt != want {
		t.Errorf("the round trip is taken for %v, want %v", d.m.rtt, want)
	}
}

// streaming is a driver whose round trip was taken for what a crowded start took.
func streaming(t *testing.T, crowded time.Duration) *driver {
	d := newDriver(t, Config{})
	d.get(1)
	d.run(crowded)
	d.peer(message(coap.ACK, messages.Changed, 100, token(1)))
	d.expect("0s send CON 0.01 mid=100 token=01 /a", crowded.String()+" response 1 2.04")
	return d
}

// streamed is what has left of a stream: how many, and when those that are confirmable did.
type streamed struct {
	left   int
	probes []time.Duration
}

// stream tells values at a pace for a while. What is confirmable is acknowledged after a
// round trip.
func (d *driver) stream(every, during, roundTrip time.Duration) (out streamed) {
	begun := d.now.Sub(start)
	var acknowledge time.Duration
	for at := begun; at < begun+during; at += every {
		d.run(at)
		d.notify(uint64(at/time.Millisecond)%messages.MaxSequence, 7, nonConfirmable)
		for _, line := range d.lines {
			if strings.Contains(line, " send ") {
				out.left++
			}
			if strings.Contains(line, " send CON") {
				out.probes = append(out.probes, at)
				acknowledge = at + roundTrip
			}
		}
		if d.lines = nil; len(d.m.active) > 0 && at >= acknowledge {
			d.acknowledge(d.m.active[0].message.MID)
		}
	}
	return out
}

// Notifications that follow each other fast rely on the round-trip time: one in a minute
// measures it, and the pace follows, up and down.
func TestThePaceFollowsTheNetwork(t *testing.T) {
	d := streaming(t, 100*time.Millisecond)
	if first := d.stream(20*time.Millisecond, time.Minute, 0); first.left < 590 || first.left > 600 || len(first.probes) > 0 {
		t.Errorf("in the first minute %d have left, %d of them confirmable", first.left, len(first.probes))
	}
	then := d.stream(20*time.Millisecond, 2*time.Minute, 20*time.Millisecond)
	if then.left < 5990 || len(then.probes) != 2 {
		t.Fatalf("then %d have left, %d of them confirmable", then.left, len(then.probes))
	}
	if after := then.probes[1] - then.probes[0]; after < probeEvery || after > probeEvery+time.Second {
		t.Errorf("the second is measured after %v", after)
	}
	d.stream(20*time.Millisecond, time.Minute, time.Second)
	if slow := d.stream(20*time.Millisecond, time.Minute, time.Second); slow.left > 61 || len(slow.probes) != 1 {
		t.Errorf("%d have left in a minute on a network that takes a second, %d of them confirmable", slow.left, len(slow.probes))
	}
}

// What comes slowly, or is over soon, needs no estimate, and stays as it is.
func TestSlowNotificationsMeasureNothing(t *testing.T) {
	d := streaming(t, 100*time.Millisecond)
	if slow := d.stream(unknownRTT, time.Hour, 0); slow.left != 1200 || len(slow.probes) > 0 {
		t.Errorf("%d have left, %d of them confirmable", slow.left, len(slow.probes))
	}
	for range 10 {
		d.run(d.now.Sub(start) + time.Hour)
		if short := d.stream(time.Second, probeEvery, 0); short.left != 60 || len(short.probes) > 0 {
			t.Errorf("%d have left, %d of them confirmable", short.left, len(short.probes))
		}
	}
}

// A server that does not acknowledge what measures the round trip is told nothing else
// until it does, and its silence is noticed.
func TestTheSilenceOfAStreamIsNoticed(t *testing.T) {
	d := streaming(t, 100*time.Millisecond)
	d.stream(time.Second, probeEvery+2*time.Second, time.Hour)
	if len(d.m.active) != 1 {
		t.Fatal("nothing is measured")
	}
	for at := d.now.Sub(start); at < 10*time.Minute; at += time.Second {
		d.run(at)
		d.notify(uint64(at/time.Millisecond), 8, nonConfirmable)
	}
	silent := slices.IndexFunc(d.lines, func(line string) bool { return strings.HasSuffix(line, " silence") })
	if silent < 0 {
		t.Fatal("nobody is told")
	}
	if at := slices.IndexFunc(d.lines[:silent], func(line string) bool { return strings.Contains(line, "send NON") }); at >= 0 {
		t.Errorf("it says on: %s", d.lines[at])
	}
}
