package lwm2mtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

func TestServerReadsFromClient(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		if _, err := r.server.Read(t.Context(), "gw", "/3/0", lwm2m.FormatTLV); !errors.Is(err, ErrNotRegistered) {
			t.Errorf("before registering: %v", err)
		}
		c.register("gw")
		go func() {
			request := c.next()
			if request.Code != lwm2m.CodeGET || strings.Join(request.Path(), "/") != "3/0" {
				t.Errorf("request %v %q", request, request.Path())
			}
			c.answerWith(request, lwm2m.CodeContent, []byte("device"))
		}()
		response, err := r.server.Read(t.Context(), "gw", "/3/0", lwm2m.FormatTLV)
		if err != nil || response.Code != lwm2m.CodeContent || string(response.Payload) != "device" {
			t.Errorf("response %+v, %v", response, err)
		}
	})
}

func TestServerRequestResendsThenTimesOut(t *testing.T) {
	serverBubble(t, ServerOptions{Seed: 1}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		sentBefore := len(r.Packets())
		_, err := r.server.Read(t.Context(), "gw", "/3/0", lwm2m.FormatTLV)
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("error %v", err)
		}
		sent := r.Packets()[sentBefore:]
		if len(sent) != 5 {
			t.Fatalf("%d datagrams, want 5", len(sent))
		}
		first := sent[1].Time.Sub(sent[0].Time)
		if first < 2*time.Second || first > 3*time.Second {
			t.Errorf("first timeout %v, want 2s to 3s", first)
		}
		for i, p := range sent {
			if want := first * (1<<i - 1); p.Time.Sub(sent[0].Time) != want || !cmp.Equal(p.Data, sent[0].Data) {
				t.Errorf("datagram %d after %v, want %v and the same bytes", i, p.Time.Sub(sent[0].Time), want)
			}
		}
		if got := time.Since(sent[0].Time); got != 31*first {
			t.Errorf("gave up after %v, want %v", got, 31*first)
		}
	})
}

func TestServerRequestSeparateResponse(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		go func() {
			request := c.next()
			c.send(coap.EmptyACK(request.MID))
			time.Sleep(200 * time.Second)
			separate := coap.Message{Type: coap.CON, Code: lwm2m.CodeContent, MID: 900, Token: request.Token, Payload: []byte("late")}
			for range 2 { // the duplicate is acknowledged as well
				c.send(separate)
				if ack := c.next(); ack.Type != coap.ACK || ack.MID != 900 {
					t.Errorf("separate response answered %v", ack)
				}
			}
		}()
		response, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV)
		synctest.Wait()
		if err != nil || string(response.Payload) != "late" {
			t.Errorf("response %+v, %v", response, err)
		}
	})
}

func TestServerRequestReset(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		go func() { c.send(coap.Reset(c.next().MID)) }()
		if _, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, ErrReset) {
			t.Errorf("error %v", err)
		}
	})
}

func TestServerRequestEndsWithContextAndService(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.dial(5683).register("gw")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := r.server.Read(ctx, "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.AfterFunc(time.Second, r.service.Abort)
		if _, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}

func TestServerReassemblesBlock2(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		body := strings.Repeat("0123456789", 10)
		go c.serveBlock2(body, 64, 2)
		response, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV)
		if err != nil || string(response.Payload) != body {
			t.Errorf("%d bytes, %v", len(response.Payload), err)
		}
	})
}

// serveBlock2 answers n requests with parts of body.
func (c *client) serveBlock2(body string, size, n int) {
	for range n {
		request := c.next()
		asked, _ := request.Block(coap.Block2)
		offset := int(asked.Num) * size
		end := min(offset+size, len(body))
		answer := coap.Message{Type: coap.ACK, Code: lwm2m.CodeContent, MID: request.MID, Token: request.Token, Payload: []byte(body[offset:end])}
		block, _ := coap.At(offset, end < len(body), coap.SZXForSize(size))
		answer.AddBlock(coap.Block2, block)
		c.send(answer)
	}
}

func TestServerRejectsBrokenBlock2(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		go func() {
			for range 2 { // always block 0
				request := c.next()
				answer := coap.Message{Type: coap.ACK, Code: lwm2m.CodeContent, MID: request.MID, Token: request.Token, Payload: make([]byte, 16)}
				answer.AddBlock(coap.Block2, coap.Block{More: true})
				c.send(answer)
			}
		}()
		if _, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, ErrBlockwise) {
			t.Errorf("error %v", err)
		}
	})
}

