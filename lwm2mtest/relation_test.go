package lwm2mtest

import (
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

// observed registers a client and observes /3/0 there. The client's answer has the
// sequence number, and what it was asked is returned.
func (r *rig) observed(c *client, sequence uint32) (*ObserveRelation, coap.Message) {
	r.t.Helper()
	c.register("gw")
	asked := make(chan coap.Message, 1)
	go func() {
		request := c.next()
		c.send(c.notification(request, coap.ACK, request.MID, sequence, "first"))
		asked <- request
	}()
	o, response, err := r.server.Observe(r.t.Context(), "gw", "/3/0", lwm2m.FormatText)
	if err != nil || o == nil || string(response.Payload) != "first" {
		r.t.Fatalf("observation %v, answer %+v, %v", o, response, err)
	}
	request := <-asked
	if string(o.Token()) != string(request.Token) {
		r.t.Errorf("token %x, asked with %x", o.Token(), request.Token)
	}
	return o, request
}

// notification composes one for an observation that began with request.
func (c *client) notification(request coap.Message, kind coap.Type, mid uint16, sequence uint32, payload string) coap.Message {
	m := coap.Message{Type: kind, Code: lwm2m.CodeContent, MID: mid, Token: request.Token, Payload: []byte(payload)}
	m.AddUint(coap.Observe, sequence)
	format := lwm2m.FormatText
	m.AddFormat(coap.ContentFormat, &format)
	return m
}

// notify sends a confirmable notification and asserts how it is answered.
func (c *client) notify(request coap.Message, mid uint16, sequence uint32, payload string, want coap.Type) {
	c.t.Helper()
	c.send(c.notification(request, coap.CON, mid, sequence, payload))
	if m := c.next(); m.Type != want || m.MID != mid {
		c.t.Errorf("notification %d answered %v, want %v", sequence, m, want)
	}
}

// received returns what has been notified so far.
func received(o *ObserveRelation) (payloads []string) {
	synctest.Wait()
	for {
		select {
		case n, open := <-o.Notifications():
			if !open {
				return payloads
			}
			payloads = append(payloads, string(n.Payload))
		default:
			return payloads
		}
	}
}

func TestObserveDeliversNotifications(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 7)
		if v, ok := request.Uint(coap.Observe); request.Code != lwm2m.CodeGET || !ok || v != 0 || *request.Format(coap.Accept) != lwm2m.FormatText {
			t.Errorf("request %v, observe %d", request, v)
		}
		time.Sleep(5 * time.Second)
		c.notify(request, 900, 8, "second", coap.ACK)
		c.send(c.notification(request, coap.NON, 901, 9, "third"))
		want := []Notification{
			{Response: Response{Code: lwm2m.CodeContent, Format: new(lwm2m.FormatText), Payload: []byte("second")},
				Time: r.start.Add(5 * time.Second), Sequence: 8, Confirmable: true},
			{Response: Response{Code: lwm2m.CodeContent, Format: new(lwm2m.FormatText), Payload: []byte("third")},
				Time: r.start.Add(5 * time.Second), Sequence: 9},
		}
		if diff := cmp.Diff(want, []Notification{<-o.Notifications(), <-o.Notifications()}); diff != "" {
			t.Error(diff)
		}
		if got := r.server.Observations("gw"); len(got) != 1 || got[0] != o || o.Err() != nil {
			t.Errorf("observations %v, %v", got, o.Err())
		}
	})
}

// RFC 7641 section 3.4: what was overtaken on the way is no news, also when the number
// wraps around, and after 128 s everything is.
func TestObserveKeepsTheOrder(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 1<<24-2)
		for i, sequence := range []uint32{1<<24 - 2, 1<<24 - 1, 3, 1<<24 - 1, 2, 4} {
			c.notify(request, uint16(900+i), sequence, fmt.Sprint(sequence), coap.ACK)
		}
		time.Sleep(128 * time.Second)
		c.notify(request, 990, 4, "repeated", coap.ACK)
		time.Sleep(time.Nanosecond)
		c.notify(request, 991, 2, "late", coap.ACK)
		if diff := cmp.Diff([]string{"16777215", "3", "4", "late"}, received(o)); diff != "" {
			t.Error(diff)
		}
		if got := o.Counts(); got != (ObservationCounts{Delivered: 4, Stale: 4}) {
			t.Errorf("counts %+v", got)
		}
	})
}

