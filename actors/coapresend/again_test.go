package coapresend

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// resent is a message under a new message ID, and a new token.
func resent(msg coap.Message, mid uint16) coap.Message {
	msg.MID, msg.Token = mid, []byte{byte(mid)}
	return msg
}

// A peer that resends whole exchanges, and not messages, gets on: its block is
// answered as before, and taken once.
func TestBlockAgain(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(blockOf(2500, 0))
	d.peer(resent(blockOf(2500, 0), 0x51))
	d.peer(blockOf(2500, 1))
	d.peer(resent(blockOf(2500, 1), 0x52))
	d.peer(resent(blockOf(2500, 1), 0x53))
	d.peer(blockOf(2500, 2))
	d.expect(
		"0s send ACK 2.31 mid=10 token=01 b1=0/1/1024",
		"0s send ACK 2.31 mid=81 token=51 b1=0/1/1024",
		"0s send ACK 2.31 mid=11 token=02 b1=1/1/1024",
		"0s send ACK 2.31 mid=82 token=52 b1=1/1/1024",
		"0s send ACK 2.31 mid=83 token=53 b1=1/1/1024",
		"0s inbound 0.03 /0/0 [2500]",
	)
	if !bytes.Equal(d.lastInbound().Payload, pattern(2500)) {
		t.Error("the body is another one")
	}
}

// The last block carries the request out: once, however often it comes. All get the
// one answer, those too that come while it is not there yet.
func TestLastBlockAgain(t *testing.T) {
	d := newDriver(t, Config{})
	for num := range uint32(3) {
		d.peer(blockOf(2500, num))
	}
	d.lines = nil
	d.peer(resent(blockOf(2500, 2), 0x52))
	d.reply(messages.Changed, nil)
	d.peer(resent(blockOf(2500, 2), 0x53))
	d.run(4 * time.Minute)
	d.peer(resent(blockOf(2500, 2), 0x54))
	d.expect(
		"0s send ACK 2.04 mid=12 token=03 b1=2/0/1024",
		"0s send ACK 2.04 mid=82 token=52 b1=2/0/1024",
		"0s send ACK 2.04 mid=83 token=53 b1=2/0/1024",
		"4m0s send ACK 2.04 mid=84 token=54 b1=2/0/1024",
	)
	d.run(4*time.Minute + 7*time.Second)
	d.peer(resent(blockOf(2500, 2), 0x55))
	d.expect("4m7s send ACK 4.08 mid=85 token=55")
	if d.run(24 * time.Hour); len(d.m.uploads)+len(d.m.entries) > 0 {
		t.Errorf("%d uploads, %d entries are left", len(d.m.uploads), len(d.m.entries))
	}
}

// A slow handler's answer comes separately, to each of them.
func TestLastBlockAgainOfASlowHandler(t *testing.T) {
	d := newDriver(t, Config{})
	for num := range uint32(3) {
		d.peer(blockOf(2500, num))
	}
	d.lines = nil
	d.run(500 * time.Millisecond)
	d.peer(resent(blockOf(2500, 2), 0x52))
	d.run(2 * time.Second)
	d.expect("1s send ACK 0.00 mid=12", "1.5s send ACK 0.00 mid=82")
	d.reply(messages.Changed, nil)
	d.peer(coap.EmptyACK(100)) // NSTART is 1
	d.expect(
		"2s send CON 2.04 mid=100 token=03 b1=2/0/1024",
		"2s send CON 2.04 mid=101 token=52 b1=2/0/1024",
	)
}

// What was refused is refused in the same way.
func TestRefusedBlockAgain(t *testing.T) {
	d := newDriver(t, Config{MaxBody: 2000})
	d.peer(blockOf(2500, 0))
	d.peer(blockOf(2500, 1))
	d.lines = nil
	d.peer(resent(blockOf(2500, 1), 0x52))
	d.peer(blockOf(2500, 2))
	d.expect("0s send ACK 4.13 mid=82 token=52 size1=2000", "0s send ACK 4.08 mid=12 token=03")
}