func TestServerSendsBlock1(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		opts := ServerOptions{BlockSize: 64, NewTokenPerBlock: fresh}
		serverBubble(t, opts, NoSec(), func(t *testing.T, r *rig) {
			c := r.dial(5683)
			c.register("gw")
			body := []byte(strings.Repeat("abcdefgh", 20)) // 64 + 3 * 32 bytes
			var got []byte
			tokens := make(map[string]bool)
			go func() { got = c.takeBlock1(tokens, 1) }()
			response, err := r.server.Do(t.Context(), "gw", Request{Method: lwm2m.CodePUT, Path: "/5/0/0", Payload: body})
			synctest.Wait()
			if err != nil || response.Code != lwm2m.CodeChanged || string(got) != string(body) {
				t.Errorf("%v, %v, %d bytes arrived", response.Code, err, len(got))
			}
			if want := map[bool]int{false: 1, true: 4}[fresh]; len(tokens) != want {
				t.Errorf("%d tokens, want %d", len(tokens), want)
			}
		})
	}
}

// takeBlock1 receives a body, asking for blocks of exponent szx.
func (c *client) takeBlock1(tokens map[string]bool, szx uint8) (body []byte) {
	for {
		request := c.next()
		tokens[string(request.Token)] = true
		block, _ := request.Block(coap.Block1)
		if block.Offset() != len(body) {
			c.t.Errorf("block %v at %d bytes", block, len(body))
		}
		body = append(body, request.Payload...)
		answer := coap.Message{Type: coap.ACK, Code: lwm2m.CodeChanged, MID: request.MID, Token: request.Token}
		if block.More {
			answer.Code = lwm2m.CodeContinue
		}
		answer.AddBlock(coap.Block1, coap.Block{Num: block.Num, More: block.More, SZX: szx})
		c.send(answer)
		if !block.More {
			return body
		}
	}
}

func TestServerReassemblesBlock1(t *testing.T) {
	serverBubble(t, ServerOptions{MaxBody: 100}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		block := func(num uint32, more bool, payload string) coap.Message {
			m := c.registerMessage("gw")
			m.Payload = []byte(payload)
			m.AddBlock(coap.Block1, coap.Block{Num: num, More: more})
			return c.ask(m)
		}
		part := (links + ",</5>")[:16]
		first := block(0, true, part)
		assertCode(t, first, lwm2m.CodeContinue)
		if b, ok := first.Block(coap.Block1); !ok || b.Num != 0 || !b.More {
			t.Errorf("2.31 with block %v", b)
		}
		assertCode(t, block(2, false, "gap"), lwm2m.CodeRequestEntityIncomplete)
		assertCode(t, block(1, true, "short"), lwm2m.CodeBadRequest)
		assertCode(t, block(1, false, "5/0>,</9>"), lwm2m.CodeCreated)
		if reg, _ := r.server.Registration("gw"); string(reg.Objects) != part+"5/0>,</9>" {
			t.Errorf("objects %q", reg.Objects)
		}
		for i := range uint32(6) {
			assertCode(t, block(i, true, part), lwm2m.CodeContinue)
		}
		assertCode(t, block(6, true, part), lwm2m.CodeRequestEntityTooLarge)
	})
}

// A gateway may have ten thousand points: a list of them is one that fits into MaxBody.
func TestServerTakesManyInstances(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		var list strings.Builder
		list.WriteString("</1/0>,</3/0>")
		for i := range 10_000 {
			fmt.Fprintf(&list, ",</30000/%d>", i)
		}
		body := list.String()
		for num := uint32(0); ; num++ {
			m := c.registerMessage("gw")
			m.Payload = []byte(body[num*1024 : min((num+1)*1024, uint32(len(body)))])
			more := int(num+1)*1024 < len(body)
			m.AddBlock(coap.Block1, coap.Block{Num: num, More: more, SZX: 6})
			answer := c.ask(m)
			if !more {
				assertCode(t, answer, lwm2m.CodeCreated)
				break
			}
			assertCode(t, answer, lwm2m.CodeContinue)
		}
		if reg, _ := r.server.Registration("gw"); string(reg.Objects) != body {
			t.Errorf("%d of %d bytes", len(reg.Objects), len(body))
		}
	})
}