// A resend of a notification is acknowledged again and delivered once.
func TestObserveAcknowledgesResends(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		c.notify(request, 900, 1, "once", coap.ACK)
		c.notify(request, 900, 1, "once", coap.ACK)
		if got := received(o); len(got) != 1 {
			t.Errorf("received %q", got)
		}
	})
}

func TestObserveIgnores(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		o.Ignore(true)
		c.send(c.notification(request, coap.CON, 900, 1, "unheard"))
		c.silence()
		o.Ignore(false)
		c.notify(request, 900, 1, "heard", coap.ACK) // the client resends it
		if got := received(o); len(got) != 1 || got[0] != "heard" {
			t.Errorf("received %q", got)
		}
		if got := o.Counts(); got.Ignored != 1 {
			t.Errorf("counts %+v", got)
		}
	})
}

func TestObserveForgotten(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		o.Forget()
		c.notify(request, 900, 1, "unwanted", coap.RST)
		c.send(c.notification(request, coap.NON, 901, 2, "unwanted"))
		if m := c.next(); m.Type != coap.RST || m.MID != 901 {
			t.Errorf("non-confirmable notification answered %v", m)
		}
		if got := received(o); len(got) != 0 || !errors.Is(o.Err(), ErrCancelled) {
			t.Errorf("received %q, %v", got, o.Err())
		}
		if _, err := o.Cancel(t.Context()); !errors.Is(err, ErrCancelled) {
			t.Errorf("cancelled again: %v", err)
		}
	})
}

// A notification that crosses the request to cancel is not taken for its answer.
func TestObserveCancel(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		go func() {
			cancel := c.next()
			if v, ok := cancel.Uint(coap.Observe); !ok || v != 1 || string(cancel.Token) != string(request.Token) || *cancel.Format(coap.Accept) != lwm2m.FormatText {
				t.Errorf("cancelled by %v, observe %d", cancel, v)
			}
			c.notify(request, 900, 1, "crossing", coap.ACK)
			c.answerWith(cancel, lwm2m.CodeContent, []byte("last"))
		}()
		response, err := o.Cancel(t.Context())
		if err != nil || string(response.Payload) != "last" {
			t.Errorf("answer %+v, %v", response, err)
		}
		if got := received(o); len(got) != 1 || got[0] != "crossing" || !errors.Is(o.Err(), ErrCancelled) {
			t.Errorf("received %q, %v", got, o.Err())
		}
		c.notify(request, 901, 2, "after the end", coap.RST)
	})
}

// While the client does not answer, the observation goes on.
func TestObserveCancelUnanswered(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		if _, err := o.Cancel(t.Context()); !errors.Is(err, ErrTimeout) {
			t.Errorf("error %v", err)
		}
		for range 5 {
			c.next()
		}
		c.notify(request, 900, 1, "goes on", coap.ACK)
		if got := received(o); len(got) != 1 || o.Err() != nil {
			t.Errorf("received %q, %v", got, o.Err())
		}
	})
}

func TestObserveEndedByClient(t *testing.T) {
	for name, final := range map[string]func(coap.Message) coap.Message{
		"error": func(m coap.Message) coap.Message { return coap.Message{Code: lwm2m.CodeNotFound} },
		"without Observe": func(m coap.Message) coap.Message {
			return coap.Message{Code: lwm2m.CodeContent, Payload: []byte("last")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
				c := r.dial(5683)
				o, request := r.observed(c, 0)
				m := final(request)
				m.Type, m.MID, m.Token = coap.CON, 900, request.Token
				c.send(m)
				if ack := c.next(); ack.Type != coap.ACK {
					t.Errorf("answered %v", ack)
				}
				if n := <-o.Notifications(); n.Code != m.Code {
					t.Errorf("delivered %+v", n)
				}
				if _, open := <-o.Notifications(); open || !errors.Is(o.Err(), ErrObservationEnded) {
					t.Errorf("open %v, %v", open, o.Err())
				}
				c.notify(request, 901, 1, "after the end", coap.RST)
			})
		})
	}
}

