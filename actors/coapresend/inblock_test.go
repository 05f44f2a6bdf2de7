package coapresend

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// block returns block num of pattern(total) as the peer sends it with SZX 6:
// with a message ID and a token of its own.
func blockOf(total int, num uint32, edits ...edit) coap.Message {
	from := int(num) * 1024
	to := min(from+1024, total)
	edits = append([]edit{path("0", "0"), block1(num, to < total, 6), part(total, from, to)}, edits...)
	return message(coap.CON, messages.PUT, uint16(10+num), []byte{byte(num + 1)}, edits...)
}

// TestInboundBlocks: RFC 7959 section 2.5: 2.31 for every block but the last,
// then the request as one. The token is new with every block, and each block
// is deduplicated by itself.
func TestInboundBlocks(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(blockOf(2500, 0))
	d.peer(blockOf(2500, 1))
	d.peer(blockOf(2500, 1))
	d.peer(blockOf(2500, 2))
	d.peer(blockOf(2500, 2))
	d.reply(messages.Changed, nil)
	d.peer(blockOf(2500, 2))
	d.peer(blockOf(2500, 0))
	d.expect(
		"0s send ACK 2.31 mid=10 token=01 b1=0/1/1024",
		"0s send ACK 2.31 mid=11 token=02 b1=1/1/1024",
		"0s send ACK 2.31 mid=11 token=02 b1=1/1/1024",
		"0s inbound 0.03 /0/0 [2500]",
		"0s send ACK 2.04 mid=12 token=03 b1=2/0/1024",
		"0s send ACK 2.04 mid=12 token=03 b1=2/0/1024",
		"0s send ACK 2.31 mid=10 token=01 b1=0/1/1024",
	)
	if !bytes.Equal(d.lastInbound().Payload, pattern(2500)) {
		t.Error("the body is another one")
	}
}

// TestInboundSingleBlock: a Block1 option on a body that fits.
func TestInboundSingleBlock(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(blockOf(5, 0))
	d.reply(messages.Changed, nil)
	d.expect("0s inbound 0.03 /0/0 [5]", "0s send ACK 2.04 mid=10 token=01 b1=0/0/1024")
}

// TestInboundBlocksSmaller: RFC 7959 section 2.3: we may ask for smaller
// blocks; the peer's numbers then scale.
func TestInboundBlocksSmaller(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 512})
	d.peer(blockOf(1300, 0))
	d.peer(message(coap.CON, messages.PUT, 20, nil, path("0", "0"), block1(2, false, 5), part(1300, 1024, 1300)))
	d.expect("0s send ACK 2.31 mid=10 token=01 b1=0/1/512", "0s inbound 0.03 /0/0 [1300]")
	if !bytes.Equal(d.lastInbound().Payload, pattern(1300)) {
		t.Error("the body is another one")
	}
}

// TestInboundBlockErrors: RFC 7959 sections 2.2, 2.5, 2.9.
func TestInboundBlockErrors(t *testing.T) {
	full := payload(make([]byte, 1024))
	tests := []struct {
		name  string
		block coap.Message
		want  string
	}{
		{"gap", blockOf(4000, 2), "4.08"},
		{"overlap", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, true, 5), payload(make([]byte, 512))), "4.08"},
		{"last possible number", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1<<20-1, true, 6), full), "4.08"},
		{"other path", message(coap.CON, messages.PUT, 12, nil, path("0", "1"), block1(1, true, 6), full), "4.08"},
		{"path that only looks equal", message(coap.CON, messages.PUT, 12, nil, path("0/0"), block1(1, true, 6), full), "4.08"},
		{"other Request-Tag", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, true, 6), full, bytesOption(coap.RequestTag, "")), "4.08"},
		{"other content format", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, true, 6), full, uintOption(coap.ContentFormat, 42)), "4.08"},
		{"other method", message(coap.CON, messages.POST, 12, nil, path("0", "0"), block1(1, true, 6), full), "4.08"},
		{"other query", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, true, 6), full, bytesOption(coap.URIQuery, "x")), "4.08"},
		{"SZX 7", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, true, 7), full), "4.00"},
		{"short although more follow", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, true, 6), payload(make([]byte, 1023))), "4.00"},
		{"longer than a block", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, true, 5), full), "4.00"},
		{"last longer than a block", message(coap.CON, messages.PUT, 12, nil, path("0", "0"), block1(1, false, 5), full), "4.00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.peer(blockOf(4000, 0))
			d.lines = nil
			d.peer(test.block)
			want := "0s send ACK " + test.want + " mid=12"
			if len(test.block.Token) > 0 {
				want += " token=03"
			}
			d.expect(want)
		})
	}
}

