package coapresend

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// imageSize is larger than what any of these tests fetches.
const imageSize = 20 << 10

// gather asks for an image of which four blocks are a part, and gets the first block.
func gather(t *testing.T) *driver {
	d := newDriver(t, Config{})
	d.in(messages.Request{
		Epoch: epoch, ID: 1, For: messages.ForUpdate, Code: messages.GET, Path: []string{"fw"}, Stream: true, Gather: 4096,
	})
	d.blocks(0, 1)
	return d
}

// blocks answers what is asked for with blocks of the image, as fast as they are asked for.
func (d *driver) blocks(from, to int, more ...edit) {
	for num := from; num < to; num++ {
		d.ack(messages.Content, append(more, block2(uint32(num), true, 6), part(imageSize, num*1024, (num+1)*1024))...)
	}
}

// parts are the lines that are about what the requester is told.
func (d *driver) parts() {
	kept := d.lines[:0]
	for _, line := range d.lines {
		if strings.Contains(line, " update: ") {
			kept = append(kept, line)
		}
	}
	d.lines = kept
}

// image returns the bytes that were told, whose order the machine vouches for.
func (d *driver) imageTold() (all []byte) {
	for _, message := range d.told {
		if part, ok := message.(messages.ResponseBlock); ok {
			if part.Offset != uint64(len(all)) {
				d.t.Fatalf("a part at %d after %d bytes", part.Offset, len(all))
			}
			all = append(all, part.Data...)
		}
	}
	return all
}

// Blocks that come fast are told together, but for the first, with what the peer says of the
// image; and no more of them than its requester has asked for, and one part ahead.
func TestGatherFastBlocks(t *testing.T) {
	d := gather(t)
	d.expect("0s send CON 0.01 mid=100 token=01 /fw size2=0", "0s update: part 1 at 0 [1024]", "0s send CON 0.01 mid=101 token=02 /fw b2=1/0/1024")
	d.blocks(1, 4)
	d.imageMore() // before the part is full: it is told when it is
	d.blocks(4, 5)
	d.parts()
	d.expect("0s update: part 1 at 1024 [4096]")
	d.blocks(5, 9)
	d.run(time.Minute)
	d.parts()
	d.expect() // nobody has asked for that one
	if len(d.m.stalled) != 1 || len(d.m.active) != 0 {
		t.Fatalf("%d stalled and %d in flight: the peer is asked for more", len(d.m.stalled), len(d.m.active))
	}
	d.imageMore()
	d.imageMore()
	d.blocks(9, 10)
	d.ack(messages.Content, block2(10, false, 6), part(imageSize, 10240, 10800))
	d.parts()
	d.expect("1m0s update: part 1 at 5120 [4096]", "1m0s update: part 1 at 9216 [1584]", "1m0s update: response 1 2.05")
	if !bytes.Equal(d.imageTold(), pattern(imageSize)[:10800]) {
		t.Error("other bytes were told than came")
	}
	d.wantNoCalls()
}

// Blocks that come slowly are told one by one, and one is asked for ahead.
func TestGatherSlowBlocks(t *testing.T) {
	d := gather(t)
	for num := 1; num < 4; num++ {
		d.run(time.Duration(num) * gatherFor)
		if num != 3 {
			d.imageMore()
		}
		d.blocks(num, num+1)
	}
	d.run(time.Minute)
	d.lines = d.lines[2:]
	d.expect(
		"0s send CON 0.01 mid=101 token=02 /fw b2=1/0/1024",
		"50ms update: part 1 at 1024 [1024]",
		"50ms send CON 0.01 mid=102 token=03 /fw b2=2/0/1024",
		"100ms update: part 1 at 2048 [1024]",
		"100ms send CON 0.01 mid=103 token=04 /fw b2=3/0/1024",
	)
	d.imageMore()
	d.parts()
	d.expect("1m0s update: part 1 at 3072 [1024]")
	d.imageMore()
	d.blocks(4, 5)
	d.imageMore()
	d.run(2 * time.Minute)
	d.parts()
	d.expect("1m2s update: part 1 at 4096 [1024]") // with what is asked for again
}