func TestObserveRefused(t *testing.T) {
	serverBubble(t, ServerOptions{MaxObservations: 1}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		if _, _, err := r.server.Observe(t.Context(), "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, ErrNotRegistered) {
			t.Errorf("error %v", err)
		}
		c.register("gw")
		for _, code := range []lwm2m.Code{lwm2m.CodeNotFound, lwm2m.CodeContent} {
			go func() { c.answerWith(c.next(), code, nil) }()
			o, response, err := r.server.Observe(t.Context(), "gw", "/3", lwm2m.FormatTLV)
			if o != nil || err != nil || response.Code != code {
				t.Errorf("observation %v, answer %+v, %v", o, response, err)
			}
		}
		if o, _, err := r.server.Observe(t.Context(), "gw", "/3", lwm2m.FormatTLV); o != nil || !errors.Is(err, ErrTimeout) {
			t.Errorf("observation %v, %v", o, err)
		}
		for range 5 {
			c.next()
		}
		if _, request := r.observed(c, 0); len(request.Token) == 0 { // room for one
			t.Errorf("request %v", request)
		}
		if _, _, err := r.server.Observe(t.Context(), "gw", "/3", lwm2m.FormatTLV); !errors.Is(err, ErrTooManyObservations) {
			t.Errorf("error %v", err)
		}
	})
}

// An observation belongs to a registration: it goes on after an Update, from the address
// that this came from and no other, and ends with a Register, De-register or a lifetime.
func TestObserveBelongsToTheRegistration(t *testing.T) {
	for name, end := range map[string]func(c *client, location []string){
		"register":   func(c *client, _ []string) { c.register("gw") },
		"deregister": func(c *client, at []string) { c.ask(c.message(lwm2m.CodeDELETE, at, nil, "")) },
		"expiry":     func(c *client, _ []string) { time.Sleep(defaultLifetime + time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			serverBubble(t, ServerOptions{Location: NumberedLocation}, NoSec(), func(t *testing.T, r *rig) {
				location := []string{"rd", "1"}
				first, second := r.dial(5683), r.dial(5683)
				o, request := r.observed(first, 0)
				second.notify(request, 900, 1, "too early", coap.RST)
				assertCode(t, second.ask(second.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
				second.notify(request, 901, 1, "moved", coap.ACK)
				first.notify(request, 902, 2, "from the old address", coap.RST)
				end(second, location)
				second.notify(request, 903, 3, "after the end", coap.RST)
				if got := received(o); len(got) != 1 || got[0] != "moved" || !errors.Is(o.Err(), ErrRegistrationEnded) {
					t.Errorf("received %q, %v", got, o.Err())
				}
				if got := r.server.Observations("gw"); len(got) != 0 {
					t.Errorf("observations %v", got)
				}
			})
		})
	}
}

// Nobody reads: the newest stay.
func TestObserveIsBounded(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		for i := range notificationQueue + 3 {
			c.notify(request, uint16(900+i), uint32(i+1), fmt.Sprint(i), coap.ACK)
		}
		got := received(o)
		if len(got) != notificationQueue || got[0] != "3" || got[len(got)-1] != fmt.Sprint(notificationQueue+2) {
			t.Errorf("%d notifications, first %q", len(got), got[0])
		}
		if c := o.Counts(); c.Dropped != 3 || c.Delivered != notificationQueue+3 {
			t.Errorf("counts %+v", c)
		}
	})
}

// A notification of several blocks is delivered whole: the rest is fetched without
// Observe and with other tokens (RFC 7959 section 2.6).
func TestObserveFetchesBlocks(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		body := strings.Repeat("0123456789", 10)
		c.notifyBlock(request, 900, 1, body)
		next := c.next()
		if block, _ := next.Block(coap.Block2); next.Has(coap.Observe) || string(next.Token) == string(request.Token) || block.Num != 1 {
			t.Errorf("fetched by %v, block %v", next, block)
		}
		c.answerBlock(next, body)
		if got := received(o); len(got) != 1 || got[0] != body {
			t.Errorf("received %q", got)
		}
	})
}

