package lwm2mtest

import (
	"context"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
)

// exchange is one confirmable message of the server that waits for its
// acknowledgement, and, if it is a request, for its response (RFC 7252
// section 4.2).
type exchange struct {
	mid      uint16
	token    string // empty for a separate response, which expects none
	datagram []byte
	resends  int
	timeout  time.Duration
	timer    *timer
	done     chan outcome // nil for a separate response; holds one
	// observation is what a request begins, or cancels; nil for all others.
	observation *ObserveRelation
}

// outcome is how an exchange ended.
type outcome struct {
	message coap.Message
	err     error
}

// start sends a confirmable message. Message ID and type are set here. With
// twice, it goes out twice, as if the network had duplicated it.
func (p *peer) start(b *batch, m coap.Message, twice bool) *exchange {
	m.Type, m.MID = coap.CON, p.mid()
	x := &exchange{mid: m.MID, done: make(chan outcome, 1)}
	data, err := coap.Encode(m)
	if err == nil {
		err = p.gone
	}
	if err != nil {
		x.done <- outcome{err: err}
		return x
	}
	p.byMID[x.mid] = x
	if m.IsRequest() {
		x.token = string(m.Token)
		p.byToken[x.token] = x
	}
	x.datagram = data
	p.send(b, data)
	if twice {
		p.send(b, data)
	}
	// ACK_RANDOM_FACTOR 1.5, drawn once per exchange.
	x.timeout = time.Duration(float64(p.server.opts.AckTimeout) * (1 + p.server.rng.Float64()/2))
	x.timer = p.server.after(x.timeout, func(b *batch) { p.resend(b, x) })
	return x
}

// resend sends the same datagram again, or gives up.
func (p *peer) resend(b *batch, x *exchange) {
	if x.resends == p.server.opts.MaxRetransmit {
		p.finish(x, coap.Message{}, ErrTimeout)
		return
	}
	x.resends++
	x.timeout *= 2
	p.send(b, x.datagram)
	x.timer = p.server.after(x.timeout, func(b *batch) { p.resend(b, x) })
}

// acknowledge ends the resending of a message. A request then waits for its
// separate response.
func (p *peer) acknowledge(mid uint16) {
	x := p.byMID[mid]
	if x == nil {
		return
	}
	if x.token == "" {
		p.finish(x, coap.Message{}, nil)
		return
	}
	p.server.stop(x.timer)
	x.timer = p.server.after(exchangeLifetime, func(*batch) { p.finish(x, coap.Message{}, ErrTimeout) })
}

// finish ends an exchange; nil and finished ones are fine.
func (p *peer) finish(x *exchange, m coap.Message, err error) {
	if p.retire(x) {
		x.done <- outcome{message: m, err: err}
	}
}

// respond ends an exchange with its response, once what acknowledges that is on its way:
// whoever waits for the response may send at once.
func (p *peer) respond(b *batch, x *exchange, m coap.Message) {
	if p.retire(x) {
		b.add(func() { x.done <- outcome{message: m} })
	}
}

// retire forgets an exchange, and reports whether it was not finished before.
func (p *peer) retire(x *exchange) bool {
	if x == nil || p.byMID[x.mid] != x {
		return false
	}
	p.server.stop(x.timer)
	delete(p.byMID, x.mid)
	delete(p.byToken, x.token)
	return true
}

// roundTrip sends a request and waits for its response. o is the observation that it
// begins or cancels, or nil.
func (p *peer) roundTrip(ctx context.Context, m coap.Message, twice bool, o *ObserveRelation) (coap.Message, error) {
	var x *exchange
	p.server.locked(func(b *batch) {
		x = p.start(b, m, twice)
		x.observation = o
	})
	select {
	case ended := <-x.done:
		return ended.message, ended.err
	case <-ctx.Done():
	}
	p.server.locked(func(*batch) { p.finish(x, coap.Message{}, ctx.Err()) })
	ended := <-x.done // not under the lock, which what is sent before may need
	return ended.message, ended.err
}
