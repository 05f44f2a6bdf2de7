package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Row 1: a datagram from an address or a port other than the server's is
// ignored completely, whatever it says.
func TestHostile01StrangersAreNotHeard(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		attacker, err := w.Network.Host("attacker", netip.MustParseAddr("192.0.2.66")).ListenPacket(systemtest.CoAPPort)
		if err != nil {
			t.Fatal(err)
		}
		before := w.LastPacket()
		refused := w.Network.Counters().Refused
		for _, m := range []coap.Message{w.Request(messages.GET, "/3/0"), w.Request(messages.POST, "/1/0/8"), coap.Reset(1), coap.EmptyACK(1), {}} {
			w.Inject(attacker, systemtest.Encode(t, m))
			w.Inject(w.Listen(0), systemtest.Encode(t, m))
			synctest.Wait()
		}
		if got := w.SentAfter(before); len(got) > 0 {
			t.Errorf("strangers were answered %v", got)
		}
		if n := w.Network.Counters().Refused - refused; n != 10 {
			t.Errorf("%d of 10 datagrams were refused by the socket", n)
		}
		w.Client.ExpectQuiet()
		w.Finish()
	})
}

// Row 2: a datagram larger than the buffer is dropped whole; it is not taken
// for the message that its beginning would be.
func TestHostile02OversizedDatagramIsDroppedWhole(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		m := w.Request(messages.POST, "/1/0/8")
		m.Payload = bytes.Repeat([]byte{'0'}, 65000)
		if got := w.Provoke(systemtest.Encode(t, m)); len(got) > 0 {
			t.Errorf("answered %v", got)
		}
		w.ExpectAnswer("after it", w.Request(messages.GET, "/3/0/0"), messages.Content)
		if n := w.Server.Updates(systemtest.Endpoint); n != 0 {
			t.Errorf("%d Updates", n)
		}
		w.Finish()
	})
}

// Row 3: malformed header or options: RST for a confirmable message, silence
// for the others, and at most one event a second.
func TestHostile03MalformedMessagesAreRejectedByType(t *testing.T) {
	faults := map[string]func(mid uint16, kind byte) []byte{
		"token length 9":  func(mid uint16, kind byte) []byte { return []byte{0x49 | kind, 1, byte(mid >> 8), byte(mid)} },
		"token length 15": func(mid uint16, kind byte) []byte { return []byte{0x4f | kind, 1, byte(mid >> 8), byte(mid)} },
		"token cut short": func(mid uint16, kind byte) []byte { return []byte{0x44 | kind, 1, byte(mid >> 8), byte(mid), 1} },
		"option cut short": func(mid uint16, kind byte) []byte {
			return []byte{0x40 | kind, 1, byte(mid >> 8), byte(mid), 0xb5, '3'}
		},
		"delta 15":  func(mid uint16, kind byte) []byte { return []byte{0x40 | kind, 1, byte(mid >> 8), byte(mid), 0xf0} },
		"length 15": func(mid uint16, kind byte) []byte { return []byte{0x40 | kind, 1, byte(mid >> 8), byte(mid), 0xbf} },
		"marker, no payload": func(mid uint16, kind byte) []byte {
			return []byte{0x40 | kind, 1, byte(mid >> 8), byte(mid), 0xff}
		},
		"class 1": func(mid uint16, kind byte) []byte { return []byte{0x40 | kind, 0x20, byte(mid >> 8), byte(mid)} },
		"class 6": func(mid uint16, kind byte) []byte { return []byte{0x40 | kind, 0xc0, byte(mid >> 8), byte(mid)} },
		"class 7": func(mid uint16, kind byte) []byte { return []byte{0x40 | kind, 0xe1, byte(mid >> 8), byte(mid)} },
		"empty with a token": func(mid uint16, kind byte) []byte {
			return []byte{0x41 | kind, 0, byte(mid >> 8), byte(mid), 1}
		},
	}
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for name, fault := range faults {
			for kind := range byte(4) {
				w.MID++
				got := w.Provoke(fault(w.MID, kind<<4))
				want := 0
				if coap.Type(kind) == coap.CON {
					want = 1
				}
				if len(got) != want || want == 1 && (got[0].Type != coap.RST || got[0].MID != w.MID) {
					t.Errorf("%s, type %v: answered %v", name, coap.Type(kind), got)
				}
			}
		}
		for _, data := range [][]byte{{}, {0x40}, {0x40, 1, 0}, {0x00, 1, 0, 1}, {0x80, 1, 0, 1}, {0xc0, 1, 0, 1}} {
			if got := w.Provoke(data); len(got) > 0 {
				t.Errorf("%x: answered %v", data, got)
			}
		}
		if e := w.Client.Next(holdfast.EventError); e.Code != holdfast.CodeResponseParse {
			t.Errorf("%+v", e)
		}
		w.Client.ExpectQuiet() // no time has passed: one event
		w.Finish()
	})
}

