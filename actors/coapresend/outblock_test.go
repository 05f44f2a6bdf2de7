package coapresend

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// read returns a GET of /3 by the peer.
func read(mid uint16, edits ...edit) coap.Message {
	return message(coap.CON, messages.GET, mid, []byte{byte(mid)}, append([]edit{path("3")}, edits...)...)
}

func (d *driver) lastSent() coap.Message {
	d.t.Helper()
	m, err := coap.Decode(d.sent[len(d.sent)-1])
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

// TestReplyBlocks: RFC 7959 section 2.4: the first block with the reply, the
// others from what is kept, with one ETag; the handler is asked once.
func TestReplyBlocks(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(read(1))
	d.reply(messages.Content, pattern(2500))
	var body []byte
	var tag []byte
	for num := range uint32(3) {
		if num > 0 {
			d.peer(read(uint16(num+1), block2(num, false, 6)))
		}
		m := d.lastSent()
		got, _ := m.Bytes(coap.ETag)
		if num == 0 {
			tag = got
		}
		if len(got) != 8 || !bytes.Equal(got, tag) {
			t.Errorf("block %d: ETag %x, want %x", num, got, tag)
		}
		body = append(body, m.Payload...)
	}
	d.expect(
		"0s inbound 0.01 /3",
		"0s send ACK 2.05 mid=1 token=01 b2=0/1/1024 size2=2500 [1024]",
		"0s send ACK 2.05 mid=2 token=02 b2=1/1/1024 [1024]",
		"0s send ACK 2.05 mid=3 token=03 b2=2/0/1024 [452]",
	)
	if !bytes.Equal(body, pattern(2500)) {
		t.Error("the body is another one")
	}
}

// TestReplyBlockSizes: RFC 7959 section 2.4: the smaller size counts, at the
// first request and at later ones.
func TestReplyBlockSizes(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 64})
	d.peer(read(1, block2(0, false, 6)))
	d.reply(messages.Content, pattern(150))
	d.peer(read(2, block2(1, false, 6))) // 1024 and beyond: too far
	d.peer(read(3, block2(4, false, 0))) // smaller in the middle
	d.peer(read(4, block2(1, false, 6), bytesOption(coap.URIQuery, "x")))
	d.expect(
		"0s inbound 0.01 /3",
		"0s send ACK 2.05 mid=1 token=01 b2=0/1/64 size2=150 [64]",
		"0s send ACK 4.00 mid=2 token=02",
		"0s send ACK 2.05 mid=3 token=03 b2=4/1/16 [16]",
		"0s inbound 0.01 /3",
	)
}

// TestReplySmallBlockRequested: early negotiation (RFC 7959 section 2.4).
func TestReplySmallBlockRequested(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(read(1, block2(0, false, 0)))
	d.reply(messages.Content, pattern(17))
	d.peer(read(2, block2(0, false, 0)))
	d.reply(messages.Content, pattern(16))
	d.expect(
		"0s inbound 0.01 /3",
		"0s send ACK 2.05 mid=1 token=01 b2=0/1/16 size2=17 [16]",
		"0s inbound 0.01 /3",
		"0s send ACK 2.05 mid=2 token=02 [16]",
	)
}

// TestReplyBlockWithoutBody: a later block of a body that is not kept any more
// is cut from a fresh reply; a block beyond its end is 4.00.
func TestReplyBlockWithoutBody(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(read(1, block2(1, false, 6)))
	d.reply(messages.Content, pattern(1100))
	d.peer(read(2, block2(0, false, 6), bytesOption(coap.URIQuery, "x")))
	d.reply(messages.Content, nil)
	d.peer(read(3, block2(1, false, 6), bytesOption(coap.URIQuery, "x")))
	d.reply(messages.Content, nil)
	d.expect(
		"0s inbound 0.01 /3",
		"0s send ACK 2.05 mid=1 token=01 b2=1/0/1024 [76]",
		"0s inbound 0.01 /3",
		"0s send ACK 2.05 mid=2 token=02",
		"0s inbound 0.01 /3",
		"0s send ACK 4.00 mid=3 token=03",
	)
}

// TestReplyBodyExpires: a body is kept for EXCHANGE_LIFETIME after its latest
// use.
func TestReplyBodyExpires(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(read(1))
	d.reply(messages.Content, pattern(4000))
	d.run(200 * time.Second)
	d.peer(read(2, block2(1, false, 6)))
	d.run(447*time.Second - 1)
	d.peer(read(3, block2(2, false, 6)))
	d.lines = nil
	d.run(694 * time.Second)
	d.peer(read(4, block2(3, false, 6)))
	d.expect("11m34s inbound 0.01 /3")
	d.run(time.Hour)
	if len(d.timers) != 0 || d.m.bodies != nil {
		t.Errorf("left over: %v", d.timers)
	}
}

