package coapresend

import (
	"bytes"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// callState is how far a request of ours has come. One exchange at a time
// works for a call; a body takes one per block, each with a new token and a
// new message ID (RFC 7959 section 2.4, RFC 9175 section 4).
//
//	callSending ---> callFetching ---> over
//	     |  ^ |           |               ^
//	     |  +-+ next      | body changed: |
//	     |      block     | begin again   |
//	     |                +---> callSending
//	     +--------------------------------+
//	       response of one block, or failure
//
// Of a streamed response every callFetching but the first follows a callStalled,
// in which the requester has a part and has not asked for the next.
type callState uint8

const (
	callSending  callState = iota // the request, or a block of its payload, is on its way
	callFetching                  // a later block of the response is asked for
	callStalled                   // the requester has a part of the response and has not asked for the next
)

// String returns the state's name, for test failures.
func (s callState) String() string {
	names := [...]string{"sending", "fetching", "stalled"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// call is one messages.Request, from its acceptance to its Response or
// RequestFailed.
type call struct {
	request messages.Request
	state   callState
	out     sending
	in      fetching
}

// open accepts a request of ours.
func (m *Machine) open(request messages.Request) {
	if request.Epoch != m.cfg.Epoch {
		return
	}
	c := &call{request: request, out: sending{szx: m.blockFor(request)}}
	m.calls++
	if m.calls > m.cfg.MaxQueue+m.cfg.NStart {
		m.fail(c, messages.QueueFull)
		return
	}
	m.sendPayload(c, false)
}

// answered is called with the response to the exchange that c waits for.
func (m *Machine) answered(c *call, msg coap.Message) {
	if c.state == callSending {
		m.payloadAnswered(c, msg)
	} else {
		m.laterBlock(c, msg)
	}
}

// fail ends a call without a response.
func (m *Machine) fail(c *call, reason messages.RequestFailure) {
	m.calls--
	m.tellPart(c, false)
	m.tell(c.requester(), messages.RequestFailed{Epoch: m.cfg.Epoch, ID: c.request.ID, Reason: reason})
}

// finish ends a call with its response.
func (m *Machine) finish(c *call, response messages.Response) {
	m.calls--
	m.welcomed = m.welcomed || response.Code.IsSuccess()
	m.tellPart(c, false)
	m.tell(c.requester(), response)
}

// requester is who is told of a call.
func (c *call) requester() core.Role {
	if c.fetchesImage() {
		return core.Update
	}
	return core.Owner
}

// fetchesImage reports whether a call is for an image: it gives way to what the link is
// for.
func (c *call) fetchesImage() bool { return c.request.For == messages.ForUpdate }

// is reports whether a call is the request of that ID: each requester has IDs of its own.
func (c *call) is(id uint64, requester messages.Requester) bool {
	return c.request.ID == id && c.request.For == requester
}

// exchange sends one message on behalf of c. What continues something that
// the peer has begun to work on is urgent, but for an image.
func (m *Machine) exchange(c *call, msg coap.Message, urgent bool) {
	msg.Token = m.rnd.Token()
	x := &exchange{message: msg, call: c, rank: rankUsual}
	switch {
	case c.fetchesImage():
		x.rank = rankImage
	case urgent:
		x.rank = rankUrgent
	}
	m.enqueue(x)
}

// response converts a message, without its payload. Option values are copied:
// they would keep the whole datagram in memory.
func (c *call) response(msg coap.Message) messages.Response {
	etag, _ := msg.Bytes(coap.ETag)
	echo, _ := msg.Bytes(coap.Echo)
	return messages.Response{
		Epoch:         c.request.Epoch,
		ID:            c.request.ID,
		Code:          msg.Code,
		LocationPath:  msg.Strings(coap.LocationPath),
		ContentFormat: msg.Format(coap.ContentFormat),
		MaxAge:        msg.OptionalUint(coap.MaxAge),
		ETag:          bytes.Clone(etag),
		Echo:          bytes.Clone(echo),
	}
}
