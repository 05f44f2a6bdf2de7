package coapresend

import (
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/messages"
)

// sending is how far the payload of a call has come (RFC 7959 section 2.5).
type sending struct {
	szx       uint8      // block size exponent in use; only ever shrinks
	block     coap.Block // block in flight; when the payload fits in one, all of it
	restarted bool       // the peer lost a block once and it was all sent again
}

// maxMessage is the longest message of ours, in bytes: with IP, UDP and DTLS
// around it, it fits into a packet of 1280 (RFC 7252 section 4.6).
const maxMessage = 1152

// blockFor returns the size exponent of the largest block that fits into a
// message beside the request's own options.
func (m *Machine) blockFor(r messages.Request) uint8 {
	msg := requests.Message(r)
	msg.Token = make([]byte, coap.MaxTokenLength)
	msg.AddFormat(coap.ContentFormat, r.ContentFormat)
	msg.AddBlock(coap.Block1, coap.Block{Num: coap.MaxBlockNumber})
	msg.AddUint(coap.Size1, uint32(len(r.Payload)))
	head, err := coap.Encode(msg)
	szx := m.cfg.szx()
	for err == nil && szx > 0 && len(head)+payloadMarker+1<<(szx+4) > maxMessage {
		szx--
	}
	return szx
}

// payloadMarker is how long the marker before a payload is, in bytes.
const payloadMarker = 1

// sendPayload sends the request with its payload, or the first block of it.
func (m *Machine) sendPayload(c *call, urgent bool) {
	c.state = callSending
	m.sendBlock(c, 0, urgent)
}

// sendBlock sends the block of the payload that begins at offset.
func (m *Machine) sendBlock(c *call, offset int, urgent bool) {
	payload := c.request.Payload
	end := min(offset+1<<(c.out.szx+4), len(payload))
	block, ok := coap.At(offset, end < len(payload), c.out.szx)
	if !ok {
		m.fail(c, messages.TooLarge)
		return
	}
	c.out.block = block
	msg := requests.Message(c.request)
	if c.request.Stream && !block.More && !m.askFrom(c, &msg) {
		return
	}
	msg.AddFormat(coap.ContentFormat, c.request.ContentFormat)
	msg.Payload = payload[offset:end]
	if len(msg.Payload) < len(payload) {
		msg.AddBlock(coap.Block1, block)
		if block.Num == 0 {
			msg.AddUint(coap.Size1, uint32(len(payload)))
		}
	}
	m.exchange(c, msg, urgent)
}

// payloadAnswered is called with the response to a block of the payload, or to
// all of it.
func (m *Machine) payloadAnswered(c *call, msg coap.Message) {
	sent := c.out.block
	echo, hasBlock := msg.Block(coap.Block1)
	echoed := hasBlock && echo.Num == sent.Num && echo.SZX <= coap.MaxSZX
	switch {
	case sent.More && msg.Code.IsSuccess() && echoed:
		// 2.31, or a peer that acts upon each block by itself and says
		// 2.04 every time (RFC 7959 section 2.3).
		c.out.szx = min(c.out.szx, echo.SZX)
		m.sendBlock(c, sent.Offset()+sent.Size(), true)
	case sent.More && msg.Code.IsSuccess(), msg.Code == messages.Continue:
		m.fail(c, messages.Broken)
	case msg.Code == messages.RequestEntityTooLarge && hasBlock && sent.Num == 0 && echo.SZX < c.out.szx:
		c.out.szx = echo.SZX
		m.sendPayload(c, true)
	case msg.Code == messages.RequestEntityIncomplete && c.blockwise() && !c.out.restarted:
		c.out.restarted = true
		m.sendPayload(c, true)
	default:
		m.firstBlock(c, msg)
	}
}

// blockwise reports whether the payload is sent in more than one block.
func (c *call) blockwise() bool {
	return c.out.block.More || c.out.block.Num > 0
}
