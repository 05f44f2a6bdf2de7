package coapresend

import (
	"bytes"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// answered is a response to the n-th exchange of ours.
func answered(kind coap.Type, code messages.CoAPCode, n uint64) coap.Message {
	return message(kind, code, uint16(99+n), token(n))
}

// TestClientFirst: a request of the peer that comes before its first success is
// dropped without a trace: no answer, no acknowledgement, no memory. Resent
// after the success it is new; later duplicates are duplicates.
func TestClientFirst(t *testing.T) {
	d := newDriver(t, Config{ClientFirst: true})
	d.get(1)
	d.expect("0s send CON 0.01 mid=100 token=01 /a")
	non := post(11)
	non.Type = coap.NON
	d.peer(post(9))
	d.peer(non)
	d.peer(post(12, block1(0, true, 0), payload(pattern(16))))
	d.run(time.Second)
	d.expect()
	d.peer(answered(coap.ACK, messages.Changed, 1))
	d.peer(post(9))
	d.peer(post(9))
	d.reply(messages.Changed, nil)
	d.peer(post(9))
	d.expect(
		"1s response 1 2.04",
		"1s inbound 0.02 /a",
		"1s send ACK 2.04 mid=9 token=aa",
		"1s send ACK 2.04 mid=9 token=aa",
	)
}

// TestClientFirstBlocks: a block that was dropped is missing, and begins
// nothing that a later one could go on with.
func TestClientFirstBlocks(t *testing.T) {
	d := newDriver(t, Config{ClientFirst: true})
	d.get(1)
	d.peer(post(12, block1(0, true, 0), payload(pattern(16))))
	d.peer(answered(coap.ACK, messages.Changed, 1))
	d.peer(post(13, block1(1, false, 0), payload(pattern(16))))
	d.peer(post(12, block1(0, true, 0), payload(pattern(16)))) // as the peer resends it
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"0s response 1 2.04",
		"0s send ACK 4.08 mid=13 token=aa",
		"0s send ACK 2.31 mid=12 token=aa b1=0/1/16",
	)
}

// TestClientFirstSeparate: an acknowledgement promises nothing; the separate
// response counts.
func TestClientFirstSeparate(t *testing.T) {
	d := newDriver(t, Config{ClientFirst: true})
	d.get(1)
	d.peer(coap.EmptyACK(100))
	d.peer(post(9))
	d.run(time.Second)
	separate := answered(coap.CON, messages.Changed, 1)
	separate.MID = 500
	d.peer(separate)
	d.peer(post(9))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"1s send ACK 0.00 mid=500",
		"1s response 1 2.04",
		"1s inbound 0.02 /a",
	)
}

// TestClientFirstIsNotGuessed: what is no success, or not to a token of ours,
// opens nothing; nor do pings and resets.
func TestClientFirstIsNotGuessed(t *testing.T) {
	guessed := answered(coap.ACK, messages.Changed, 1)
	guessed.Token = token(2)
	short := answered(coap.NON, messages.Changed, 1)
	short.Token = nil
	for name, msg := range map[string]coap.Message{
		"another token": guessed,
		"no token":      short,
		"refusal":       answered(coap.ACK, messages.BadRequest, 1),
		"redirection":   answered(coap.ACK, messages.NewCoAPCode(3, 1), 1),
		"ping":          {Type: coap.CON, MID: 100},
		"empty ACK":     coap.EmptyACK(100),
		"RST":           coap.Reset(100),
	} {
		d := newDriver(t, Config{ClientFirst: true})
		d.get(1)
		d.peer(msg)
		d.lines = nil
		d.peer(post(9))
		d.run(500 * time.Millisecond)
		if len(d.lines) > 0 {
			t.Errorf("%s: %v", name, d.lines)
		}
	}
}

// TestTokensAreLongAndNew: somebody who sees no packet has to guess one of 2^64
// tokens.
func TestTokensAreLongAndNew(t *testing.T) {
	var last []byte
	for range 100 {
		token := SystemRand{}.Token()
		if len(token) != 8 || bytes.Equal(token, last) {
			t.Fatalf("token %x after %x", token, last)
		}
		last = token
	}
}
