package lwm2mtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// takeBlocks answers blocks with 2.31, and the last with 2.04, in blocks that are at most so
// large; it ends with the last one.
func (c *client) takeBlocks(szx uint8) (body []byte, requests []coap.Message) {
	for {
		m := c.next()
		requests = append(requests, m)
		block, blocks := m.Block(coap.Block1)
		body = append(body, m.Payload...)
		code := lwm2m.CodeChanged
		if blocks && block.More {
			code = lwm2m.CodeContinue
		}
		answer := coap.Message{Type: coap.ACK, Code: code, MID: m.MID, Token: m.Token}
		if blocks {
			block.SZX = min(block.SZX, szx)
			answer.AddBlock(coap.Block1, block)
		}
		if c.send(answer); code == lwm2m.CodeChanged {
			return body, requests
		}
	}
}

// pushed is what a client has got.
type pushed struct {
	body     []byte
	requests []coap.Message
}

func TestPush(t *testing.T) {
	for _, c := range []struct {
		size     int64
		server   int   // block size
		client   uint8 // the largest that the client takes, as an exponent
		requests int
	}{
		{0, 1024, 6, 1}, {1024, 1024, 6, 1}, {1025, 1024, 6, 2}, {4096, 1024, 6, 4}, {4096, 1024, 2, 49}, {100, 16, 6, 7}, {1000, 1024, 6, 1},
	} {
		serverBubble(t, ServerOptions{BlockSize: 64}, NoSec(), func(t *testing.T, r *rig) {
			client := r.dial(5683)
			client.register("gw")
			got := make(chan pushed, 1)
			go func() {
				body, requests := client.takeBlocks(c.client)
				got <- pushed{body, requests}
			}()
			o := PushOptions{BlockSize: c.server, RequestTag: []byte("tag"), Size: c.size}
			answer, err := r.server.Push(t.Context(), "gw", "/5/0/0", Pattern(3).Reader(c.size), o)
			if err != nil || answer.Code != lwm2m.CodeChanged {
				t.Fatalf("%+v: %v, %v", c, answer, err)
			}
			p := <-got
			if !bytes.Equal(p.body, sliceOf(t, 3, 0, int(c.size))) || len(p.requests) != c.requests {
				t.Errorf("%+v: %d bytes in %d requests", c, len(p.body), len(p.requests))
			}
			first := p.requests[0]
			size, announced := first.Uint(coap.Size1)
			if several := c.requests > 1; announced != several || several && int64(size) != c.size || first.Has(coap.RequestTag) != several {
				t.Errorf("%+v: first block %+v", c, first.Options)
			}
			if *first.Format(coap.ContentFormat) != lwm2m.FormatOpaque || first.Code != lwm2m.CodePUT {
				t.Errorf("%+v: %v", c, first)
			}
		})
	}
}

func TestPushEnds(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		if _, err := r.server.Push(t.Context(), "gw", "/5/0/0", Pattern(3).Reader(1), PushOptions{}); !errors.Is(err, ErrNotRegistered) {
			t.Errorf("before registering: %v", err)
		}
		c := r.dial(5683)
		c.register("gw")
		go func() { c.answerWith(c.next(), lwm2m.CodeRequestEntityTooLarge, nil) }()
		answer, err := r.server.Push(t.Context(), "gw", "/5/0/0", Pattern(3).Reader(5000), PushOptions{})
		if err != nil || answer.Code != lwm2m.CodeRequestEntityTooLarge {
			t.Errorf("refused: %v, %v", answer, err)
		}
		broken := iotest.ErrReader(errors.New("broken"))
		if _, err := r.server.Push(t.Context(), "gw", "/5/0/0", broken, PushOptions{}); err == nil {
			t.Error("a body that cannot be read is pushed")
		}
		enough := errors.New("enough")
		var offsets []int64
		go func() {
			m := c.next()
			c.answerWith(m, lwm2m.CodeContinue, nil)
		}()
		_, err = r.server.Push(t.Context(), "gw", "/5/0/0", Pattern(3).Reader(5000), PushOptions{
			Before: func(_ context.Context, offset int64) error {
				if offsets = append(offsets, offset); offset > 0 {
					return enough
				}
				return nil
			},
		})
		if !errors.Is(err, enough) || !slices.Equal(offsets, []int64{0, 1024}) {
			t.Errorf("given up: %v after %v", err, offsets)
		}
		c.silence()
	})
}