// Row 3: one event a second, however many malformed messages come.
func TestHostile03EventsAreLimited(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		began := time.Now()
		for range 10 * 5 {
			w.Provoke([]byte{0x40, 1, 0, 1, 0xff})
			time.Sleep(200 * time.Millisecond)
		}
		if n := len(w.Client.Feed); n != 10 {
			t.Errorf("%d events in %v: %s", n, time.Since(began), w.Client.Story())
		}
		w.Finish()
	})
}

// Row 4: thousands of options, or option numbers beyond 65535, are a format
// error.
func TestHostile04OptionBombsAreRejected(t *testing.T) {
	bombs := map[string][]byte{
		"5000 empty options":   bytes.Repeat([]byte{0x10}, 5000),
		"2000 Uri-Path":        append([]byte{0xb1, '3'}, bytes.Repeat([]byte{0x01, '3'}, 2000)...),
		"65 options":           append([]byte{0xb1, '3'}, bytes.Repeat([]byte{0x01, '3'}, 64)...),
		"number above 65535":   {0xe0, 0xff, 0xff},
		"numbers that add up":  {0xe0, 0x80, 0x00, 0xe0, 0x80, 0x00},
		"an option of 2 KiB":   append([]byte{0xde, 24, 0x07, 0xf3}, make([]byte, 2304)...),
		"a length of 64 KiB":   {0xbe, 0xff, 0xff, '3'},
		"300 long Uri-Queries": append([]byte{0xd0, 2}, bytes.Repeat(append([]byte{0x0d, 187}, make([]byte, 200)...), 30)...),
	}
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for name, options := range bombs {
			w.MID++
			got := w.Provoke(append([]byte{0x40, byte(messages.GET), byte(w.MID >> 8), byte(w.MID)}, options...))
			if len(got) != 1 || got[0].Type != coap.RST || got[0].MID != w.MID {
				t.Errorf("%s: answered %v", name, got)
			}
		}
		w.Finish()
	})
}

// Row 5: a replayed confirmable request gets the same bytes again and is not
// executed again.
func TestHostile05ReplayedRequestIsExecutedOnce(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		m := w.Request(messages.POST, "/1/0/8") // Registration Update Trigger
		data := systemtest.Encode(t, m)
		var answers []coap.Message
		for _, after := range []time.Duration{0, time.Second, 2 * time.Minute, 123 * time.Second} {
			time.Sleep(after) // in all less than EXCHANGE_LIFETIME
			for _, got := range w.Provoke(data, data) {
				if got.MID == m.MID && got.Type == coap.ACK {
					answers = append(answers, got)
				}
			}
		}
		if len(answers) != 8 {
			t.Fatalf("%d answers", len(answers))
		}
		for _, a := range answers {
			if !bytes.Equal(systemtest.Encode(t, a), systemtest.Encode(t, answers[0])) || a.Code != messages.Changed {
				t.Errorf("%v differs from %v", a, answers[0])
			}
		}
		if n := w.Server.Updates(systemtest.Endpoint); n != 1 {
			t.Errorf("executed %d times", n)
		}
		w.Finish()
	})
}

// Row 6: another request under the same message ID is a duplicate of the
// first.
func TestHostile06SameMessageIDIsADuplicate(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		first := w.Request(messages.GET, "/3/0/0")
		want := w.Ask(first)
		second := w.Request(messages.POST, "/1/0/8")
		second.MID = first.MID
		got := w.Provoke(systemtest.Encode(t, second))
		if len(got) != 1 || !bytes.Equal(systemtest.Encode(t, got[0]), systemtest.Encode(t, want)) {
			t.Errorf("answered %v", got)
		}
		if n := w.Server.Updates(systemtest.Endpoint); n != 0 {
			t.Error("the second request was executed")
		}
		w.Finish()
	})
}

