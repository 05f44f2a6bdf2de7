package coapresend

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

func etag(s string) edit { return bytesOption(coap.ETag, s) }

// part is the payload of a block of pattern(n).
func part(n, from, to int) edit { return payload(pattern(n)[from:to]) }

// TestDownload: RFC 7959 section 2.4: the following blocks are asked for, each
// with a message ID and a token of its own; the response has the options of
// the first.
func TestDownload(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.ack(messages.Content, etag("e"), block2(0, true, 6), uintOption(coap.MaxAge, 5), part(2500, 0, 1024))
	d.run(3 * time.Second) // the request for block 1 is lost
	d.ack(messages.Content, etag("e"), block2(1, true, 6), part(2500, 1024, 2048))
	d.ack(messages.Content, etag("e"), block2(2, false, 6), part(2500, 2048, 2500))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"0s send CON 0.01 mid=101 token=02 /a b2=1/0/1024",
		"2s send CON 0.01 mid=101 token=02 /a b2=1/0/1024",
		"3s send CON 0.01 mid=102 token=03 /a b2=2/0/1024",
		"3s response 1 2.05 [2500]",
	)
	if got := d.lastResponse(); !bytes.Equal(got.Payload, pattern(2500)) || *got.MaxAge != 5 || string(got.ETag) != "e" {
		t.Errorf("response %+v", got)
	}
}

// TestDownloadOneBlock: a Block2 option on a body that fits.
func TestDownloadOneBlock(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.ack(messages.Content, block2(0, false, 6), payload([]byte("x")))
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s response 1 2.05 [1]")
}

// TestDownloadSmallerBlocks: RFC 7959 section 2.4: we ask for our size from
// the second block on; the peer may shrink it again at any time.
func TestDownloadSmallerBlocks(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 64})
	d.get(1)
	d.ack(messages.Content, block2(0, true, 3), part(200, 0, 128))
	d.ack(messages.Content, block2(4, true, 1), part(200, 128, 160))
	d.ack(messages.Content, block2(5, true, 1), part(200, 160, 192))
	d.ack(messages.Content, block2(6, false, 1), part(200, 192, 200))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"0s send CON 0.01 mid=101 token=02 /a b2=2/0/64",
		"0s send CON 0.01 mid=102 token=03 /a b2=5/0/32",
		"0s send CON 0.01 mid=103 token=04 /a b2=6/0/32",
		"0s response 1 2.05 [200]",
	)
	if !bytes.Equal(d.lastResponse().Payload, pattern(200)) {
		t.Error("the body is another one")
	}
}

// TestDownloadChanged: RFC 7959 section 2.4: another ETag is another body; it
// is fetched from the start, three times at most.
func TestDownloadChanged(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	for _, tag := range []string{"a", "b", "c"} {
		d.ack(messages.Content, etag(tag), block2(0, true, 6), part(1025, 0, 1024))
		d.ack(messages.Content, etag(tag+"x"), block2(1, false, 6), part(1025, 1024, 1025))
	}
	d.lines = nil
	d.ack(messages.Content, block2(0, true, 6), part(1025, 0, 1024))
	d.ack(messages.Content, etag("e"), block2(1, false, 6), part(1025, 1024, 1025))
	d.expect("0s send CON 0.01 mid=107 token=08 /a b2=1/0/1024", "0s failed 1 block-wise transfer broken")
}

// TestDownloadChangedOnce: after a change the new body arrives whole.
func TestDownloadChangedOnce(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.ack(messages.Content, etag("a"), block2(0, true, 6), payload(make([]byte, 1024)))
	d.ack(messages.Content, etag("b"), block2(1, false, 6), payload([]byte("x")))
	d.ack(messages.Content, etag("b"), block2(0, true, 6), part(1025, 0, 1024))
	d.ack(messages.Content, etag("b"), block2(1, false, 6), part(1025, 1024, 1025))
	if got := d.lastResponse(); !bytes.Equal(got.Payload, pattern(1025)) || string(got.ETag) != "b" {
		t.Errorf("response with ETag %q and %d bytes", got.ETag, len(got.Payload))
	}
}

// TestDownloadFirstBlockBroken: RFC 7959 sections 2.2 and 2.4.
func TestDownloadFirstBlockBroken(t *testing.T) {
	tests := []struct {
		name  string
		edits []edit
	}{
		{"does not begin at 0", []edit{block2(1, true, 6), payload(make([]byte, 1024))}},
		{"SZX 7", []edit{block2(0, true, 7), payload(make([]byte, 2048))}},
		{"short although more follow", []edit{block2(0, true, 6), payload(make([]byte, 1023))}},
		{"empty although more follow", []edit{block2(0, true, 6)}},
		{"longer than a block", []edit{block2(0, false, 5), payload(make([]byte, 513))}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.get(1)
			d.ack(messages.Content, test.edits...)
			d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s failed 1 block-wise transfer broken")
		})
	}
}

// TestDownloadLaterBlocks: what may come in place of block 1.
func TestDownloadLaterBlocks(t *testing.T) {
	tests := []struct {
		name  string
		code  messages.CoAPCode
		edits []edit
		want  string
	}{
		{"wrong number", messages.Content, []edit{block2(2, true, 6), payload(make([]byte, 1024))}, "0s failed 1 block-wise transfer broken"},
		{"the first again", messages.Content, []edit{block2(0, true, 6), payload(make([]byte, 1024))}, "0s failed 1 block-wise transfer broken"},
		{"short", messages.Content, []edit{block2(1, true, 6), payload(make([]byte, 5))}, "0s failed 1 block-wise transfer broken"},
		{"without Block2", messages.Content, []edit{payload([]byte("x"))}, "0s failed 1 block-wise transfer broken"},
		{"another success code", messages.Changed, []edit{block2(1, false, 6)}, "0s failed 1 block-wise transfer broken"},
		{"error", messages.NotFound, []edit{payload([]byte("gone"))}, "0s response 1 4.04 [4]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.get(1)
			d.ack(messages.Content, block2(0, true, 6), payload(make([]byte, 1024)))
			d.lines = nil
			d.ack(test.code, test.edits...)
			d.expect(test.want)
		})
	}
}

