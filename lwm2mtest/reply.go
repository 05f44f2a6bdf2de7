package lwm2mtest

import (
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// answer is the content of a response.
type answer struct {
	code     lwm2m.Code
	location []string
	maxAge   *uint32 // seconds
	payload  []byte
	block1   *coap.Block
	block2   *coap.Block
	size2    *uint32
	etag     []byte
	format   *lwm2m.Format
}

// message returns the response to a request, piggybacked or, for a
// non-confirmable request, non-confirmable.
func (a answer) message(request coap.Message, mid func() uint16) coap.Message {
	m := coap.Message{Type: coap.ACK, Code: a.code, MID: request.MID, Token: request.Token, Payload: a.payload}
	if request.Type == coap.NON {
		m.Type, m.MID = coap.NON, mid()
	}
	m.AddStrings(coap.LocationPath, a.location)
	if a.maxAge != nil {
		m.AddUint(coap.MaxAge, *a.maxAge)
	}
	if a.block1 != nil {
		m.AddBlock(coap.Block1, *a.block1)
	}
	a.addBody(&m)
	return m
}

// addBody adds what describes the body of which the payload is a block.
func (a answer) addBody(m *coap.Message) {
	if len(a.etag) > 0 {
		m.AddOption(coap.ETag, a.etag)
	}
	m.AddFormat(coap.ContentFormat, a.format)
	if a.block2 != nil {
		m.AddBlock(coap.Block2, *a.block2)
	}
	if a.size2 != nil {
		m.AddUint(coap.Size2, *a.size2)
	}
}

// reply answers one request, in order or out of it.
type reply struct {
	peer    *peer
	request coap.Message
	seen    *seen
	then    func(*batch) // what follows the answer; may be nil
}

// send answers as a well-behaved server does.
func (r *reply) send(b *batch, a answer) {
	if r.request.Type == coap.CON && a.block1 == nil {
		if block, ok := r.request.Block(coap.Block1); ok {
			a.block1 = &block
		}
	}
	r.seen.reply = r.peer.sendMessage(b, a.message(r.request, r.peer.mid))
}

// raw answers with a datagram as it is.
func (r *reply) raw(b *batch, data []byte) {
	r.seen.reply = data
	r.peer.send(b, data)
}

// empty answers with an empty message.
func (r *reply) empty(b *batch, m coap.Message) {
	r.seen.reply = r.peer.sendMessage(b, m)
}

// separate acknowledges at once and answers in a confirmable message after the
// delay of the behaviour (RFC 7252 section 5.2.2).
func (r *reply) separate(b *batch, a answer, f Behaviour) {
	r.empty(b, coap.EmptyACK(r.request.MID))
	r.peer.server.after(f.Delay, func(b *batch) {
		r.peer.start(b, a.message(r.request, r.peer.mid), f.Twice)
		r.goOn(b)
	})
}

// give answers in the way that a behaviour says.
func (r *reply) give(b *batch, a answer, f Behaviour) {
	switch {
	case f.Silent:
		r.goOn(b)
	case f.Reset:
		r.empty(b, coap.Reset(r.request.MID))
		r.goOn(b)
	case f.AckOnly:
		r.empty(b, coap.EmptyACK(r.request.MID))
		r.goOn(b)
	case f.Separate:
		r.separate(b, f.edit(a), f)
	case f.Delay > 0:
		r.peer.server.after(f.Delay, func(b *batch) { r.now(b, f.edit(a), f) })
	default:
		r.now(b, f.edit(a), f)
	}
}

// now answers in an acknowledgement.
func (r *reply) now(b *batch, a answer, f Behaviour) {
	if f.Raw != nil {
		r.raw(b, f.Raw)
	} else {
		r.send(b, a)
	}
	if f.Twice {
		r.peer.send(b, r.seen.reply)
	}
	r.goOn(b)
}

// goOn does what follows the answer, also where that is taken for lost.
func (r *reply) goOn(b *batch) {
	if r.then != nil {
		r.then(b)
	}
}
