package coapresend

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// image asks for an image from an offset on.
func (d *driver) image(from uint64) {
	d.in(messages.Request{
		Epoch: epoch, ID: 1, For: messages.ForUpdate, Code: messages.GET, Path: []string{"fw"}, Stream: true, From: from,
	})
}

// imageMore asks for the next part of it.
func (d *driver) imageMore() { d.in(messages.More{Epoch: epoch, ID: 1, For: messages.ForUpdate}) }

// lastPart returns the part of a body that was told last.
func (d *driver) lastPart() messages.ResponseBlock {
	d.t.Helper()
	for _, message := range slices.Backward(d.told) {
		if part, ok := message.(messages.ResponseBlock); ok {
			return part
		}
	}
	d.t.Fatal("no part was told")
	return messages.ResponseBlock{}
}

// A download goes on where it ended: RFC 7959 section 2.4 lets a client ask for any block.
func TestImageFromOffset(t *testing.T) {
	d := newDriver(t, Config{})
	d.image(2048)
	d.ack(messages.Content, etag("e"), uintOption(coap.Size2, 3500), block2(2, true, 6), part(3500, 2048, 3072))
	if got := d.lastPart(); string(got.ETag) != "e" || got.Size == nil || *got.Size != 3500 || !bytes.Equal(got.Data, pattern(3500)[2048:3072]) {
		t.Errorf("the first part is %+v", got)
	}
	d.imageMore()
	d.ack(messages.Content, etag("e"), uintOption(coap.Size2, 3500), block2(3, false, 6), part(3500, 3072, 3500))
	if got := d.lastPart(); got.ETag != nil || got.Size != nil {
		t.Errorf("the second part is %+v", got)
	}
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /fw b2=2/0/1024 size2=0",
		"0s update: part 1 at 2048 [1024]",
		"0s send CON 0.01 mid=101 token=02 /fw b2=3/0/1024",
		"0s update: part 1 at 3072 [428]",
		"0s update: response 1 2.05",
	)
	d.wantNoCalls()
}

// The block that is asked for has our size, which the peer may shrink: then NUM counts in
// its own.
func TestImageFromOffsetInSmallerBlocks(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 512})
	d.image(2048)
	d.ack(messages.Content, block2(32, true, 2), part(3500, 2048, 2112))
	d.imageMore()
	d.ack(messages.Content, block2(33, true, 2), part(3500, 2112, 2176))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /fw b2=4/0/512 size2=0",
		"0s update: part 1 at 2048 [64]",
		"0s send CON 0.01 mid=101 token=02 /fw b2=33/0/64",
		"0s update: part 1 at 2112 [64]",
	)
}

// What may come in place of the block from which an image is to go on. A peer that has no
// such block is told from one that fails: there the image is fetched from its beginning.
func TestImageFromOffsetRefused(t *testing.T) {
	tests := []struct {
		name  string
		code  messages.CoAPCode
		edits []edit
		want  string
	}{
		{"all of a small body", messages.Content, []edit{payload([]byte("small"))}, "failed 1 body changed"},
		{"nothing at all", messages.Content, nil, "failed 1 body changed"},
		{"the first block", messages.Content, []edit{block2(0, true, 6), part(1024, 0, 1024)}, "failed 1 body changed"},
		{"the first block, smaller", messages.Content, []edit{block2(0, true, 0), part(16, 0, 16)}, "failed 1 body changed"},
		{"the same number of smaller blocks", messages.Content, []edit{block2(2, true, 5), part(512, 0, 512)}, "failed 1 block-wise transfer broken"},
		{"the block after it", messages.Content, []edit{block2(3, true, 6), part(1024, 0, 1024)}, "failed 1 block-wise transfer broken"},
		{"SZX 7", messages.Content, []edit{block2(1, true, 7), payload(make([]byte, 2048))}, "failed 1 block-wise transfer broken"},
		{"short", messages.Content, []edit{block2(2, true, 6), payload([]byte("x"))}, "failed 1 block-wise transfer broken"},
		{"an error", messages.BadRequest, []edit{payload([]byte("no such block"))}, "response 1 4.00 [13]"},
		{"an error in blocks", messages.NotFound, []edit{block2(0, true, 0), part(16, 0, 16)}, "response 1 4.04 [16]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.image(2048)
			d.lines = nil
			d.ack(test.code, test.edits...)
			d.expect("0s update: " + test.want)
			d.wantNoCalls()
		})
	}
}