// TestInboundBlocksRestart: RFC 7959 section 2.5: block 0 begins the body
// again; after a gap nothing else continues it.
func TestInboundBlocksRestart(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(blockOf(2500, 0))
	d.peer(message(coap.CON, messages.PUT, 50, nil, path("0", "0"), block1(0, true, 6), payload(make([]byte, 1024))))
	again := blockOf(2500, 0)
	again.MID = 51
	d.peer(again)
	d.peer(blockOf(2500, 1))
	d.peer(blockOf(2500, 2))
	if !bytes.Equal(d.lastInbound().Payload, pattern(2500)) {
		t.Error("the body is another one")
	}
	d.lines = nil
	stray := message(coap.CON, messages.PUT, 52, []byte{3}, path("0", "0"), block1(2, false, 6), payload(make([]byte, 452)))
	d.peer(stray)
	d.expect("0s send ACK 4.08 mid=52 token=03")
}

// TestInboundBlocksByRequestTag: RFC 9175 section 3: bodies with different
// tags do not mix.
func TestInboundBlocksByRequestTag(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(message(coap.CON, messages.PUT, 1, nil, path("a"), bytesOption(coap.RequestTag, "x"), block1(0, true, 0), part(20, 0, 16)))
	d.peer(message(coap.CON, messages.PUT, 2, nil, path("a"), bytesOption(coap.RequestTag, "y"), block1(0, true, 0), payload(make([]byte, 16))))
	d.peer(message(coap.CON, messages.PUT, 3, nil, path("a"), bytesOption(coap.RequestTag, "x"), block1(1, false, 0), part(20, 16, 20)))
	if !bytes.Equal(d.lastInbound().Payload, pattern(20)) {
		t.Error("the body is another one")
	}
}

// TestInboundTooLarge: RFC 7959 section 2.9.3: 4.13 with the limit, as soon as
// it is known.
func TestInboundTooLarge(t *testing.T) {
	d := newDriver(t, Config{MaxBody: 2048})
	d.peer(blockOf(3000, 0))
	d.peer(blockOf(3000, 1))
	d.peer(blockOf(3000, 2))
	d.expect(
		"0s send ACK 2.31 mid=10 token=01 b1=0/1/1024",
		"0s send ACK 2.31 mid=11 token=02 b1=1/1/1024",
		"0s send ACK 4.13 mid=12 token=03 size1=2048",
		"0s messages.BodyRefused",
	)
	if u := d.m.uploads; len(u) != 1 || u[0].body != nil {
		t.Error("the body is kept")
	}
	announced := blockOf(3000, 0, uintOption(coap.Size1, 2049))
	announced.MID = 20
	d.peer(announced)
	d.expect("0s send ACK 4.13 mid=20 token=01 size1=2048", "0s messages.BodyRefused")
}

// TestInboundBlocksExpire: a body that is not continued is forgotten
// EXCHANGE_LIFETIME after its latest block.
func TestInboundBlocksExpire(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(blockOf(4000, 0))
	d.run(100 * time.Second)
	d.peer(blockOf(4000, 1))
	d.run(347*time.Second - 1)
	if len(d.m.uploads) != 1 {
		t.Error("the body was forgotten too early")
	}
	d.run(347 * time.Second)
	if len(d.m.uploads) != 0 {
		t.Error("the body was not forgotten")
	}
	d.lines = nil
	d.peer(blockOf(4000, 2))
	d.expect("5m47s send ACK 4.08 mid=12 token=03")
	d.run(time.Hour)
	if len(d.timers) != 0 || d.m.uploads != nil || d.m.entries != nil {
		t.Errorf("left over: %v", d.timers)
	}
}

// TestInboundBlocksBounded: a few bodies at a time; the one that has waited
// longest goes.
func TestInboundBlocksBounded(t *testing.T) {
	d := newDriver(t, Config{})
	for i := range uint16(10) {
		d.peer(message(coap.CON, messages.PUT, i, nil, path(string(rune('a'+i))), block1(0, true, 0), part(20, 0, 16)))
	}
	if len(d.m.uploads) != maxUploads {
		t.Errorf("%d bodies", len(d.m.uploads))
	}
	d.lines = nil
	d.peer(message(coap.CON, messages.PUT, 20, nil, path("a"), block1(1, false, 0), part(20, 16, 20)))
	d.peer(message(coap.CON, messages.PUT, 21, nil, path("j"), block1(1, false, 0), part(20, 16, 20)))
	d.expect("0s send ACK 4.08 mid=20", "0s inbound 0.03 /j [20]")
}

