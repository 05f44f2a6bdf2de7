package coapresend

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// TestResendsMinimumDraw: RFC 7252 section 4.2: ACK_TIMEOUT, doubled each
// time, MAX_RETRANSMIT resends.
func TestResendsMinimumDraw(t *testing.T) {
	d := newDriverRand(t, Config{}, &testRand{float: 0})
	d.get(1)
	d.run(time.Hour)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"2s send CON 0.01 mid=100 token=01 /a",
		"6s send CON 0.01 mid=100 token=01 /a",
		"14s send CON 0.01 mid=100 token=01 /a",
		"30s send CON 0.01 mid=100 token=01 /a",
		"1m2s failed 1 resends exhausted",
	)
	for i, datagram := range d.sent {
		if !bytes.Equal(datagram, d.sent[0]) {
			t.Errorf("resend %d differs: %x", i, datagram)
		}
	}
}

// TestResendsMaximumDraw: RFC 7252 section 4.2 and MAX_TRANSMIT_WAIT of
// section 4.8.2.
func TestResendsMaximumDraw(t *testing.T) {
	d := newDriverRand(t, Config{}, &testRand{float: 1})
	d.get(1)
	d.run(time.Hour)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"3s send CON 0.01 mid=100 token=01 /a",
		"9s send CON 0.01 mid=100 token=01 /a",
		"21s send CON 0.01 mid=100 token=01 /a",
		"45s send CON 0.01 mid=100 token=01 /a",
		"1m33s failed 1 resends exhausted",
	)
}

// TestParameters: RFC 7252 section 4.8, with other values than the defaults.
func TestParameters(t *testing.T) {
	d := newDriverRand(t, Config{AckTimeout: time.Second, AckRandomFactor: 2, MaxRetransmit: 1}, &testRand{float: 0.5})
	d.get(1)
	d.run(time.Hour)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"1.5s send CON 0.01 mid=100 token=01 /a",
		"4.5s failed 1 resends exhausted",
	)
	d = newDriver(t, Config{MaxRetransmit: -1})
	d.get(1)
	d.run(time.Hour)
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "2s failed 1 resends exhausted")
}

// TestDerivedTimes: the table of RFC 7252 section 4.8.2.
func TestDerivedTimes(t *testing.T) {
	const most = time.Hour * 10
	tests := []struct {
		cfg                               Config
		span, wait, exchangeLife, nonLife time.Duration
	}{
		{Config{}, 45 * time.Second, 93 * time.Second, 247 * time.Second, 145 * time.Second},
		{Config{AckTimeout: time.Second, AckRandomFactor: 1, MaxRetransmit: 2}, 3 * time.Second, 7 * time.Second, 204 * time.Second, 103 * time.Second},
		{Config{MaxRetransmit: -1}, 0, 3 * time.Second, 202 * time.Second, 100 * time.Second},
		{Config{AckTimeout: 1 << 62, AckRandomFactor: math.Inf(1), MaxRetransmit: 1 << 30}, 65535 * most, 131071 * most, 65535*most + 200*time.Second + time.Hour, 65535*most + 100*time.Second},
		{Config{AckTimeout: -1, AckRandomFactor: math.NaN()}, 45 * time.Second, 93 * time.Second, 247 * time.Second, 145 * time.Second},
		{Config{MaxRetransmit: 1 << 30}, 65535 * 3 * time.Second, 131071 * 3 * time.Second, (65535*3 + 202) * time.Second, (65535*3 + 100) * time.Second},
	}
	for _, test := range tests {
		got := []time.Duration{test.cfg.MaxTransmitSpan(), test.cfg.MaxTransmitWait(), test.cfg.ExchangeLifetime(), test.cfg.NonLifetime()}
		for i, want := range []time.Duration{test.span, test.wait, test.exchangeLife, test.nonLife} {
			if got[i] != want {
				t.Errorf("%+v: time %d is %v, want %v", test.cfg, i, got[i], want)
			}
		}
	}
}

// TestPiggybackedResponse: RFC 7252 section 5.2.1.
func TestPiggybackedResponse(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.run(time.Second)
	d.peer(message(coap.ACK, messages.Content, 100, token(1), payload([]byte("x"))))
	d.run(time.Hour)
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "1s response 1 2.05 [1]")
}

// TestResponseAfterResend: a late answer ends the exchange as an early one.
func TestResponseAfterResend(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.run(7 * time.Second)
	d.peer(message(coap.ACK, messages.Valid, 100, token(1)))
	d.run(time.Hour)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"2s send CON 0.01 mid=100 token=01 /a",
		"6s send CON 0.01 mid=100 token=01 /a",
		"7s response 1 2.03",
	)
}