// An error is no part of an image, even where it comes in blocks, and ends it also half way.
func TestImageError(t *testing.T) {
	d := newDriver(t, Config{})
	d.image(0)
	d.ack(messages.NotFound, block2(0, true, 6), part(2000, 0, 1024))
	d.expect("0s send CON 0.01 mid=100 token=01 /fw size2=0", "0s update: response 1 4.04 [1024]")

	d.image(0)
	d.ack(messages.Content, block2(0, true, 6), part(2000, 0, 1024))
	d.imageMore()
	d.lines = nil
	d.ack(messages.ServiceUnavailable, uintOption(coap.MaxAge, 30))
	d.expect("0s update: response 1 5.03")
	if got := d.lastResponse(); got.MaxAge == nil || *got.MaxAge != 30 {
		t.Errorf("response %+v", got)
	}
	d.wantNoCalls()
}

// Another entity tag half way is another image.
func TestImageChanges(t *testing.T) {
	d := newDriver(t, Config{})
	d.image(1024)
	d.ack(messages.Content, etag("a"), block2(1, true, 6), part(5000, 1024, 2048))
	d.imageMore()
	d.lines = nil
	d.ack(messages.Content, etag("b"), block2(2, true, 6), part(5000, 2048, 3072))
	d.expect("0s update: failed 1 body changed")
	d.wantNoCalls()
}

// An offset that no block has, or that no request can name, sends nothing.
func TestImageFromImpossibleOffset(t *testing.T) {
	for from, want := range map[uint64]string{
		1:                  "request cannot be encoded",
		1024 + 512:         "request cannot be encoded",
		1024 * (1 << 20):   "body too large",
		1<<64 - 1024:       "body too large",
		1024 * (1<<20 - 1): "",
	} {
		d := newDriver(t, Config{})
		d.image(from)
		if want == "" {
			d.expect("0s send CON 0.01 mid=100 token=01 /fw b2=1048575/0/1024 size2=0")
			continue
		}
		d.expect("0s update: failed 1 " + want)
		d.wantNoCalls()
	}
	d := newDriver(t, Config{BlockSize: 16}) // NUM counts in our blocks
	d.image(1024 * (1 << 14))
	d.expect("0s update: failed 1 body too large")
}

// What is not streamed has no offset.
func TestOffsetWithoutStream(t *testing.T) {
	d := newDriver(t, Config{})
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}, From: 1024})
	d.ack(messages.Content, payload([]byte("x")))
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s response 1 2.05 [1]")
}