// A block that was resent, and overtaken by the ones after it, changes nothing.
func TestOlderBlockAgain(t *testing.T) {
	d := newDriver(t, Config{})
	for num := range uint32(4) {
		d.peer(blockOf(4500, num))
	}
	d.lines = nil
	d.peer(resent(blockOf(4500, 1), 0x51))
	d.peer(resent(blockOf(4500, 2), 0x52))
	d.peer(blockOf(4500, 4))
	d.expect(
		"0s send ACK 2.31 mid=81 token=51 b1=1/1/1024",
		"0s send ACK 2.31 mid=82 token=52 b1=2/1/1024",
		"0s inbound 0.03 /0/0 [4500]",
	)
	if !bytes.Equal(d.lastInbound().Payload, pattern(4500)) {
		t.Error("the body is another one")
	}
	d.reply(messages.Changed, nil)
	d.lines = nil
	d.peer(resent(blockOf(4500, 1), 0x53)) // the body is complete, and nothing is left of it
	d.expect("0s send ACK 4.08 mid=83 token=53")
}

// An older block with other content belongs to another body: the one begun is void.
func TestOlderBlockOfAnotherBody(t *testing.T) {
	d := newDriver(t, Config{})
	for num := range uint32(3) {
		d.peer(blockOf(4500, num))
	}
	d.lines = nil
	d.peer(resent(blockOf(4500, 1, part(4500, 0, 1024)), 0x51))
	d.peer(blockOf(4500, 3))
	d.expect("0s send ACK 4.08 mid=81 token=51", "0s send ACK 4.08 mid=13 token=04")
}

// Another content, another order, another length: nothing is mixed.
func TestBlockThatIsNoRepetition(t *testing.T) {
	other := func(num uint32, more bool, edits ...edit) coap.Message {
		edits = append([]edit{path("0", "0"), block1(num, more, 6), payload(make([]byte, 1024))}, edits...)
		return message(coap.CON, messages.PUT, 0x60, []byte{6}, edits...)
	}
	for name, block := range map[string]coap.Message{
		"other content":      other(1, true),
		"an earlier block":   other(1, true, part(4000, 0, 1024)),
		"the last one":       other(1, false, part(4000, 1024, 2048)),
		"other format":       other(1, true, part(4000, 1024, 2048), uintOption(coap.ContentFormat, 42)),
		"a block with a gap": resent(blockOf(4000, 3), 0x60),
	} {
		d := newDriver(t, Config{})
		d.peer(blockOf(4000, 0))
		d.peer(blockOf(4000, 1))
		d.lines = nil
		d.peer(block)
		d.peer(blockOf(4000, 2))
		if len(d.lines) != 2 || len(d.m.uploads) != 0 || d.lines[1] != "0s send ACK 4.08 mid=12 token=03" {
			t.Errorf("%s: %q", name, d.lines)
		}
	}
}

// After the last block nothing continues a body, not even what would fit.
func TestBlockAfterTheLast(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(blockOf(2048, 0))
	d.peer(blockOf(2048, 1))
	d.reply(messages.Changed, nil)
	d.lines = nil
	d.peer(message(coap.CON, messages.PUT, 0x60, []byte{6}, path("0", "0"), block1(2, false, 6), payload([]byte("more"))))
	d.expect("0s send ACK 4.08 mid=96 token=06")
}

// A body of one block is no repetition: a value that is written twice is written twice.
func TestSingleBlockTwice(t *testing.T) {
	d := newDriver(t, Config{})
	for mid := range uint16(2) {
		d.peer(resent(blockOf(5, 0), 0x51+mid))
		d.reply(messages.Changed, nil)
	}
	d.expect(
		"0s inbound 0.03 /0/0 [5]", "0s send ACK 2.04 mid=81 token=51 b1=0/0/1024",
		"0s inbound 0.03 /0/0 [5]", "0s send ACK 2.04 mid=82 token=52 b1=0/0/1024",
	)
}