// TestSeparateResponse: RFC 7252 section 5.2.2: the empty ACK stops the
// resends; the response is acknowledged, and so are its duplicates (4.5).
func TestSeparateResponse(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.run(time.Second)
	d.peer(coap.EmptyACK(100))
	d.run(60 * time.Second)
	separate := message(coap.CON, messages.Content, 9, token(1), payload([]byte("x")))
	d.peer(separate)
	d.run(70 * time.Second)
	d.peer(separate)
	d.run(time.Hour)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"1m0s send ACK 0.00 mid=9",
		"1m0s response 1 2.05 [1]",
		"1m10s send ACK 0.00 mid=9",
	)
}

// TestSeparateNONResponse: RFC 7252 section 5.2.2: a separate response may be
// non-confirmable; it is not acknowledged, and its duplicate is ignored.
func TestSeparateNONResponse(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.peer(coap.EmptyACK(100))
	separate := message(coap.NON, messages.Content, 9, token(1))
	d.peer(separate)
	d.peer(separate)
	d.run(time.Hour)
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s response 1 2.05")
}

// TestResponseOvertakesACK: RFC 7252 section 5.3.2: the response is an implicit
// ACK; the ACK that comes after it is ignored.
func TestResponseOvertakesACK(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.run(time.Second)
	d.peer(message(coap.CON, messages.Content, 9, token(1)))
	d.peer(coap.EmptyACK(100))
	d.run(time.Hour)
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"1s send ACK 0.00 mid=9",
		"1s response 1 2.05",
	)
}

// TestNoSeparateResponse: the wait for a separate response ends after
// EXCHANGE_LIFETIME (RFC 7252 section 4.8.2).
func TestNoSeparateResponse(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.run(time.Second)
	d.peer(coap.EmptyACK(100))
	d.run(time.Hour)
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "4m8s failed 1 resends exhausted")
}

// TestReset: RFC 7252 section 4.2.
func TestReset(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.run(time.Second)
	d.peer(coap.Reset(100))
	d.run(time.Hour)
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "1s failed 1 reset by the peer")
}

// TestStrayACKAndReset: RFC 7252 section 4.2: those that match nothing are
// ignored, a RST to a request that has been acknowledged too.
func TestStrayACKAndReset(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(coap.EmptyACK(100))
	d.peer(coap.Reset(100))
	d.get(1)
	d.peer(coap.EmptyACK(101))
	d.peer(coap.Reset(99))
	d.peer(coap.EmptyACK(100))
	d.peer(coap.EmptyACK(100))
	d.peer(coap.Reset(100))
	d.peer(message(coap.CON, messages.Content, 9, token(1)))
	d.peer(coap.Reset(100))
	d.run(time.Hour)
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s send ACK 0.00 mid=9", "0s response 1 2.05")
}

// TestMatching: RFC 7252 section 5.3.2: message ID and token of an ACK must
// both be right; a separate response needs the token.
func TestMatching(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.expect("0s send CON 0.01 mid=100 token=01 /a")
	d.peer(message(coap.ACK, messages.Content, 100, token(2)))  // right MID, wrong token
	d.peer(message(coap.ACK, messages.Content, 101, token(1)))  // wrong MID, right token
	d.peer(message(coap.ACK, messages.Content, 100, nil))       // no token
	d.peer(message(coap.NON, messages.Content, 9, token(3)))    // unmatched NON: ignored
	d.peer(message(coap.CON, messages.Content, 10, token(3)))   // unmatched CON: RST
	d.peer(message(coap.CON, messages.Content, 100, token(99))) // our MID means nothing in a CON
	d.expect("0s send RST 0.00 mid=10", "0s send RST 0.00 mid=100")
	d.peer(message(coap.ACK, messages.Content, 100, token(1)))
	d.expect("0s response 1 2.05")
}

// TestPing: RFC 7252 section 4.3.
func TestPing(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(coap.Message{Type: coap.CON, MID: 4711})
	d.expect("0s send RST 0.00 mid=4711")
}

// TestNStart: RFC 7252 section 4.7: one request in flight, the others wait in
// order; the empty ACK frees the slot.
func TestNStart(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.get(2)
	d.get(3)
	d.expect("0s send CON 0.01 mid=100 token=01 /a")
	d.run(time.Second)
	d.peer(coap.EmptyACK(100))
	d.expect("1s send CON 0.01 mid=101 token=02 /a")
	d.peer(message(coap.ACK, messages.Content, 101, token(2)))
	d.expect("1s response 2 2.05", "1s send CON 0.01 mid=102 token=03 /a")
	d.run(2 * time.Second)
	d.peer(coap.Reset(102))
	d.peer(message(coap.NON, messages.Content, 5, token(1)))
	d.expect("2s failed 3 reset by the peer", "2s response 1 2.05")
}

// TestNStartTwo: RFC 7252 section 4.7 with NSTART 2.
func TestNStartTwo(t *testing.T) {
	d := newDriver(t, Config{NStart: 2})
	d.get(1)
	d.get(2)
	d.get(3)
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s send CON 0.01 mid=101 token=02 /a")
	d.run(62 * time.Second)
	d.lines = d.lines[len(d.lines)-3:]
	d.expect(
		"1m2s failed 1 resends exhausted",
		"1m2s send CON 0.01 mid=102 token=03 /a",
		"1m2s failed 2 resends exhausted",
	)
}

