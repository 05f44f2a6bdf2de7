package coapresend

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// post returns a confirmable POST on /a.
func post(mid uint16, edits ...edit) coap.Message {
	return message(coap.CON, messages.POST, mid, []byte{0xaa}, append([]edit{path("a")}, edits...)...)
}

// TestPiggybackedReply: RFC 7252 section 5.2.1.
func TestPiggybackedReply(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9, payload([]byte("x"))))
	d.run(999 * time.Millisecond)
	d.reply(messages.Changed, nil)
	d.run(time.Hour)
	d.expect("0s inbound 0.02 /a [1]", "999ms send ACK 2.04 mid=9 token=aa")
}

// TestInbound: every option of a request becomes its field.
func TestInbound(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(message(coap.CON, messages.GET, 9, []byte{0xaa}, path("3", "0"), bytesOption(coap.URIQuery, "pmin=1"),
		uintOption(coap.ContentFormat, 40), uintOption(coap.Accept, 112), uintOption(coap.Observe, 0),
		bytesOption(coap.URIHost, "h"), uintOption(coap.URIPort, 1), uintOption(coap.NoResponse, 2)))
	format, accept, observe := messages.FormatLinkFormat, messages.FormatSenMLCBOR, uint32(0)
	want := messages.Inbound{
		Peer: messages.ManagementPeer(1), Epoch: epoch, ID: 1, Code: messages.GET, Path: []string{"3", "0"}, Query: []string{"pmin=1"},
		ContentFormat: &format, Accept: &accept, Observe: &observe, Token: []byte{0xaa},
		Key: `1 ["3" "0"] ["pmin=1"] 112`,
	}
	if diff := cmp.Diff(want, d.lastInbound()); diff != "" {
		t.Error(diff)
	}
}

// TestReplyOptions: every field of a reply becomes its option.
func TestReplyOptions(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9))
	format, maxAge := messages.FormatTLV, uint32(3)
	d.in(messages.Reply{
		Epoch: epoch, ID: 1, Code: messages.Created, LocationPath: []string{"3", "1"},
		ContentFormat: &format, MaxAge: &maxAge, Payload: []byte("p"),
	})
	sent, err := coap.Decode(d.sent[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := sent.Strings(coap.LocationPath); !cmp.Equal(got, []string{"3", "1"}) {
		t.Errorf("Location-Path %q", got)
	}
	if v, _ := sent.Uint(coap.MaxAge); v != 3 || *sent.Format(coap.ContentFormat) != format || string(sent.Payload) != "p" {
		t.Errorf("sent %v", sent)
	}
}

// TestDuplicateRequest: RFC 7252 section 4.5: answered from the cache, byte for
// byte, and not executed again, for EXCHANGE_LIFETIME.
func TestDuplicateRequest(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9))
	d.peer(post(9)) // the handler is still working: nothing
	d.reply(messages.Changed, []byte("x"))
	d.run(3 * time.Second)
	d.peer(post(9))
	d.run(246*time.Second + 999*time.Millisecond)
	d.peer(post(9))
	d.run(247 * time.Second)
	d.expect(
		"0s inbound 0.02 /a",
		"0s send ACK 2.04 mid=9 token=aa [1]",
		"3s send ACK 2.04 mid=9 token=aa [1]",
		"4m6.999s send ACK 2.04 mid=9 token=aa [1]",
	)
	for _, datagram := range d.sent {
		if !cmp.Equal(datagram, d.sent[0]) {
			t.Errorf("%x differs from %x", datagram, d.sent[0])
		}
	}
	d.peer(post(9))
	d.expect("4m7s inbound 0.02 /a")
}

// TestSameMIDOtherContent: RFC 7252 section 4.5: the message ID decides.
func TestSameMIDOtherContent(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9))
	d.reply(messages.Changed, nil)
	d.peer(message(coap.CON, messages.DELETE, 9, []byte{0xbb}, path("b")))
	d.expect("0s inbound 0.02 /a", "0s send ACK 2.04 mid=9 token=aa", "0s send ACK 2.04 mid=9 token=aa")
}