// Nothing holds a block to those before: a gap, a repetition, another tag.
func TestDoBlock(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		for _, b := range []Block{{0, true, 64}, {2, true, 64}, {2, true, 64}, {1, false, 32}} {
			got := make(chan coap.Message, 1)
			go func() {
				m := c.next()
				answer := coap.Message{Type: coap.ACK, Code: lwm2m.CodeRequestEntityIncomplete, MID: m.MID, Token: m.Token}
				answer.AddBlock(coap.Block1, coap.Block{Num: 9, SZX: 1})
				c.send(answer)
				got <- m
			}()
			request := BlockRequest{
				Request: Request{Method: lwm2m.CodePUT, Path: "/5/0/0", Payload: []byte("payload")},
				Block:   b, RequestTag: []byte{}, Size1: new(uint32(7)),
			}
			answer, of, err := r.server.DoBlock(t.Context(), "gw", request)
			if err != nil || answer.Code != lwm2m.CodeRequestEntityIncomplete || of == nil || *of != (Block{Number: 9, Size: 32}) {
				t.Errorf("%v: %v, %v, %v", b, answer, of, err)
			}
			m := <-got
			block, _ := m.Block(coap.Block1)
			size, _ := m.Uint(coap.Size1)
			if int(block.Num) != b.Number || block.More != b.More || block.Size() != b.Size || size != 7 || !m.Has(coap.RequestTag) || string(m.Payload) != "payload" {
				t.Errorf("%v was sent as %v: %+v", b, block, m.Options)
			}
		}
	})
}

// What is ignored is asked about again when it is resent, and a reset ends the observation.
func TestTreat(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 1)
		treatments := []Treatment{TreatIgnore, TreatAccept, TreatReset}
		var asked []string
		o.Treat(func(n Notification) Treatment {
			asked = append(asked, string(n.Payload))
			next := treatments[0]
			treatments = treatments[1:]
			return next
		})
		c.send(c.notification(request, coap.CON, 900, 2, "second"))
		c.silence()
		c.notify(request, 900, 2, "second", coap.ACK)
		c.notify(request, 900, 2, "second", coap.ACK) // a resend of what was accepted is no question
		c.notify(request, 901, 3, "third", coap.RST)
		if !errors.Is(o.Err(), ErrCancelled) {
			t.Errorf("after the reset: %v", o.Err())
		}
		if got := received(o); !slices.Equal(got, []string{"second"}) || !slices.Equal(asked, []string{"second", "second", "third"}) {
			t.Errorf("received %q, asked about %q", got, asked)
		}
	})
}

var (
	lifetimePath = lwm2m.PathOf(objects.Server, 0, objects.ServerLifetime)
	bindingPath  = lwm2m.PathOf(objects.Server, 0, objects.ServerBinding)
)

// senML encodes values as clients do.
func senML(t *testing.T, path string, nodes ...lwm2m.Node) []byte {
	t.Helper()
	return must(Encode(lwm2m.FormatSenMLCBOR, path, nodes...))(t).Payload
}