// TestDownloadTooLarge: the body is bounded by what arrives; Size2 is a hint
// and allocates nothing (RFC 7959 section 4).
func TestDownloadTooLarge(t *testing.T) {
	d := newDriver(t, Config{MaxBody: 2048})
	d.get(1)
	d.ack(messages.Content, block2(0, true, 6), uintOption(coap.Size2, 1<<32-1), part(4096, 0, 1024))
	d.ack(messages.Content, block2(1, true, 6), part(4096, 1024, 2048))
	d.lines = nil
	d.ack(messages.Content, block2(2, false, 6), payload([]byte("x")))
	d.expect("0s failed 1 body too large")
}

// TestDownloadEndless: NUM has 20 bits (RFC 7959 section 2.2); a stream that
// goes on for ever ends there.
func TestDownloadEndless(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 16})
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}, Stream: true})
	d.ack(messages.Content, block2(0, true, 0), part(16, 0, 16))
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.m.active[0].call.in.received = coap.MaxBlockNumber << 4
	d.ack(messages.Content, block2(coap.MaxBlockNumber, true, 0), part(16, 0, 16))
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.lines = d.lines[len(d.lines)-1:]
	d.expect("0s failed 1 body too large")
}

// TestDownloadExhausted: a later block that does not come ends the request.
func TestDownloadExhausted(t *testing.T) {
	d := newDriver(t, Config{MaxRetransmit: 1})
	d.get(1)
	d.ack(messages.Content, block2(0, true, 6), part(2048, 0, 1024))
	d.run(time.Hour)
	d.lines = d.lines[len(d.lines)-1:]
	d.expect("6s failed 1 resends exhausted")
}

// TestDownloadStream: every part is told as it comes, without a limit, and the
// response has no payload.
func TestDownloadStream(t *testing.T) {
	d := newDriver(t, Config{MaxBody: 1})
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}, Stream: true})
	d.ack(messages.Content, block2(0, true, 6), part(1500, 0, 1024))
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.ack(messages.Content, block2(1, false, 6), part(1500, 1024, 1500))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a size2=0",
		"0s part 1 at 0 [1024]",
		"0s send CON 0.01 mid=101 token=02 /a b2=1/0/1024",
		"0s part 1 at 1024 [476]",
		"0s response 1 2.05",
	)
}

// TestDownloadStreamWhole: a body of one message is one part; an error has its
// diagnostic payload in the response.
func TestDownloadStreamWhole(t *testing.T) {
	d := newDriver(t, Config{})
	stream := messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}, Stream: true}
	d.in(stream)
	d.ack(messages.Content, payload([]byte("x")))
	d.in(stream)
	d.ack(messages.NotFound, payload([]byte("x")))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a size2=0", "0s part 1 at 0 [1]", "0s response 1 2.05",
		"0s send CON 0.01 mid=101 token=02 /a size2=0", "0s response 1 4.04 [1]",
	)
}

// TestDownloadStreamChanged: what was streamed cannot be taken back.
func TestDownloadStreamChanged(t *testing.T) {
	d := newDriver(t, Config{})
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"a"}, Stream: true})
	d.ack(messages.Content, etag("a"), block2(0, true, 6), part(1500, 0, 1024))
	d.in(messages.More{Epoch: epoch, ID: 1})
	d.lines = nil
	d.ack(messages.Content, etag("b"), block2(1, false, 6), part(1500, 1024, 1500))
	d.expect("0s failed 1 body changed")
}

// TestDownloadChangedUnsafe: a POST is not repeated because its response
// changes.
func TestDownloadChangedUnsafe(t *testing.T) {
	d := newDriver(t, Config{})
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.POST, Path: []string{"a"}})
	d.ack(messages.Changed, etag("a"), block2(0, true, 6), part(1500, 0, 1024))
	d.lines = nil
	d.ack(messages.Changed, etag("b"), block2(1, false, 6), part(1500, 1024, 1500))
	d.expect("0s failed 1 block-wise transfer broken")
}

// TestDownloadAfterUpload: RFC 7959 section 3.3: later blocks are asked for
// without the payload, except for FETCH (RFC 8132).
func TestDownloadAfterUpload(t *testing.T) {
	d := newDriver(t, Config{})
	d.put(1025)
	d.ack(messages.Continue, block1(0, true, 6))
	d.ack(messages.Changed, block1(1, false, 6), block2(0, true, 6), part(1025, 0, 1024))
	d.ack(messages.Changed, block2(1, false, 6), part(1025, 1024, 1025))
	d.lines = d.lines[2:]
	d.expect("0s send CON 0.03 mid=102 token=03 /a b2=1/0/1024", "0s response 1 2.04 [1025]")

	d.in(messages.Request{Epoch: epoch, ID: 2, Code: messages.FETCH, Path: []string{"a"}, Payload: []byte("what")})
	d.ack(messages.Content, block2(0, true, 6), part(1025, 0, 1024))
	d.lines = d.lines[1:]
	d.expect("0s send CON 0.05 mid=104 token=05 /a b2=1/0/1024 [4]")
}