// TestSeparateReply: RFC 7252 section 5.2.2: a slow handler's request is
// acknowledged after half of ACK_TIMEOUT; the response follows as a CON of its
// own, resent until acknowledged. A duplicate gets the empty ACK again.
func TestSeparateReply(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9))
	d.run(2 * time.Second)
	d.peer(post(9))
	d.run(5 * time.Second)
	d.reply(messages.Changed, []byte("x"))
	d.run(8 * time.Second)
	d.peer(post(9))
	d.peer(coap.EmptyACK(100))
	d.run(time.Hour)
	d.expect(
		"0s inbound 0.02 /a",
		"1s send ACK 0.00 mid=9",
		"2s send ACK 0.00 mid=9",
		"5s send CON 2.04 mid=100 token=aa [1]",
		"7s send CON 2.04 mid=100 token=aa [1]",
		"8s send ACK 0.00 mid=9",
	)
}

// TestSeparateReplyUnanswered: exhaustion and reset of a separate response
// concern nobody.
func TestSeparateReplyUnanswered(t *testing.T) {
	d := newDriver(t, Config{MaxRetransmit: 1})
	d.peer(post(8))
	d.run(2 * time.Second)
	d.reply(messages.Changed, nil)
	d.run(10 * time.Second)
	d.peer(post(9))
	d.run(12 * time.Second)
	d.reply(messages.Changed, nil)
	d.peer(coap.Reset(101))
	d.run(time.Hour)
	d.expect(
		"0s inbound 0.02 /a",
		"1s send ACK 0.00 mid=8",
		"2s send CON 2.04 mid=100 token=aa",
		"4s send CON 2.04 mid=100 token=aa",
		"10s inbound 0.02 /a",
		"11s send ACK 0.00 mid=9",
		"12s send CON 2.04 mid=101 token=aa",
	)
}

// TestSeparateReplyBesideRequests: a separate response waits for the one
// before it, and takes no slot of NSTART from our own requests.
func TestSeparateReplyBesideRequests(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	d.get(2)
	d.peer(post(9))
	d.run(time.Second)
	d.peer(post(10))
	d.run(2 * time.Second)
	d.answer(1, messages.Changed)
	d.answer(2, messages.Changed)
	d.peer(message(coap.ACK, messages.Content, 100, token(1)))
	d.peer(coap.EmptyACK(101))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"0s inbound 0.02 /a",
		"1s send ACK 0.00 mid=9",
		"1s inbound 0.02 /a",
		"2s send CON 0.01 mid=100 token=01 /a",
		"2s send ACK 0.00 mid=10",
		"2s send CON 2.04 mid=101 token=aa",
		"2s response 1 2.05",
		"2s send CON 0.01 mid=102 token=02 /a",
		"2s send CON 2.04 mid=103 token=aa",
	)
}

// TestNONRequest: RFC 7252 section 5.2.3: answered by a NON with a message ID
// of ours; a duplicate is ignored, for NON_LIFETIME.
func TestNONRequest(t *testing.T) {
	d := newDriver(t, Config{})
	request := message(coap.NON, messages.GET, 9, []byte{0xaa}, path("a"))
	d.peer(request)
	d.run(10 * time.Second)
	d.reply(messages.Content, []byte("x"))
	d.peer(request)
	d.run(145*time.Second - 1)
	d.peer(request)
	d.run(145 * time.Second)
	d.peer(request)
	d.expect(
		"0s inbound 0.01 /a",
		"10s send NON 2.05 mid=100 token=aa [1]",
		"2m25s inbound 0.01 /a",
	)
}

// TestHandlerNeverAnswers: a request is given up after EXCHANGE_LIFETIME; a
// reply after that is dropped.
func TestHandlerNeverAnswers(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9))
	d.run(time.Hour)
	d.reply(messages.Changed, nil)
	d.in(messages.Reply{Epoch: epoch, ID: 99, Code: messages.Changed})
	d.expect("0s inbound 0.02 /a", "1s send ACK 0.00 mid=9")
	if len(d.timers) != 0 || d.m.entries != nil {
		t.Errorf("left over: %v, %d entries", d.timers, len(d.m.entries))
	}
}