// more asks for what follows the part that the handler was given last.
func (d *driver) more() {
	d.in(messages.More{Epoch: epoch, ID: d.lastInbound().ID, Upload: true})
}

// TestInboundStream: on a path whose handler takes streams every block is
// handed over, and the peer sends the next when the handler asks for it; there is no
// limit.
func TestInboundStream(t *testing.T) {
	d := newDriver(t, Config{MaxBody: 1, StreamPaths: []string{"/0/0"}})
	d.peer(blockOf(2500, 0))
	d.peer(blockOf(2500, 0))
	d.more()
	d.peer(blockOf(2500, 1))
	d.run(1500 * time.Millisecond)
	d.more()
	d.peer(coap.EmptyACK(100))
	d.peer(blockOf(2500, 2))
	d.reply(messages.Changed, nil)
	d.expect(
		"0s inbound part 0.03 /0/0 [1024] at 0 more=true",
		"0s send ACK 2.31 mid=10 token=01 b1=0/1/1024",
		"0s inbound part 0.03 /0/0 [1024] at 1024 more=true",
		"1s send ACK 0.00 mid=11",
		"1.5s send CON 2.31 mid=100 token=02 b1=1/1/1024",
		"1.5s inbound part 0.03 /0/0 [452] at 2048 more=false",
		"1.5s send ACK 2.04 mid=12 token=03 b1=2/0/1024",
	)
}

// TestInboundStreamAsked: what is asked for twice, by another epoch, of a part that is
// the last, or by the ID of a request of ours, is asked for once, or not at all.
func TestInboundStreamAsked(t *testing.T) {
	d := newDriver(t, Config{StreamPaths: []string{"/0/0"}})
	d.peer(blockOf(1500, 0))
	id := d.lastInbound().ID
	d.in(messages.More{Epoch: epoch + 1, ID: id, Upload: true})
	d.in(messages.More{Epoch: epoch, ID: id})
	d.in(messages.More{Epoch: epoch, ID: id + 1, Upload: true})
	d.more()
	d.more()
	d.peer(blockOf(1500, 1))
	d.more()
	d.run(time.Second)
	d.expect(
		"0s inbound part 0.03 /0/0 [1024] at 0 more=true",
		"0s send ACK 2.31 mid=10 token=01 b1=0/1/1024",
		"0s inbound part 0.03 /0/0 [476] at 1024 more=false",
		"1s send ACK 0.00 mid=11",
	)
}

// TestInboundStreamContinue: 2.31 is not the handler's to say: it asks for more.
func TestInboundStreamContinue(t *testing.T) {
	d := newDriver(t, Config{StreamPaths: []string{"/0/0"}})
	d.peer(blockOf(2500, 0))
	d.reply(messages.Continue, nil)
	d.peer(blockOf(2500, 1))
	d.expect(
		"0s inbound part 0.03 /0/0 [1024] at 0 more=true",
		"0s send ACK 5.00 mid=10 token=01 b1=0/1/1024",
		"0s send ACK 4.08 mid=11 token=02",
	)
}

// TestInboundStreamRefused: a reply ends the transfer.
func TestInboundStreamRefused(t *testing.T) {
	d := newDriver(t, Config{StreamPaths: []string{"/0/0"}})
	d.peer(blockOf(2500, 0))
	d.reply(messages.BadRequest, nil)
	d.peer(blockOf(2500, 1))
	d.expect(
		"0s inbound part 0.03 /0/0 [1024] at 0 more=true",
		"0s send ACK 4.00 mid=10 token=01 b1=0/1/1024",
		"0s send ACK 4.08 mid=11 token=02",
	)
}

// TestInboundStreamWhole: a body without Block1 is one part; a GET of the same
// path is an ordinary request.
func TestInboundStreamWhole(t *testing.T) {
	d := newDriver(t, Config{StreamPaths: []string{"/0/0"}})
	d.peer(message(coap.CON, messages.PUT, 9, nil, path("0", "0"), payload([]byte("x"))))
	d.reply(messages.Changed, nil)
	d.peer(message(coap.CON, messages.GET, 10, nil, path("0", "0")))
	d.expect(
		"0s inbound part 0.03 /0/0 [1] at 0 more=false",
		"0s send ACK 2.04 mid=9",
		"0s inbound 0.01 /0/0",
	)
}
