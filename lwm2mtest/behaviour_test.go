package lwm2mtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

func TestMisbehaveAnswers(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		busy := uint32(120)
		r.server.Misbehave("gw", Register, 2, Behaviour{Answer: lwm2m.CodeServiceUnavailable, MaxAge: &busy, Payload: "busy"})
		for range 2 {
			m := c.ask(c.registerMessage("gw"))
			age, _ := m.Uint(coap.MaxAge)
			if m.Code != lwm2m.CodeServiceUnavailable || age != 120 || string(m.Payload) != "busy" {
				t.Errorf("answer %v, Max-Age %d, %q", m, age, m.Payload)
			}
		}
		c.register("gw")
		if got := len(r.server.Requests("gw", Register)); got != 3 || r.server.Registers("gw") != 1 {
			t.Errorf("%d requests, %d accepted", got, r.server.Registers("gw"))
		}
	})
}

func TestMisbehaveIsScoped(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		r.server.Misbehave("a", Register, -1, Behaviour{Answer: lwm2m.CodeForbidden})
		r.server.Misbehave("", Update, 1, Behaviour{Answer: lwm2m.CodeNotFound})
		location := c.register("b")
		assertCode(t, c.ask(c.registerMessage("a")), lwm2m.CodeForbidden)
		assertCode(t, c.ask(c.registerMessage("a")), lwm2m.CodeForbidden)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeNotFound)
		assertCode(t, c.ask(c.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		r.server.Behave()
		c.register("a")
	})
}

func TestMisbehaveSilent(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		r.server.Misbehave("gw", Register, 1, Behaviour{Silent: true})
		r.server.Misbehave("gw", Register, 1, Behaviour{Silent: true, Process: true})
		for _, processed := range []bool{false, true} {
			m := c.registerMessage("gw")
			c.send(m)
			c.send(m) // a resend is the same request
			c.silence()
			if r.server.Registered("gw") != processed {
				t.Errorf("registered: %v", !processed)
			}
		}
		if got := r.server.Registers("gw"); got != 0 {
			t.Errorf("%d Registers were answered", got)
		}
		c.register("gw")
	})
}

func TestMisbehaveAckOnlyAndReset(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		r.server.Misbehave("gw", Register, 1, Behaviour{AckOnly: true})
		r.server.Misbehave("gw", Register, 1, Behaviour{Reset: true})
		for _, want := range []coap.Type{coap.ACK, coap.RST} {
			m := c.registerMessage("gw")
			c.send(m)
			if got := c.next(); !got.IsEmpty() || got.Type != want || got.MID != m.MID {
				t.Errorf("got %v, want an empty %v", got, want)
			}
			c.silence()
		}
	})
}

func TestMisbehaveDelayAndTwice(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		r.server.Misbehave("gw", Register, 1, Behaviour{Delay: 5 * time.Second, Twice: true})
		first := c.ask(c.registerMessage("gw"))
		if got := time.Since(r.start); got != 5*time.Second {
			t.Errorf("answered after %v", got)
		}
		if diff := cmp.Diff(first, c.next()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMisbehaveSeparate(t *testing.T) {
	serverBubble(t, ServerOptions{Seed: 5}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		r.server.Misbehave("gw", Register, 1, Behaviour{Separate: true, Delay: time.Minute})
		m := c.registerMessage("gw")
		c.send(m)
		if ack := c.next(); ack.Type != coap.ACK || !ack.IsEmpty() || time.Since(r.start) != 0 {
			t.Errorf("first %v", ack)
		}
		response := c.next()
		if response.Type != coap.CON || response.Code != lwm2m.CodeCreated || time.Since(r.start) != time.Minute {
			t.Errorf("then %v after %v", response, time.Since(r.start))
		}
		if diff := cmp.Diff(response, c.next()); diff != "" {
			t.Errorf("resend differs: %s", diff)
		}
		c.send(coap.EmptyACK(response.MID))
		c.silence()
	})
}

func TestMisbehaveWithoutLocationAndRaw(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		r.server.Misbehave("gw", Register, 1, Behaviour{WithoutLocation: true})
		if m := c.ask(c.registerMessage("gw")); m.Code != lwm2m.CodeCreated || m.Has(coap.LocationPath) {
			t.Errorf("answer %v", m)
		}
		r.server.Misbehave("gw", Register, 1, Behaviour{Raw: []byte("garbage")})
		c.send(c.registerMessage("gw"))
		buf := make([]byte, 100)
		if n, err := c.conn.Read(buf); err != nil || string(buf[:n]) != "garbage" {
			t.Errorf("got %q, %v", buf[:n], err)
		}
		if err := r.server.SendRaw("gw", []byte{0xff}); err != nil {
			t.Fatal(err)
		}
		if n, err := c.conn.Read(buf); err != nil || n != 1 || buf[0] != 0xff {
			t.Errorf("got %q, %v", buf[:n], err)
		}
		if err := r.server.SendRaw("nobody", nil); err != ErrNotRegistered {
			t.Errorf("error %v", err)
		}
	})
}