// Bodies that are done make room for those that are not.
func TestDoneUploadsGoFirst(t *testing.T) {
	d := newDriver(t, Config{})
	at := func(name string, num uint32, more bool, mid uint16) coap.Message {
		return message(coap.CON, messages.PUT, mid, nil, path(name), block1(num, more, 0), payload(make([]byte, 16)))
	}
	d.peer(at("done", 0, true, 1))
	d.peer(at("done", 1, false, 2))
	d.reply(messages.Changed, nil)
	for i := range uint16(maxUploads) {
		d.peer(at(string(rune('a'+i)), 0, true, 10+i))
	}
	for _, u := range d.m.uploads {
		if u.done {
			t.Error("a body that is done took the place of one that is not")
		}
	}
	if len(d.m.uploads) != maxUploads {
		t.Errorf("%d uploads", len(d.m.uploads))
	}
	d.peer(at("late", 0, false, 30)) // of one block: nothing is kept of it
	d.reply(messages.Changed, nil)
	if d.m.shed.Memory != 0 {
		t.Errorf("%d shed", d.m.shed.Memory)
	}
}

// A part of a streamed body is handed over once, and so is its answer.
func TestStreamedBlockAgain(t *testing.T) {
	d := newDriver(t, Config{StreamPaths: []string{"/0/0"}})
	d.peer(blockOf(2500, 0))
	d.peer(resent(blockOf(2500, 0), 0x51))
	if len(d.lines) != 1 {
		t.Fatalf("%q", d.lines)
	}
	d.lines = nil
	d.more()
	d.peer(resent(blockOf(2500, 0), 0x52))
	d.expect(
		"0s send ACK 2.31 mid=10 token=01 b1=0/1/1024",
		"0s send ACK 2.31 mid=81 token=51 b1=0/1/1024",
		"0s send ACK 2.31 mid=82 token=52 b1=0/1/1024",
	)
}

// A streamed body that is refused with its first block begins anew with the same block: a
// peer that is told to come back later may do so, however often.
func TestFirstBlockAgainAfterARefusal(t *testing.T) {
	d := newDriver(t, Config{StreamPaths: []string{"/0/0"}})
	d.peer(blockOf(2500, 0))
	d.reply(messages.ServiceUnavailable, nil)
	d.peer(resent(blockOf(2500, 0), 0x51))
	d.reply(messages.ServiceUnavailable, nil)
	d.peer(resent(blockOf(2500, 0), 0x52))
	d.more()
	d.peer(resent(blockOf(2500, 0), 0x53))
	d.peer(blockOf(2500, 1))
	d.expect(
		"0s inbound part 0.03 /0/0 [1024] at 0 more=true",
		"0s send ACK 5.03 mid=10 token=01 b1=0/1/1024",
		"0s inbound part 0.03 /0/0 [1024] at 0 more=true",
		"0s send ACK 5.03 mid=81 token=51 b1=0/1/1024",
		"0s inbound part 0.03 /0/0 [1024] at 0 more=true",
		"0s send ACK 2.31 mid=82 token=52 b1=0/1/1024",
		"0s send ACK 2.31 mid=83 token=53 b1=0/1/1024",
		"0s inbound part 0.03 /0/0 [1024] at 1024 more=true",
	)
}

// TestReplyBlocksAgain: later blocks of a reply come from the same representation, under
// whatever message ID they are asked for.
func TestReplyBlocksAgain(t *testing.T) {
	d := newDriver(t, Config{})
	get := func(mid uint16, num uint32) coap.Message {
		return message(coap.CON, messages.GET, mid, []byte{byte(mid)}, path("a"), block2(num, false, 6))
	}
	d.peer(get(1, 0))
	d.reply(messages.Content, pattern(2500))
	d.lines = nil
	for mid := range uint16(3) {
		d.peer(get(10+mid, 1))
	}
	d.peer(get(20, 2))
	d.peer(get(21, 1))
	if len(d.lines) != 5 {
		t.Errorf("%q", d.lines)
	}
	for _, line := range d.lines {
		if !bytes.Contains([]byte(line), []byte(" 2.05 ")) {
			t.Error(line)
		}
	}
}
