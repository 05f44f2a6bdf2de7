package coapresend

import (
	"bytes"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

// fetching is how far the body of a response has come (RFC 7959 section 2.4).
// Nothing is allocated before it has arrived; Size2 is passed on as a hint, and counts for
// nothing.
type fetching struct {
	response messages.Response // from the first block
	size     *uint64           // Size2 of the first block; nil without one
	received int               // bytes, with those before a streamed body's beginning
	szx      uint8             // of the next block
	body     []byte            // what was received, unless it is streamed
	part     gathering         // of one that is streamed
	changes  int               // how often the body has changed while it was fetched
}

// firstBlock is called with the response to the request proper: all there is,
// or the first block of it.
func (m *Machine) firstBlock(c *call, msg coap.Message) {
	c.in = fetching{response: c.response(msg), size: sizeOf(msg), received: c.from(), part: gathering{asked: true}, changes: c.in.changes}
	block, ok := msg.Block(coap.Block2)
	switch {
	case !ok && msg.Code.IsSuccess() && c.from() > 0:
		m.fail(c, messages.BodyChanged) // it is one of a single message
	case !ok, c.request.Stream && !msg.Code.IsSuccess():
		m.whole(c, msg)
	case block.Offset() == c.from():
		m.takeBlock(c, msg, block)
	case block.Num == 0:
		m.fail(c, messages.BodyChanged) // the peer gives it from its beginning only
	default:
		m.fail(c, messages.Broken)
	}
}

// sizeOf returns what a message says of the size of the whole body; nil for nothing.
func sizeOf(msg coap.Message) *uint64 {
	size, ok := msg.Uint(coap.Size2)
	if !ok {
		return nil
	}
	return new(uint64(size))
}

// whole finishes a call whose response is one message.
func (m *Machine) whole(c *call, msg coap.Message) {
	if c.request.Stream && msg.Code.IsSuccess() {
		c.take(msg.Payload)
	} else {
		c.in.response.Payload = msg.Payload
	}
	m.finish(c, c.in.response)
}

// laterBlock is called with the response to the request for a later block.
func (m *Machine) laterBlock(c *call, msg coap.Message) {
	if !msg.Code.IsSuccess() {
		response := c.response(msg)
		response.Payload = msg.Payload
		m.finish(c, response)
		return
	}
	etag, _ := msg.Bytes(coap.ETag)
	if !bytes.Equal(etag, c.in.response.ETag) {
		m.changed(c)
		return
	}
	block, ok := msg.Block(coap.Block2)
	if !ok || block.Offset() != c.in.received || msg.Code != c.in.response.Code {
		m.fail(c, messages.Broken)
		return
	}
	m.takeBlock(c, msg, block)
}

// takeBlock adds the expected block, and asks for the next: at once for a body
// that is collected, for one that is streamed when its requester wants it.
func (m *Machine) takeBlock(c *call, msg coap.Message, block coap.Block) {
	switch {
	case !wellSized(block, msg.Payload):
		m.fail(c, messages.Broken)
		return
	case !c.request.Stream && c.in.received+len(msg.Payload) > m.cfg.MaxBody:
		m.fail(c, messages.TooLarge)
		return
	}
	c.take(msg.Payload)
	c.in.szx = min(block.SZX, m.cfg.szx())
	switch {
	case !block.More:
		c.in.response.Payload = c.in.body
		m.finish(c, c.in.response)
	case c.request.Stream:
		m.stream(c)
	default:
		m.next = c
	}
}

func (c *call) take(block []byte) {
	c.in.received += len(block)
	if c.request.Stream {
		c.gather(block)
	} else {
		c.in.body = append(c.in.body, block...)
	}
}

// fetchNext asks for the block that the answer which was just taken leads to. By now there is
// room on the stack for what that takes.
func (m *Machine) fetchNext() {
	if c := m.next; c != nil {
		m.next = nil
		m.fetch(c)
	}
}

// fetch asks for the block that begins where the body ends so far.
func (m *Machine) fetch(c *call) {
	block, ok := coap.At(c.in.received, false, c.in.szx)
	if !ok {
		m.fail(c, messages.TooLarge)
		return
	}
	c.state = callFetching
	msg := requests.Message(c.request)
	if c.request.Code == messages.FETCH && !c.blockwise() {
		// The payload is part of what a FETCH asks for (RFC 8132
		// section 2.3).
		msg.AddFormat(coap.ContentFormat, c.request.ContentFormat)
		msg.Payload = c.request.Payload
	}
	msg.AddBlock(coap.Block2, block)
	m.exchange(c, msg, true)
}

// changed begins again when the ETag shows that the body has changed (RFC 7959
// section 2.4). A body that was streamed cannot be taken back, and a request that
// is not safe is not repeated: then the call fails.
func (m *Machine) changed(c *call) {
	c.in.changes++
	safe := c.request.Code == messages.GET || c.request.Code == messages.FETCH
	switch {
	case c.request.Stream:
		m.fail(c, messages.BodyChanged)
	case !safe || c.in.changes > maxChanges:
		m.fail(c, messages.Broken)
	default:
		m.sendPayload(c, true)
	}
}

// wellSized reports whether a payload is as long as its block option says
// (RFC 7959 section 2.2): exactly one block when more follow, else at most one.
func wellSized(block coap.Block, payload []byte) bool {
	if block.SZX > coap.MaxSZX || block.More && len(payload) != block.Size() {
		return false
	}
	return len(payload) <= block.Size()
}