// The owner and update use the same ID: what asks for more, gives up, or runs out of
// patience, is kept apart.
func TestImageHasIDsOfItsOwn(t *testing.T) {
	begin := func() *driver {
		d := download(t, Config{})
		d.run(time.Minute)
		d.image(0)
		d.ack(messages.Content, block2(0, true, 6), part(2500, 0, 1024))
		d.expect("1m0s send CON 0.01 mid=101 token=02 /fw size2=0", "1m0s update: part 1 at 0 [1024]")
		return d
	}
	t.Run("more", func(t *testing.T) {
		d := begin()
		d.imageMore()
		d.imageMore()
		d.ack(messages.Content, block2(1, false, 6), part(1500, 1024, 1500))
		d.in(messages.More{Epoch: epoch, ID: 1})
		d.ack(messages.Content, block2(1, false, 6), part(1500, 1024, 1500))
		d.expect(
			"1m0s send CON 0.01 mid=102 token=03 /fw b2=1/0/1024", "1m0s update: part 1 at 1024 [476]", "1m0s update: response 1 2.05",
			"1m0s send CON 0.01 mid=103 token=04 /a b2=1/0/1024", "1m0s part 1 at 1024 [476]", "1m0s response 1 2.05",
		)
		d.wantNoCalls()
	})
	t.Run("cancel", func(t *testing.T) {
		d := begin()
		d.in(messages.Cancel{Epoch: epoch, ID: 1, For: messages.ForUpdate})
		d.imageMore()
		d.run(time.Hour)
		d.expect("4m7s failed 1 next part not asked for")
		d.wantNoCalls()
	})
	t.Run("cancel in flight", func(t *testing.T) {
		d := begin()
		d.imageMore()
		d.in(messages.More{Epoch: epoch, ID: 1})
		d.in(messages.Cancel{Epoch: epoch, ID: 1})
		d.lines = nil
		d.ack(messages.Content, block2(1, false, 6), part(1500, 1024, 1500))
		d.expect("1m0s update: part 1 at 1024 [476]", "1m0s update: response 1 2.05")
		d.wantNoCalls()
	})
	t.Run("stall", func(t *testing.T) {
		d := begin()
		d.run(time.Hour)
		d.expect("4m7s failed 1 next part not asked for", "5m7s update: failed 1 next part not asked for")
		d.wantNoCalls()
	})
}

// Nobody follows the blocks of an image one by one.
func TestImageTellsNoSteps(t *testing.T) {
	d := newDriver(t, Config{})
	d.image(0)
	d.run(5 * time.Second)
	d.peer(coap.EmptyACK(100))
	if len(d.steps) > 0 {
		t.Errorf("steps %q", d.steps)
	}
}

// An Update that the owner sends while an image comes block by block leaves when the block
// in flight is there, before the next is asked for, and so does every one after it.
func TestImageGivesWay(t *testing.T) {
	d := newDriver(t, Config{})
	d.image(0)
	answer := func(num uint32) {
		d.run(d.now.Sub(start) + time.Second) // the peer is slow
		d.ack(messages.Content, block2(num, true, 6), part(9000, int(num)*1024, int(num+1)*1024))
	}
	for num := range uint32(3) {
		answer(num)
		d.imageMore()
	}
	d.lines = nil
	d.put(4)
	d.get(2)
	answer(3) // the slot goes to the owner
	d.imageMore()
	d.run(5 * time.Second)
	d.ack(messages.Changed) // of the PUT
	d.get(3)
	d.ack(messages.Content) // of the GET
	d.ack(messages.Content)
	answer(4)
	d.expect(
		"4s update: part 1 at 3072 [1024]",
		"4s send CON 0.03 mid=104 token=05 /a [4]",
		"5s response 1 2.04",
		"5s send CON 0.01 mid=105 token=06 /a",
		"5s response 2 2.05",
		"5s send CON 0.01 mid=106 token=08 /a",
		"5s response 3 2.05",
		"5s send CON 0.01 mid=107 token=07 /fw b2=4/0/1024",
		"6s update: part 1 at 4096 [1024]",
	)
}

// The next block of what the owner sends does not wait for an image either.
func TestImageGivesWayToBlocks(t *testing.T) {
	d := newDriver(t, Config{})
	d.image(0)
	d.put(1500)
	d.ack(messages.Content, block2(0, true, 6), part(9000, 0, 1024))
	d.imageMore()
	d.ack(messages.Continue, block1(0, true, 6))
	d.ack(messages.Changed, block1(1, false, 6))
	d.lines = d.lines[2:]
	d.expect(
		"0s send CON 0.03 mid=101 token=02 /a b1=0/1/1024 size1=1500 [1024]",
		"0s send CON 0.03 mid=102 token=04 /a b1=1/0/1024 [476]",
		"0s response 1 2.04",
		"0s send CON 0.01 mid=103 token=03 /fw b2=1/0/1024",
	)
}