// TestSecondReply: the handler answers once.
func TestSecondReply(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9))
	d.reply(messages.Changed, nil)
	d.reply(messages.NotFound, nil)
	d.expect("0s inbound 0.02 /a", "0s send ACK 2.04 mid=9 token=aa")
}

// TestImpossibleReplies: what cannot be a response becomes 5.00.
func TestImpossibleReplies(t *testing.T) {
	tests := []messages.Reply{
		{Code: messages.Empty},
		{Code: messages.GET},
		{Code: messages.Continue},
		{Code: messages.NewCoAPCode(7, 1)},
		{Code: messages.Created, LocationPath: []string{string(make([]byte, 256))}},
	}
	for i, reply := range tests {
		d := newDriver(t, Config{})
		d.peer(post(9))
		reply.Epoch, reply.ID = epoch, 1
		d.in(reply)
		d.expect("0s inbound 0.02 /a", "0s send ACK 5.00 mid=9 token=aa")
		if t.Failed() {
			t.Fatalf("row %d", i)
		}
	}
}

// TestDedupEviction: the cache is bounded: the oldest answered entry goes; a
// request that is being worked at stays, and when there are only such a new
// one is refused.
func TestDedupEviction(t *testing.T) {
	d := newDriver(t, Config{DedupEntries: 2})
	d.peer(post(1)) // stays at work
	d.peer(post(2))
	d.reply(messages.Changed, nil)
	d.peer(post(3)) // evicts 2
	d.expect("0s inbound 0.02 /a", "0s inbound 0.02 /a", "0s send ACK 2.04 mid=2 token=aa", "0s inbound 0.02 /a")
	d.peer(post(4))                                  // 1 and 3 are at work
	d.peer(message(coap.NON, messages.POST, 5, nil)) // has room of its own
	d.peer(message(coap.NON, messages.POST, 6, nil)) // 5 is at work
	d.peer(post(1))
	d.expect(
		"0s send ACK 5.03 mid=4 token=aa",
		"0s overloaded {Queue:0 Rate:0 Answers:0 Memory:1 Forged:0 Truncated:0 Unsent:0}",
		"0s inbound 0.02 /",
	)
	if len(d.m.entries) != 3 {
		t.Errorf("%d entries", len(d.m.entries))
	}
}

// TestRequestsAnsweredByCode has the requests that never reach the handler.
func TestRequestsAnsweredByCode(t *testing.T) {
	tests := []struct {
		name    string
		request coap.Message
		want    []string
	}{
		{"unknown critical option (RFC 7252 section 5.4.1)", post(9, bytesOption(9, "x")), []string{"0s send ACK 4.02 mid=9 token=aa"}},
		{"If-Match", post(9, bytesOption(coap.IfMatch, "x")), []string{"0s send ACK 4.02 mid=9 token=aa"}},
		{"Q-Block1 (RFC 9177)", post(9, uintOption(coap.QBlock1, 0)), []string{"0s send ACK 4.02 mid=9 token=aa"}},
		{"the same in a NON is ignored", message(coap.NON, messages.POST, 9, nil, bytesOption(9, "x")), []string{"0s malformed (critical option unknown)"}},
		{"Proxy-Uri (5.7.2)", post(9, bytesOption(coap.ProxyURI, "coap://x/")), []string{"0s send ACK 5.05 mid=9 token=aa"}},
		{"Proxy-Scheme (5.7.2)", post(9, bytesOption(coap.ProxyScheme, "coap")), []string{"0s send ACK 5.05 mid=9 token=aa"}},
		{"unknown method (5.8)", message(coap.CON, 8, 9, []byte{0xaa}), []string{"0s send ACK 4.05 mid=9 token=aa"}},
		{"unknown method in a NON", message(coap.NON, 31, 9, []byte{0xaa}), []string{"0s send NON 4.05 mid=100 token=aa"}},
		{"Block2 of SZX 7 (RFC 7959 section 2.2)", post(9, block2(0, false, 7)), []string{"0s send ACK 4.00 mid=9 token=aa"}},
		{"POST for a later block of nothing", post(9, block2(1, false, 6)), []string{"0s send ACK 4.08 mid=9 token=aa"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.peer(test.request)
			d.expect(test.want...)
			if test.request.Type == coap.CON {
				d.peer(test.request)
				d.expect(test.want...)
			}
		})
	}
}