// TestCollect: values arrive in answers, notifications and a Send, alone and among others, in
// one block and in several.
func TestCollect(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		collected := r.server.Collect(objects.Registry(), lifetimePath)
		c := r.dial(5683)
		c.register("gw")
		lifetime := func(n int64) lwm2m.Node { return lwm2m.Node{Path: lifetimePath, Value: lwm2m.Integer(n)} }
		binding := lwm2m.Node{Path: bindingPath, Value: lwm2m.String("U")}
		content := func(m coap.Message, payload []byte) coap.Message {
			a := coap.Message{Type: coap.ACK, Code: lwm2m.CodeContent, MID: m.MID, Token: m.Token, Payload: payload}
			a.AddFormat(coap.ContentFormat, new(lwm2m.FormatSenMLCBOR))
			return a
		}
		// A Read of the instance, in two blocks.
		go func() {
			body := senML(t, "/1/0", lifetime(1), binding)
			for i, part := range [][]byte{body[:16], body[16:]} {
				a := content(c.next(), part)
				a.AddBlock(coap.Block2, coap.Block{Num: uint32(i), More: i == 0})
				c.send(a)
			}
		}()
		must(r.server.Read(t.Context(), "gw", "/1/0", lwm2m.FormatSenMLCBOR))(t)
		// An Observe, and its notifications: one that is ignored, and then that again.
		observed := make(chan coap.Message, 1)
		go func() {
			m := c.next()
			a := content(m, senML(t, lifetimePath.String(), lifetime(2)))
			a.AddUint(coap.Observe, 1)
			c.send(a)
			observed <- m
		}()
		o, _, err := r.server.Observe(t.Context(), "gw", lifetimePath.String(), lwm2m.FormatSenMLCBOR)
		if err != nil {
			t.Fatal(err)
		}
		n := content(<-observed, senML(t, lifetimePath.String(), lifetime(3)))
		n.Type, n.MID = coap.CON, 900
		n.AddUint(coap.Observe, 2)
		o.Ignore(true)
		c.send(n)
		synctest.Wait()
		o.Ignore(false)
		c.send(n)
		c.next()
		// A Send, and one whose answer is lost.
		send := c.message(lwm2m.CodePOST, []string{"dp"}, nil, "")
		send.Payload = senML(t, "/", lifetime(4), binding)
		send.AddFormat(coap.ContentFormat, new(lwm2m.FormatSenMLCBOR))
		assertCode(t, c.ask(send), lwm2m.CodeChanged)
		// What is of no interest: another resource, and an error.
		go func() { c.send(content(c.next(), senML(t, bindingPath.String(), binding))) }()
		must(r.server.Read(t.Context(), "gw", bindingPath.String(), lwm2m.FormatSenMLCBOR))(t)
		go func() { c.answerWith(c.next(), lwm2m.CodeNotFound, nil) }()
		must(r.server.Read(t.Context(), "gw", lifetimePath.String(), lwm2m.FormatSenMLCBOR))(t)

		var want []Told
		for i, by := range []Telling{ByRead, ByObserve, ByNotification, BySend} {
			want = append(want, Told{r.start, "gw", by, lifetimePath, lwm2m.Integer(int64(i + 1))})
		}
		if got := collected.All(); !slices.Equal(got, want) {
			t.Errorf("collected %v, want %v", got, want)
		}
		if got := collected.Of("gw", lifetimePath); len(got) != 4 || len(collected.Of("other", lifetimePath)) != 0 || collected.Err() != nil {
			t.Errorf("of the endpoint: %v, %v", got, collected.Err())
		}
	})
}

func TestCollectSaysWhatItCannotDecode(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		collected := r.server.Collect(objects.Registry(), lifetimePath)
		c := r.dial(5683)
		c.register("gw")
		go func() {
			m := c.next()
			a := coap.Message{Type: coap.ACK, Code: lwm2m.CodeContent, MID: m.MID, Token: m.Token, Payload: []byte("x")}
			a.AddFormat(coap.ContentFormat, new(lwm2m.FormatText))
			c.send(a)
		}()
		must(r.server.Read(t.Context(), "gw", lifetimePath.String(), lwm2m.FormatText))(t)
		var broken *lwm2m.DecodeError
		if !errors.As(collected.Err(), &broken) || len(collected.All()) != 0 {
			t.Errorf("%v, %v", collected.All(), collected.Err())
		}
	})
}
