package coapresend

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

const etagLength = 8 // bytes, the most that RFC 7252 section 5.10.6 allows

// body is a reply that may be larger than a block. If it is, it is kept, so
// that later blocks come from the same representation and the handler is not
// asked again (RFC 7959 section 2.4).
type body struct {
	key         string
	reply       messages.Reply
	confirmable bool // the latest request for it was
	expires     time.Time
}

func (b *body) unconfirmed() bool { return !b.confirmable }

func (b *body) deadline() time.Time { return b.expires }

// needsBlocks reports whether a reply cannot be sent whole, given the block
// that the peer asks for and our own size exponent.
func needsBlocks(reply messages.Reply, asked coap.Block, szx uint8) bool {
	return asked.Num > 0 || len(reply.Payload) > 1<<(min(asked.SZX, szx)+4)
}

// whole returns the response with all of the payload.
func whole(reply messages.Reply) coap.Message {
	msg := coap.Message{Code: reply.Code, Payload: reply.Payload}
	if reply.Observe != nil {
		msg.AddUint(coap.Observe, *reply.Observe)
	}
	if len(reply.ETag) > 0 {
		msg.AddOption(coap.ETag, reply.ETag)
	}
	msg.AddStrings(coap.LocationPath, reply.LocationPath)
	msg.AddFormat(coap.ContentFormat, reply.ContentFormat)
	if reply.MaxAge != nil {
		msg.AddUint(coap.MaxAge, *reply.MaxAge)
	}
	return msg
}

// cut returns the block that begins where the asked one does, of the smaller of
// both sizes. A block beyond the end is 4.00 (RFC 7959 section 2.4).
func (b *body) cut(asked coap.Block, szx uint8) coap.Message {
	offset, szx := asked.Offset(), min(asked.SZX, szx)
	size := len(b.reply.Payload)
	end := min(offset+1<<(szx+4), size)
	block, ok := coap.At(offset, end < size, szx)
	if !ok || offset > 0 && offset >= size {
		return coap.Message{Code: messages.BadRequest}
	}
	msg := whole(b.part(offset))
	msg.Payload = b.reply.Payload[offset:end]
	msg.AddBlock(coap.Block2, block)
	if block.Num == 0 {
		msg.AddUint(coap.Size2, uint32(size))
	}
	return msg
}

// part returns what stands in every block of the reply: an entity tag, so that
// the peer sees when the body has changed, computed from the content where the
// handler gave none; and in the first one only, Observe (RFC 7959 section 2.6).
func (b *body) part(offset int) messages.Reply {
	reply := b.reply
	if offset > 0 {
		reply.Observe = nil
	}
	if len(reply.ETag) == 0 {
		sum := sha256.Sum256(reply.Payload)
		reply.ETag = sum[:etagLength]
	}
	return reply
}

// outBlock is called for a request for a later block of a reply. Without the
// body, only what is safe to repeat is asked of the handler again.
func (m *Machine) outBlock(e *entry, msg coap.Message, block coap.Block) {
	if b := m.bodyOf(msg); b != nil {
		b.confirmable = e.confirmable
		m.keep(b)
		m.answer(e, b.cut(block, m.cfg.szx()))
		return
	}
	if msg.Code != messages.GET && (msg.Code != messages.FETCH || len(msg.Payload) == 0) {
		m.answerCode(e, messages.RequestEntityIncomplete)
		return
	}
	m.deliver(e, msg, &job{block2: block})
}

// bodyOf returns the body that a request for a later block is about; nil for none. The
// payload is part of what a FETCH asks for, but some peers leave it out when they ask for
// more (Californium, and so Leshan): they mean the latest reply to a FETCH like that. Its
// entity tag tells them if it is another's.
func (m *Machine) bodyOf(msg coap.Message) *body {
	if msg.Code != messages.FETCH || len(msg.Payload) > 0 {
		return m.keptBody(bodyKey(msg))
	}
	target := targetKey(msg)
	for _, b := range slices.Backward(m.bodies) {
		if isFetchOf(b.key, target) && m.now.Before(b.expires) {
			return b
		}
	}
	return nil
}

// keep keeps a body until EXCHANGE_LIFETIME after this, its latest use, in
// place of an older one for the same request. When too many are kept, one is
// dropped; see victim.
func (m *Machine) keep(b *body) {
	m.bodies = slices.DeleteFunc(m.bodies, func(other *body) bool { return other.key == b.key })
	if len(m.bodies) >= maxBodies {
		at := victim(m.bodies, b.unconfirmed())
		if at < 0 {
			m.shed.Memory++
			return
		}
		m.bodies = slices.Delete(m.bodies, at, at+1)
	}
	b.expires = m.now.Add(m.cfg.ExchangeLifetime())
	m.bodies = append(m.bodies, b)
	m.sweepLater()
}

func (m *Machine) keptBody(key string) *body {
	for _, b := range m.bodies {
		if b.key == key && m.now.Before(b.expires) {
			return b
		}
	}
	return nil
}