// TestQueueFull: MaxQueue requests wait besides those in flight; each one
// more fails at once.
func TestQueueFull(t *testing.T) {
	d := newDriver(t, Config{MaxQueue: 2})
	for id := range uint64(5) {
		d.get(id)
	}
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "0s failed 3 too many queued requests (limits.queued_messages)", "0s failed 4 too many queued requests (limits.queued_messages)")
	d.peer(message(coap.ACK, messages.Content, 100, token(1)))
	d.get(5)
	d.expect("0s response 0 2.05", "0s send CON 0.01 mid=101 token=02 /a")
}

// TestWaitsForLink: requests before LinkUp wait for it.
func TestWaitsForLink(t *testing.T) {
	d := newDriver(t, Config{})
	d.m = New(Config{Epoch: epoch}, &testRand{})
	d.get(1)
	d.run(time.Hour)
	d.expect()
	d.in(messages.LinkUp{Epoch: epoch - 1})
	d.expect()
	d.in(messages.LinkUp{Epoch: epoch})
	d.expect("1h0m0s send CON 0.01 mid=100 token=01 /a")
}

// TestOtherEpochs: what comes from another incarnation is dropped.
func TestOtherEpochs(t *testing.T) {
	d := newDriver(t, Config{})
	d.in(messages.Request{Epoch: epoch - 1, Code: messages.GET})
	d.in(messages.Datagram{Epoch: epoch + 1, Data: []byte{0x40, 0, 0, 1}})
	d.peer(message(coap.CON, messages.GET, 1, nil))
	d.in(messages.Reply{Epoch: epoch - 1, ID: d.lastInbound().ID, Code: messages.Content})
	d.in("something else")
	d.expect("0s inbound 0.01 /")
}

// TestUnsendable: a request that cannot be encoded fails, and the next goes
// out.
func TestUnsendable(t *testing.T) {
	d := newDriver(t, Config{})
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{string(make([]byte, 256))}})
	d.get(2)
	d.expect("0s failed 1 request cannot be encoded", "0s send CON 0.01 mid=101 token=02 /a")
}

// TestRequestOptions: every field of a request becomes its option, every
// option of a response its field.
func TestRequestOptions(t *testing.T) {
	d := newDriver(t, Config{})
	format, accept := messages.FormatLinkFormat, messages.FormatTLV
	d.in(messages.Request{
		Epoch: epoch, ID: 1, Code: messages.POST, Path: []string{"rd", ""}, Query: []string{"ep=ä b", "lt=60"},
		ContentFormat: &format, Accept: &accept, Echo: []byte("echo"), Payload: []byte("p"),
	})
	sent, err := coap.Decode(d.sent[0])
	if err != nil {
		t.Fatal(err)
	}
	if p, q := sent.Path(), sent.Query(); len(p) != 2 || p[1] != "" || len(q) != 2 || q[0] != "ep=ä b" {
		t.Errorf("path %q, query %q", p, q)
	}
	if echo, _ := sent.Bytes(coap.Echo); string(echo) != "echo" || *sent.Format(coap.ContentFormat) != format || *sent.Format(coap.Accept) != accept {
		t.Errorf("sent %v", sent.Options)
	}
	d.peer(message(coap.ACK, messages.Created, 100, token(1), bytesOption(coap.LocationPath, "rd"),
		bytesOption(coap.LocationPath, "a/b"), uintOption(coap.MaxAge, 0), bytesOption(coap.Echo, "e"),
		bytesOption(coap.ETag, "t"), uintOption(coap.ContentFormat, 60)))
	got := d.lastResponse()
	if len(got.LocationPath) != 2 || got.LocationPath[1] != "a/b" || got.MaxAge == nil || *got.MaxAge != 0 ||
		string(got.Echo) != "e" || string(got.ETag) != "t" || *got.ContentFormat != messages.FormatCBOR {
		t.Errorf("response %+v", got)
	}
}

// Whoever asks is told how far a request of ours has come; of answers to the peer
// nothing is told.
func TestStepsOfARequest(t *testing.T) {
	d := newDriver(t, Config{})
	d.in(messages.Request{Epoch: epoch, ID: 1, Code: messages.POST, Path: []string{"rd"}})
	d.run(6 * time.Second)
	d.peer(coap.EmptyACK(100))
	want := []string{
		"0s 0.02 /rd resent 0, heard nothing", "2s 0.02 /rd resent 1, heard nothing", "6s 0.02 /rd resent 2, heard nothing",
		"6s 0.02 /rd resent 2, heard acknowledgement",
	}
	if diff := cmp.Diff(want, d.steps); diff != "" {
		t.Error(diff)
	}
}
