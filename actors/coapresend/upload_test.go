package coapresend

import (
	"bytes"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// put asks for a PUT of n bytes on /a.
func (d *driver) put(n int) {
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.PUT, Path: []string{"a"}, Payload: pattern(n)})
}

// ack answers the exchange that was sent last with a piggybacked response.
func (d *driver) ack(code messages.CoAPCode, edits ...edit) {
	d.t.Helper()
	sent, err := coap.Decode(d.sent[len(d.sent)-1])
	if err != nil {
		d.t.Fatal(err)
	}
	d.peer(message(coap.ACK, code, sent.MID, sent.Token, edits...))
}

// TestUpload: RFC 7959 section 2.5: block by block, each with a message ID and
// a token of its own; Size1 with the first (section 4).
func TestUpload(t *testing.T) {
	d := newDriver(t, Config{})
	d.put(2500)
	d.ack(messages.Continue, block1(0, true, 6))
	d.ack(messages.Continue, block1(1, true, 6))
	d.ack(messages.Changed, block1(2, false, 6))
	d.expect(
		"0s send CON 0.03 mid=100 token=01 /a b1=0/1/1024 size1=2500 [1024]",
		"0s send CON 0.03 mid=101 token=02 /a b1=1/1/1024 [1024]",
		"0s send CON 0.03 mid=102 token=03 /a b1=2/0/1024 [452]",
		"0s response 1 2.04",
	)
	var body []byte
	for _, datagram := range d.sent {
		m, _ := coap.Decode(datagram)
		body = append(body, m.Payload...)
	}
	if !bytes.Equal(body, pattern(2500)) {
		t.Error("the body was not sent as it is")
	}
}

// TestUploadExactBlocks: what fits in one block goes without Block1; two full
// blocks are two.
func TestUploadExactBlocks(t *testing.T) {
	d := newDriver(t, Config{})
	d.put(1024)
	d.ack(messages.Changed)
	d.put(2048)
	d.ack(messages.Continue, block1(0, true, 6))
	d.expect(
		"0s send CON 0.03 mid=100 token=01 /a [1024]",
		"0s response 1 2.04",
		"0s send CON 0.03 mid=101 token=02 /a b1=0/1/1024 size1=2048 [1024]",
		"0s send CON 0.03 mid=102 token=03 /a b1=1/0/1024 [1024]",
	)
}

// TestUploadSmallerBlocks: RFC 7959 section 2.3, figure 8: the peer asks for
// smaller blocks; the numbers scale.
func TestUploadSmallerBlocks(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 128})
	d.put(200)
	d.ack(messages.Continue, block1(0, true, 1))
	d.ack(messages.Continue, block1(4, true, 2)) // larger than agreed: not followed
	d.ack(messages.Continue, block1(5, true, 1))
	d.ack(messages.Changed, block1(6, false, 1))
	d.expect(
		"0s send CON 0.03 mid=100 token=01 /a b1=0/1/128 size1=200 [128]",
		"0s send CON 0.03 mid=101 token=02 /a b1=4/1/32 [32]",
		"0s send CON 0.03 mid=102 token=03 /a b1=5/1/32 [32]",
		"0s send CON 0.03 mid=103 token=04 /a b1=6/0/32 [8]",
		"0s response 1 2.04",
	)
}

// TestUploadBeginsAgainSmaller: RFC 7959 section 2.9.3: 4.13 with a smaller
// Block1 to the first block, or to a payload sent whole.
func TestUploadBeginsAgainSmaller(t *testing.T) {
	d := newDriver(t, Config{})
	d.put(1025)
	d.ack(messages.RequestEntityTooLarge, block1(0, true, 5))
	d.ack(messages.RequestEntityTooLarge, block1(0, true, 5))
	d.expect(
		"0s send CON 0.03 mid=100 token=01 /a b1=0/1/1024 size1=1025 [1024]",
		"0s send CON 0.03 mid=101 token=02 /a b1=0/1/512 size1=1025 [512]",
		"0s response 1 4.13",
	)
	d.put(100)
	d.ack(messages.RequestEntityTooLarge, block1(0, true, 2))
	d.ack(messages.Continue, block1(0, true, 2))
	d.ack(messages.Changed, block1(1, false, 2))
	d.expect(
		"0s send CON 0.03 mid=102 token=03 /a [100]",
		"0s send CON 0.03 mid=103 token=04 /a b1=0/1/64 size1=100 [64]",
		"0s send CON 0.03 mid=104 token=05 /a b1=1/0/64 [36]",
		"0s response 1 2.04",
	)
}