// Row 7: without security, a spoofed RST or ACK with the wrong message ID does
// nothing; a right one only ends one exchange, and is no success.
func TestHostile07SpoofedResetsAndAcknowledgements(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		cfgLocation, _ := w.Server.Registration(systemtest.Endpoint)
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Update, 1, lwm2mtest.Behaviour{Silent: true})
		update := update(w)
		for _, mid := range []uint16{update.MID + 1, update.MID - 1, ^update.MID} {
			if got := w.Provoke(systemtest.Encode(t, coap.Reset(mid)), systemtest.Encode(t, coap.EmptyACK(mid))); len(got) > 0 {
				t.Errorf("answered %v", got)
			}
		}
		w.Client.ExpectQuiet()
		// The empty ACK ends the resending, and the exchange still waits for a
		// response.
		w.Provoke(systemtest.Encode(t, coap.EmptyACK(update.MID)))
		before := w.LastPacket()
		time.Sleep(time.Minute)
		if got := w.SentAfter(before); len(got) > 0 {
			t.Errorf("sent %v", got)
		}
		w.Client.ExpectQuiet()
		// The RST ends the exchange: the client registers anew, once.
		w.Provoke(systemtest.Encode(t, coap.Reset(update.MID)))
		time.Sleep(5 * time.Minute)
		if now, _ := w.Server.Registration(systemtest.Endpoint); now.Location == nil || w.Server.Registers(systemtest.Endpoint) > 2 {
			t.Errorf("%d Registers; %v became %v", w.Server.Registers(systemtest.Endpoint), cfgLocation.Location, now.Location)
		}
		w.Finish()
	})
}

// update makes the client send an Update and returns it.
func update(w *systemtest.Wire) coap.Message {
	w.T.Helper()
	synctest.Wait()
	before := w.LastPacket()
	if err := w.Client.RegisterUpdate(context.Background()); err != nil {
		w.T.Fatal(err)
	}
	synctest.Wait()
	sent := w.SentAfter(before)
	if len(sent) != 1 || sent[0].Code != messages.POST {
		w.T.Fatalf("sent %v", sent)
	}
	return sent[0]
}

// Row 8: a response with the right message ID and another token, or the right
// token from another port, is rejected.
func TestHostile08MismatchedResponsesAreRejected(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Update, 1, lwm2mtest.Behaviour{Silent: true, Process: true})
		update := update(w)
		right := systemtest.Reply(update, messages.Changed)
		wrong := right
		for _, token := range [][]byte{nil, {0}, update.Token[:len(update.Token)-1], bytes.Repeat([]byte{7}, len(update.Token))} {
			wrong.Token = token
			w.Provoke(systemtest.Encode(t, wrong))
			separate := wrong
			separate.Type, separate.MID = coap.CON, w.Request(messages.GET, "").MID
			if got := w.Provoke(systemtest.Encode(t, separate)); len(got) != 1 || got[0].Type != coap.RST {
				t.Errorf("a separate response with token %x: %v", token, got)
			}
		}
		otherMID := right
		otherMID.MID++
		w.Provoke(systemtest.Encode(t, otherMID))
		w.Inject(w.Listen(0), systemtest.Encode(t, right))
		w.Client.ExpectQuiet()
		w.Provoke(systemtest.Encode(t, right))
		w.Client.Next(holdfast.EventRegistrationUpdated)
		w.Finish()
	})
}

// Row 10: an unsolicited response is rejected if it is confirmable and else
// ignored; a request code that does not exist is answered 4.05.
func TestHostile10UnsolicitedResponsesAndUnknownMethods(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for _, kind := range []coap.Type{coap.CON, coap.NON, coap.ACK} {
			for _, code := range []messages.CoAPCode{messages.Content, messages.Created, messages.BadRequest, messages.NewCoAPCode(5, 31)} {
				m := w.Request(code, "")
				m.Type = kind
				got := w.Provoke(systemtest.Encode(t, m))
				if kind != coap.CON && len(got) > 0 {
					t.Errorf("%v: answered %v", m, got)
				}
				if kind == coap.CON && (len(got) != 1 || got[0].Type != coap.RST || got[0].MID != m.MID) {
					t.Errorf("%v: answered %v", m, got)
				}
			}
		}
		for code := messages.IPATCH + 1; code < 32; code++ {
			w.ExpectAnswer(fmt.Sprint("method ", code), w.Request(code, "/3/0/0"), messages.MethodNotAllowed)
		}
		w.Client.ExpectQuiet()
		w.Finish()
	})
}
