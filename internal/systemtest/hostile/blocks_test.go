package hostile_test

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// block makes one block of a write.
func block(w *systemtest.Wire, num uint32, more bool, szx uint8, size int) coap.Message {
	m := w.Request(messages.PUT, "/1/0")
	m.AddFormat(coap.ContentFormat, new(messages.FormatTLV))
	more1 := uint32(0)
	if more {
		more1 = 8
	}
	m.AddUint(coap.Block1, num<<4|more1|uint32(szx))
	m.Payload = bytes.Repeat([]byte{0xc1}, size)
	return m
}

// Row 11: gaps, overlaps, wrong sizes and reserved values in an upload.
func TestHostile11BrokenUploadsAreRefused(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		w.ExpectAnswer("block 1 of nothing", block(w, 1, true, 2, 64), messages.RequestEntityIncomplete)
		w.ExpectAnswer("block 2^20-1 of nothing", block(w, coap.MaxBlockNumber, true, 6, 1024), messages.RequestEntityIncomplete)
		w.ExpectAnswer("SZX 7", block(w, 0, true, 7, 1024), messages.BadRequest)
		w.ExpectAnswer("M and too short", block(w, 0, true, 2, 63), messages.BadRequest)
		w.ExpectAnswer("longer than its size", block(w, 0, false, 2, 65), messages.BadRequest)

		w.ExpectAnswer("block 0", block(w, 0, true, 2, 64), messages.Continue)
		w.ExpectAnswer("a gap", block(w, 2, true, 2, 64), messages.RequestEntityIncomplete)
		w.ExpectAnswer("what the gap left", block(w, 1, true, 2, 64), messages.RequestEntityIncomplete)

		w.ExpectAnswer("block 0", block(w, 0, true, 2, 64), messages.Continue)
		w.ExpectAnswer("block 1", block(w, 1, true, 2, 64), messages.Continue)
		w.ExpectAnswer("block 1 once more", block(w, 1, true, 2, 64), messages.Continue)
		forged := block(w, 1, true, 2, 64)
		forged.Payload[63]++
		w.ExpectAnswer("block 1 with other content", forged, messages.RequestEntityIncomplete)
		w.ExpectAnswer("what that left", block(w, 2, true, 2, 64), messages.RequestEntityIncomplete)

		w.ExpectAnswer("block 0", block(w, 0, true, 2, 64), messages.Continue)
		w.ExpectAnswer("block 0 begins anew", block(w, 0, true, 2, 64), messages.Continue)
		other := block(w, 1, true, 2, 64)
		other.Options = nil
		other.AddStrings(coap.URIPath, []string{"1", "0"})
		other.AddFormat(coap.ContentFormat, new(messages.FormatSenMLCBOR))
		other.AddUint(coap.Block1, 1<<4|8|2)
		w.ExpectAnswer("another format midway", other, messages.RequestEntityIncomplete)

		w.ExpectAnswer("block 0", block(w, 0, true, 2, 64), messages.Continue)
		time.Sleep(247 * time.Second)
		w.ExpectAnswer("block 1 after EXCHANGE_LIFETIME", block(w, 1, true, 2, 64), messages.RequestEntityIncomplete)
		w.Client.ExpectQuiet()
		w.Finish()
	})
}

// Row 11: an upload without an end is refused at the limit of 64 KiB, also when
// it only announces more.
func TestHostile11EndlessUploadIsRefusedAtTheLimit(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		blocks := uint32(holdfastMaxBody / 1024)
		for num := range blocks {
			w.ExpectAnswer("block within the limit", block(w, num, true, 6, 1024), messages.Continue)
			if num%100 == 99 {
				time.Sleep(247 * time.Second) // room for more messages
			}
		}
		got := w.Ask(block(w, blocks, true, 6, 1024))
		if limit, _ := got.Uint(coap.Size1); got.Code != messages.RequestEntityTooLarge || limit != holdfastMaxBody {
			t.Errorf("answered %v, Size1 %d", got, limit)
		}
		announced := block(w, 0, true, 6, 1024)
		announced.AddUint(coap.Size1, 1<<32-1)
		w.ExpectAnswer("Size1 of 4 GiB", announced, messages.RequestEntityTooLarge)
		w.Finish()
	})
}

// holdfastMaxBody is the declared limit of a collected body, in bytes.
const holdfastMaxBody = 64 << 10

// Row 12: a download that changes for ever, never ends, changes its block size
// or announces 4 GiB ends the attempt; the policy goes on, and a good answer
// registers.
func TestHostile12BrokenDownloadsEndTheAttempt(t *testing.T) {
	first := func(m coap.Message, b coap.Block) coap.Message {
		a := systemtest.Reply(m, messages.Created)
		a.AddStrings(coap.LocationPath, []string{"rd", "1"})
		a.AddBlock(coap.Block2, b)
		a.Payload = make([]byte, b.Size())
		return a
	}
	etag := byte(0)
	tests := []struct {
		name   string
		code   holdfast.ErrorCode
		answer func(m coap.Message, b coap.Block) coap.Message
	}{
		{"never ends", holdfast.CodeMemory, func(m coap.Message, b coap.Block) coap.Message {
			b.More = true
			return first(m, b)
		}},
		{"ETag changes", holdfast.CodeResponseParse, func(m coap.Message, b coap.Block) coap.Message {
			b.More = true
			a := first(m, b)
			etag++
			a.AddOption(coap.ETag, []byte{etag})
			return a
		}},
		{"wrong number", holdfast.CodeResponseParse, func(m coap.Message, b coap.Block) coap.Message {
			if b.More = true; b.Num > 0 {
				b.Num++
			}
			return first(m, b)
		}},
		{"short block", holdfast.CodeResponseParse, func(m coap.Message, b coap.Block) coap.Message {
			b.More = true
			a := first(m, b)
			a.Payload = a.Payload[1:]
			return a
		}},
		{"announces 4 GiB", holdfast.CodeMemory, func(m coap.Message, b coap.Block) coap.Message {
			b.More = true
			a := first(m, b)
			a.AddUint(coap.Size2, 1<<32-1)
			return a
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scripted(t, func(t *testing.T, w *systemtest.World) {
				pc := w.Script(systemtest.CoAPPort, func(m coap.Message) []coap.Message {
					b, asked := m.Block(coap.Block2)
					if !asked {
						b = coap.Block{SZX: 6}
					}
					return []coap.Message{tt.answer(m, b)}
				})
				c := w.Start(w.NoSec())
				e := c.Next(holdfast.EventError)
				if e.Code != tt.code || e.Attempt != 1 || systemtest.Retry(e) != 5*time.Second {
					t.Errorf("%+v", e)
				}
				recover(w, c, pc)
			})
		})
	}
}

// recover replaces a scripted server by a good one, with which the client must
// register by itself.
func recover(w *systemtest.World, c *systemtest.Client, scripted net.PacketConn) {
	w.T.Helper()
	if err := scripted.Close(); err != nil {
		w.T.Fatal(err)
	}
	w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	w.ExpectHealthy(c)
	c.ExpectClose(nil)
}

// scripted runs a test in a world whose server is written by hand.
func scripted(t *testing.T, test func(t *testing.T, w *systemtest.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		test(t, w)
	})
}