// What has been gathered is told before anything is waited for that may be long: a resend, and
// what the peer has only acknowledged.
func TestGatheredIsNotHeldBack(t *testing.T) {
	t.Run("resend", func(t *testing.T) {
		d := gather(t)
		d.imageMore()
		d.blocks(1, 3)
		d.run(3 * time.Second)
		d.parts()
		d.expect("0s update: part 1 at 0 [1024]", "2s update: part 1 at 1024 [2048]")
		if !d.lastPart().Next {
			t.Error("no more is to come")
		}
	})
	t.Run("acknowledged", func(t *testing.T) {
		d := gather(t)
		d.imageMore()
		d.blocks(1, 3)
		d.peer(coap.EmptyACK(103))
		d.parts()
		d.expect("0s update: part 1 at 0 [1024]", "0s update: part 1 at 1024 [2048]")
	})
	t.Run("not asked for", func(t *testing.T) {
		d := gather(t)
		d.blocks(1, 3)
		d.run(3 * time.Second)
		d.parts()
		d.expect("0s update: part 1 at 0 [1024]")
	})
}

// However a transfer ends, what has come is told before that, once.
func TestGatheredIsToldAtTheEnd(t *testing.T) {
	tests := map[string]struct {
		end  func(*driver)
		want string
	}{
		"error":     {func(d *driver) { d.ack(messages.ServiceUnavailable) }, "0s update: response 1 5.03"},
		"reset":     {func(d *driver) { d.peer(coap.Reset(103)) }, "0s update: failed 1 reset by the peer"},
		"broken":    {func(d *driver) { d.blocks(7, 8) }, "0s update: failed 1 block-wise transfer broken"},
		"changed":   {func(d *driver) { d.blocks(3, 4, etag("other")) }, "0s update: failed 1 body changed"},
		"exhausted": {func(d *driver) { d.run(time.Hour) }, "1m2s update: failed 1 resends exhausted"},
		"empty":     {func(d *driver) { d.ack(messages.Content, block2(3, false, 6)) }, "0s update: response 1 2.05"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := gather(t)
			d.blocks(1, 3)
			d.lines = nil
			test.end(d)
			d.parts()
			at, _, _ := strings.Cut(test.want, " ")
			d.expect(fmt.Sprint(at, " update: part 1 at 1024 [2048]"), test.want)
			if d.lastPart().Next {
				t.Error("more is to come")
			}
			d.wantNoCalls()
		})
	}
}

// A requester that does not ask again loses nothing of what was gathered; one that gives up
// gets no more of it.
func TestGatherStallsAndEnds(t *testing.T) {
	d := gather(t)
	d.blocks(1, 5)
	d.lines = nil
	d.run(time.Hour)
	d.expect("4m7s update: part 1 at 1024 [4096]", "4m7s update: failed 1 next part not asked for")
	d.wantNoCalls()

	for _, to := range []int{3, 5} {
		d := gather(t)
		d.blocks(1, to)
		d.lines = nil
		d.in(messages.Cancel{Epoch: epoch, ID: 1, For: messages.ForUpdate})
		d.run(time.Hour)
		d.expect()
		d.wantNoCalls()
	}
}

// A part is no larger than asked for but for the last block of it, however small the blocks:
// its memory is there once.
func TestGatherIsBounded(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 64})
	d.in(messages.Request{
		Epoch: epoch, ID: 1, For: messages.ForUpdate, Code: messages.GET, Path: []string{"fw"}, Stream: true, Gather: 1000,
	})
	for num := range 40 {
		d.imageMore()
		d.ack(messages.Content, block2(uint32(num), true, 2), part(imageSize, num*64, num*64+64))
	}
	d.parts()
	d.expect("0s update: part 1 at 0 [64]", "0s update: part 1 at 64 [1024]", "0s update: part 1 at 1088 [1024]")
	if !bytes.Equal(d.imageTold(), pattern(imageSize)[:2112]) {
		t.Error("other bytes were told than came")
	}
}