// TestUploadIncomplete: RFC 7959 section 2.9.2: 4.08 begins the transfer again,
// once.
func TestUploadIncomplete(t *testing.T) {
	d := newDriver(t, Config{})
	d.put(1025)
	d.ack(messages.Continue, block1(0, true, 6))
	d.ack(messages.RequestEntityIncomplete)
	d.ack(messages.RequestEntityIncomplete, payload([]byte("why")))
	d.expect(
		"0s send CON 0.03 mid=100 token=01 /a b1=0/1/1024 size1=1025 [1024]",
		"0s send CON 0.03 mid=101 token=02 /a b1=1/0/1024 [1]",
		"0s send CON 0.03 mid=102 token=03 /a b1=0/1/1024 size1=1025 [1024]",
		"0s response 1 4.08 [3]",
	)
}

// TestUploadAnswers: RFC 7959 section 2.3 and 2.9: what else may answer the
// first of two blocks.
func TestUploadAnswers(t *testing.T) {
	tests := []struct {
		name  string
		code  messages.CoAPCode
		edits []edit
		want  string
	}{
		{"2.31 without Block1", messages.Continue, nil, "0s failed 1 block-wise transfer broken"},
		{"2.31 for another block", messages.Continue, []edit{block1(1, true, 6)}, "0s failed 1 block-wise transfer broken"},
		{"2.31 with SZX 7", messages.Continue, []edit{block1(0, true, 7)}, "0s failed 1 block-wise transfer broken"},
		{"final success too early", messages.Changed, nil, "0s failed 1 block-wise transfer broken"},
		{"each block acted upon by itself", messages.Changed, []edit{block1(0, false, 6)}, "0s send CON 0.03 mid=101 token=02 /a b1=1/0/1024 [1]"},
		{"final error", messages.Forbidden, nil, "0s response 1 4.03"},
		{"server error", messages.ServiceUnavailable, []edit{uintOption(coap.MaxAge, 9)}, "0s response 1 5.03"},
		{"4.13 with the limit only", messages.RequestEntityTooLarge, []edit{uintOption(coap.Size1, 99)}, "0s response 1 4.13"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.put(1025)
			d.lines = nil
			d.ack(test.code, test.edits...)
			d.expect(test.want)
		})
	}
}

// TestContinueToAWholeRequest: 2.31 asks for more when there is none.
func TestContinueToAWholeRequest(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.ack(messages.Continue, block1(0, true, 6))
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s failed 1 block-wise transfer broken")
}

// TestUploadTooLarge: a body of more than 2^20 blocks cannot be sent (RFC 7959
// section 2.2).
func TestUploadTooLarge(t *testing.T) {
	d := newDriver(t, Config{BlockSize: 16})
	c := &call{request: messages.Request{Epoch: epoch, ID: 1, Payload: make([]byte, 16<<20+1)}}
	d.m.calls++
	d.m.sendBlock(c, 16<<20, true)
	effects := d.m.effects
	if len(effects) != 1 || d.m.calls != 0 {
		t.Errorf("effects %v, %d calls", effects, d.m.calls)
	}
}

// TestUploadGoesBeforeWaitingRequests: a transfer that has begun is finished
// first.
func TestUploadGoesBeforeWaitingRequests(t *testing.T) {
	d := newDriver(t, Config{})
	d.put(1025)
	d.get(2)
	d.ack(messages.Continue, block1(0, true, 6))
	d.ack(messages.Changed, block1(1, false, 6))
	d.expect(
		"0s send CON 0.03 mid=100 token=01 /a b1=0/1/1024 size1=1025 [1024]",
		"0s send CON 0.03 mid=101 token=03 /a b1=1/0/1024 [1]",
		"0s response 1 2.04",
		"0s send CON 0.01 mid=102 token=02 /a",
	)
}

// TestUploadBesideLongOptions: a block leaves room for the options of the
// request, so that no message is longer than 1152 bytes (RFC 7252 section 4.6).
func TestUploadBesideLongOptions(t *testing.T) {
	long := func(n int) (path []string) {
		for range n {
			path = append(path, string(pattern(31)))
		}
		return path
	}
	for segments, want := range map[int]int{0: 1024, 3: 1024, 4: 512, 18: 512, 19: 256, 60: 16} {
		d := newDriver(t, Config{})
		d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.PUT, Path: long(segments), Payload: pattern(2500)})
		sent, err := coap.Decode(d.sent[0])
		if err != nil {
			t.Fatal(err)
		}
		if len(sent.Payload) != want || want > 16 && len(d.sent[0]) > 1152 {
			t.Errorf("%d segments: a block of %d in a message of %d bytes", segments, len(sent.Payload), len(d.sent[0]))
		}
		d.ack(messages.Continue, block1(0, true, firstBlock1(t, sent).SZX))
		if next, _ := coap.Decode(d.sent[1]); len(next.Payload) != want {
			t.Errorf("%d segments: then a block of %d", segments, len(next.Payload))
		}
	}
}

func firstBlock1(t *testing.T, m coap.Message) coap.Block {
	t.Helper()
	b, ok := m.Block(coap.Block1)
	if !ok {
		t.Fatal("not in blocks")
	}
	return b
}