// TestElectiveOptionIgnored: RFC 7252 section 5.4.1.
func TestElectiveOptionIgnored(t *testing.T) {
	d := newDriver(t, Config{})
	d.peer(post(9, bytesOption(2000, "x")))
	d.expect("0s inbound 0.02 /a")
}

// TestMalformed: RFC 7252 sections 4.2 and 4.3: what is malformed is dropped,
// with a RST if it was confirmable, and reported once each; the machine works
// on.
func TestMalformed(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want []string
	}{
		{"short", []byte{0x40, 1, 0}, []string{"0s malformed (shorter than a header)"}},
		{"version 2", []byte{0x80, 1, 0, 9}, []string{"0s malformed (version is not 1)"}},
		{"CON truncated", []byte{0x44, 1, 0, 9}, []string{"0s send RST 0.00 mid=9", "0s malformed (truncated)"}},
		{"NON truncated", []byte{0x54, 1, 0, 9}, []string{"0s malformed (truncated)"}},
		{"ACK truncated", []byte{0x64, 0x45, 0, 9}, []string{"0s malformed (truncated)"}},
		{"CON marker only", []byte{0x40, 1, 0, 9, 0xff}, []string{"0s send RST 0.00 mid=9", "0s malformed (payload marker without payload)"}},
		{"request in ACK", []byte{0x60, 1, 0, 9}, []string{"0s malformed (type and code do not go together)"}},
		{"empty NON", []byte{0x50, 0, 0, 9}, []string{"0s malformed (type and code do not go together)"}},
		{"class 7", []byte{0x40, 0xe1, 0, 9}, []string{"0s send RST 0.00 mid=9", "0s malformed (reserved code class)"}},
		{"Uri-Port of 3 bytes: 4.02", []byte{0x40, 1, 0, 9, 0x73, 1, 2, 3}, []string{"0s send ACK 4.02 mid=9"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDriver(t, Config{})
			d.raw(test.data...)
			d.expect(test.want...)
			d.peer(post(10))
			d.expect("0s inbound 0.02 /a")
		})
	}
}

// TestResponseWithCriticalOption: RFC 7252 section 5.4.1: a response with an
// unknown critical option is rejected; in an ACK it is as if it had not come.
func TestResponseWithCriticalOption(t *testing.T) {
	d := newDriver(t, Config{})
	d.get(1)
	bad := bytesOption(9, "x")
	d.peer(message(coap.ACK, messages.Content, 100, token(1), bad))
	d.peer(message(coap.NON, messages.Content, 8, token(1), bad))
	d.peer(message(coap.CON, messages.Content, 9, token(1), bad))
	d.run(2 * time.Second)
	d.peer(message(coap.ACK, messages.Content, 100, token(1)))
	d.expect(
		"0s send CON 0.01 mid=100 token=01 /a",
		"0s malformed (critical option unknown)",
		"0s malformed (critical option unknown)",
		"0s send RST 0.00 mid=9",
		"0s malformed (critical option unknown)",
		"2s send CON 0.01 mid=100 token=01 /a",
		"2s response 1 2.05",
	)
}

// TestResponseWhenCacheIsFull: a separate response is acknowledged although it
// cannot be remembered.
func TestResponseWhenCacheIsFull(t *testing.T) {
	d := newDriver(t, Config{DedupEntries: 1})
	d.peer(post(1))
	d.get(1)
	d.peer(message(coap.CON, messages.Content, 9, token(1)))
	d.expect(
		"0s inbound 0.02 /a",
		"0s send CON 0.01 mid=100 token=01 /a",
		"0s send ACK 0.00 mid=9",
		"0s response 1 2.05",
	)
}

// TestTimersOfNothing: a timer whose exchange or entry is gone does nothing.
func TestTimersOfNothing(t *testing.T) {
	d := newDriver(t, Config{})
	for _, timer := range []core.Timer{
		sendTimer(1), serveTimer, {Name: timerSend, Key: 1<<16 + 1}, {Name: "serve", Key: 1 << 16}, {Name: "unknown"}, sweepTimer,
	} {
		d.in(core.Expired{Timer: timer})
	}
	d.expect()
}