// TestReplyBodiesBounded: a few bodies are kept, the one not used for longest
// goes.
func TestReplyBodiesBounded(t *testing.T) {
	d := newDriver(t, Config{})
	for i := range uint16(10) {
		d.peer(message(coap.CON, messages.GET, i, nil, path(string(rune('a'+i)))))
		d.reply(messages.Content, pattern(1500))
	}
	if len(d.m.bodies) != maxBodies {
		t.Errorf("%d bodies", len(d.m.bodies))
	}
}

// TestReplyRefreshed: a request for the first block asks the handler anew, and
// later blocks come from its newest reply.
func TestReplyRefreshed(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(read(1))
	d.reply(messages.Content, make([]byte, 1500))
	d.peer(read(2))
	d.reply(messages.Content, pattern(1500))
	d.peer(read(3, block2(1, false, 6)))
	if m := d.lastSent(); !bytes.Equal(m.Payload, pattern(1500)[1024:]) || len(d.m.bodies) != 1 {
		t.Error("the block is not from the newest reply")
	}
}

// TestReplyToPOSTInBlocks: later blocks of what a POST brought are served
// without executing it again; so are those of a FETCH, by its payload.
func TestReplyToPOSTInBlocks(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(1))
	d.reply(messages.Changed, pattern(1500))
	d.peer(post(2, block2(1, false, 6)))
	fetch := func(mid uint16, what string, edits ...edit) coap.Message {
		return message(coap.CON, messages.FETCH, mid, nil, append(edits, path("a"), payload([]byte(what)))...)
	}
	d.peer(fetch(3, "x"))
	d.reply(messages.Content, pattern(1500))
	d.peer(fetch(4, "x", block2(1, false, 6)))
	d.peer(fetch(5, "y", block2(1, false, 6)))
	d.expect(
		"0s inbound 0.02 /a",
		"0s send ACK 2.04 mid=1 token=aa b2=0/1/1024 size2=1500 [1024]",
		"0s send ACK 2.04 mid=2 token=aa b2=1/0/1024 [476]",
		"0s inbound 0.05 /a [1]",
		"0s send ACK 2.05 mid=3 b2=0/1/1024 size2=1500 [1024]",
		"0s send ACK 2.05 mid=4 b2=1/0/1024 [476]",
		"0s inbound 0.05 /a [1]",
	)
}

// A FETCH for a later block that leaves out the payload, as Californium's do, gets it of
// the latest reply to a FETCH of the same target and format. Where there is none it is
// 4.08: it cannot be asked of the handler.
func TestLaterBlockOfAFetchWithoutThePayload(t *testing.T) {
	d := newDriver(t, Config{})
	fetch := func(mid uint16, what string, accept messages.Format, edits ...edit) coap.Message {
		m := message(coap.CON, messages.FETCH, mid, nil, append(edits, path("a"), payload([]byte(what)))...)
		m.AddFormat(coap.Accept, &accept)
		return m
	}
	more := block2(1, false, 6)
	d.peer(fetch(1, "", 110, more))
	d.peer(fetch(2, "x", 110))
	d.reply(messages.Content, make([]byte, 1500))
	d.peer(fetch(3, "yy", 110))
	d.reply(messages.Content, pattern(1500))
	d.peer(fetch(4, "", 110, more))
	if m := d.lastSent(); !bytes.Equal(m.Payload, pattern(1500)[1024:]) {
		t.Error("the block is not of the latest reply")
	}
	d.peer(fetch(5, "x", 110, more))
	d.peer(fetch(6, "", 112, more))
	d.run(Config{}.ExchangeLifetime())
	d.peer(fetch(7, "", 110, more))
	d.expect(
		"0s send ACK 4.08 mid=1",
		"0s inbound 0.05 /a [1]",
		"0s send ACK 2.05 mid=2 b2=0/1/1024 size2=1500 [1024]",
		"0s inbound 0.05 /a [2]",
		"0s send ACK 2.05 mid=3 b2=0/1/1024 size2=1500 [1024]",
		"0s send ACK 2.05 mid=4 b2=1/0/1024 [476]",
		"0s send ACK 2.05 mid=5 b2=1/0/1024 [476]",
		"0s send ACK 4.08 mid=6",
		"4m7s send ACK 4.08 mid=7",
	)
}