// notifyBlock sends the first 64 bytes of a body, confirmable.
func (c *client) notifyBlock(request coap.Message, mid uint16, sequence uint32, body string) {
	c.t.Helper()
	m := c.notification(request, coap.CON, mid, sequence, body[:64])
	m.AddBlock(coap.Block2, coap.Block{More: true, SZX: 2})
	c.send(m)
	if ack := c.next(); ack.Type != coap.ACK {
		c.t.Errorf("answered %v", ack)
	}
}

// answerBlock answers with the last block, of 64 bytes at most.
func (c *client) answerBlock(request coap.Message, body string) {
	m := coap.Message{Type: coap.ACK, Code: lwm2m.CodeContent, MID: request.MID, Token: request.Token, Payload: []byte(body[64:])}
	m.AddBlock(coap.Block2, coap.Block{Num: 1, SZX: 2})
	c.send(m)
}

// When the value changes while blocks are fetched, those of the older value are left.
func TestObserveFetchesTheNewestOnly(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		old, fresh := strings.Repeat("a", 100), strings.Repeat("b", 100)
		c.notifyBlock(request, 900, 1, old)
		c.next() // asks for the second block of the old value
		c.notifyBlock(request, 901, 2, fresh)
		c.answerBlock(c.next(), fresh)
		if got := received(o); len(got) != 1 || got[0] != fresh {
			t.Errorf("received %q", got)
		}
		c.notifyBlock(request, 902, 3, old)
		time.Sleep(10 * time.Minute) // and no block is answered
		if got := o.Counts(); got != (ObservationCounts{Delivered: 1, Incomplete: 2}) {
			t.Errorf("counts %+v", got)
		}
	})
}

func TestObserveEndsWithTheServer(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		o, request := r.observed(c, 0)
		c.notifyBlock(request, 900, 1, strings.Repeat("a", 100))
		if err := r.server.Close(); err != nil {
			t.Error(err)
		}
		if _, open := <-o.Notifications(); open || !errors.Is(o.Err(), ErrClosed) {
			t.Errorf("open %v, %v", open, o.Err())
		}
	})
}

func TestObserveComposite(t *testing.T) {
	serverBubble(t, ServerOptions{BlockSize: 64}, NoSec(), func(t *testing.T, r *rig) {
		c := r.dial(5683)
		c.register("gw")
		body := `[{"n":"/3/0/9","v":55}]`
		request := make(chan coap.Message, 1)
		go func() {
			asked := c.next()
			c.send(c.notification(asked, coap.ACK, asked.MID, 1, body))
			request <- asked
		}()
		o, _, err := r.server.ObserveComposite(t.Context(), "gw", lwm2m.FormatSenMLJSON, "/3/0/9", "/1")
		if err != nil || o == nil {
			t.Fatalf("observation %v, %v", o, err)
		}
		asked := <-request
		if asked.Code != lwm2m.CodeFETCH || asked.Path() != nil || string(asked.Payload) != `[{"n":"/3/0/9"},{"n":"/1"}]` ||
			*asked.Format(coap.ContentFormat) != lwm2m.FormatSenMLJSON {
			t.Errorf("asked %v: %s", asked, asked.Payload)
		}
		// The blocks of a notification are asked for with the paths.
		long := strings.Repeat("c", 100)
		c.notifyBlock(asked, 900, 2, long)
		next := c.next()
		if next.Code != lwm2m.CodeFETCH || string(next.Payload) != string(asked.Payload) {
			t.Errorf("fetched by %v: %s", next, next.Payload)
		}
		c.answerBlock(next, long)
		if got := received(o); len(got) != 1 || got[0] != long {
			t.Errorf("received %q", got)
		}
		go func() { c.answerWith(c.next(), lwm2m.CodeContent, nil) }()
		if _, err := o.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