// A peer that has nothing to say about an image, and that is asked again, holds up an
// Update and a notification no longer than until then.
func TestImageUnansweredHoldsUpNothing(t *testing.T) {
	d := newDriver(t, Config{})
	d.image(0)
	d.run(time.Second)
	d.put(4)
	d.get(2)
	d.in(messages.Notify{Epoch: epoch, ID: 7, Observation: 3, Token: token(9), Code: messages.Content, Confirmable: true})
	d.run(3 * time.Second)
	d.peer(message(coap.ACK, messages.Changed, 101, token(2)))
	d.peer(message(coap.ACK, messages.Content, 102, token(3)))
	d.peer(coap.EmptyACK(103))
	d.get(3)
	d.run(20 * time.Second)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /fw size2=0",
		"2s send CON 0.01 mid=100 token=01 /fw size2=0",
		"2s send CON 0.03 mid=101 token=02 /a [4]",
		"3s response 1 2.04",
		"3s send CON 0.01 mid=102 token=03 /a",
		"3s response 2 2.05",
		"3s send CON 2.05 mid=103 token=09 observe=0",
		"3s notified 7 acknowledged",
		"3s send CON 0.01 mid=104 token=04 /a",
		"5s send CON 0.01 mid=104 token=04 /a",
		"6s send CON 0.01 mid=100 token=01 /fw size2=0",
		"9s send CON 0.01 mid=104 token=04 /a",
		"14s send CON 0.01 mid=100 token=01 /fw size2=0",
		"17s send CON 0.01 mid=104 token=04 /a",
	)
}

// An image waits for all requests in flight, also where it is asked again elsewhere.
func TestImageWaitsForOwner(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.image(0)
	d.run(3 * time.Second) // the request of the owner is sent again
	d.ack(messages.Content)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a", "2s send CON 0.01 mid=100 token=01 /a",
		"3s response 1 2.05", "3s send CON 0.01 mid=101 token=02 /fw size2=0",
	)
}

// A fast download of a large image leaves message IDs for everything else on a management
// link; on a link of its own it has them all.
func TestImageLeavesMessageIDs(t *testing.T) {
	for peer, most := range map[messages.Peer]uint64{messages.ManagementPeer(1): midsForImages, messages.DownloadPeer(1): midSpace} {
		d := newDriver(t, Config{})
		d.m.cfg.Peer = peer
		for range most - 1 {
			d.m.mids.next(d.now, lifetime, d.m.rnd, midSpace)
		}
		d.image(0)
		d.ack(messages.Content, block2(0, true, 6), part(9000, 0, 1024))
		d.imageMore()
		d.get(2)
		d.run(10 * time.Minute)
		var got []string
		for _, line := range d.lines {
			if at, rest, _ := strings.Cut(line, " send CON 0.01 "); rest != "" {
				got = append(got, fmt.Sprint(at, " ", rest[strings.Index(rest, "/"):]))
			}
		}
		d.lines = got
		if most == midsForImages {
			d.lines = got[:6]
			d.expect("0s /fw size2=0", "0s /a", "2s /a", "6s /a", "14s /a", "30s /a")
			d.lines = got[6:7]
			d.expect("4m10.859375s /fw b2=1/0/1024")
			continue
		}
		d.lines = got[:2]
		d.expect("0s /fw size2=0", "4m10.859375s /a")
	}
}

// A server that only has an image gets nothing: its short server ID is no management
// server's.
func TestImageServerMayAskForNothing(t *testing.T) {
	d := newDriver(t, Config{})
	d.m.cfg.Peer = messages.DownloadPeer(1)
	d.peer(read(7))
	d.peer(post(8, block1(0, true, 0), payload(make([]byte, 16))))
	d.peer(message(coap.NON, messages.GET, 9, token(1), path("3", "0")))
	d.peer(read(7))
	d.expect("0s send RST 0.00 mid=7", "0s send RST 0.00 mid=8", "0s send RST 0.00 mid=7")
	if len(d.m.entries)+len(d.m.uploads) > 0 {
		t.Error("requests are kept")
	}
}
