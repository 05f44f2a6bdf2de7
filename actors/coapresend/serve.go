package coapresend

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// job is a request that the handler is working on, with what its reply needs.
type job struct {
	id      uint64
	entry   *entry       // of the request
	request coap.Message // until it is answered
	block2  coap.Block   // what the peer asks for; block 0 of our size when it does not say
	block1  *coap.Block  // the block of the request that is answered, if it came in blocks
	upload  *upload      // the streamed body that goes on after this part
	taken   *taken       // the block of a body that is answered, if it came in blocks
}

// request is called for a request of the peer (RFC 7252 section 4.2, 4.5, 5.2). A server
// that only has an image is nobody who may ask for something.
func (m *Machine) request(msg coap.Message, fault *coap.FormatError) {
	switch {
	case m.cfg.Peer.Kind == messages.PeerDownload:
		m.rejectRequest(msg)
		return
	case m.cfg.ClientFirst && !m.welcomed:
		return
	}
	if e := m.remembered(msg.MID); e != nil {
		m.repeat(e)
		return
	}
	e := m.remember(msg)
	switch {
	case e == nil:
		m.refuse(msg)
	case fault != nil && !e.confirmable:
		m.reject(fault)
	case fault != nil:
		m.answerCode(e, messages.BadOption)
	case msg.Has(coap.ProxyURI) || msg.Has(coap.ProxyScheme):
		m.answerCode(e, messages.ProxyingNotSupported)
	case msg.Code > messages.IPATCH:
		m.answerCode(e, messages.MethodNotAllowed)
	default:
		m.serve(e, msg)
	}
}

// rejectRequest answers a request with which nothing can be done: a RST, if it was
// confirmable (RFC 7252 section 4.2).
func (m *Machine) rejectRequest(msg coap.Message) {
	if msg.Type == coap.CON {
		m.sendReset(msg.MID)
	}
}

// refuse answers a request for which there is no deduplication entry. It is not
// executed, so that its duplicates do no harm.
func (m *Machine) refuse(msg coap.Message) {
	m.shed.Memory++
	if msg.Type == coap.CON {
		m.transmit(mustEncode(coap.Message{
			Type: coap.ACK, Code: messages.ServiceUnavailable, MID: msg.MID, Token: msg.Token,
		}))
	}
}

// serve is called for a request that is new and understood.
func (m *Machine) serve(e *entry, msg coap.Message) {
	block2, ok := msg.Block(coap.Block2)
	if !ok {
		block2 = coap.Block{SZX: m.cfg.szx()}
	}
	block1, inBlocks := msg.Block(coap.Block1)
	switch {
	case block2.SZX > coap.MaxSZX:
		m.answerCode(e, messages.BadRequest)
	case inBlocks:
		m.inBlock(e, msg, block1, block2)
	case block2.Num > 0:
		m.outBlock(e, msg, block2)
	case m.streams(msg):
		m.deliverPart(e, msg, &job{block2: block2}, 0, false)
	default:
		m.deliver(e, msg, &job{block2: block2})
	}
}

// deliver hands a request to the handler.
func (m *Machine) deliver(e *entry, msg coap.Message, j *job) {
	m.tell(core.Handler, m.inbound(e, msg, j))
}

// inbound makes j the job of e and returns what the handler gets to see of it.
func (m *Machine) inbound(e *entry, msg coap.Message, j *job) messages.Inbound {
	j.id, j.entry, j.request = m.newID(), e, msg
	m.waitFor(e, j)
	in := messages.Inbound{
		Peer:          m.cfg.Peer,
		Epoch:         m.cfg.Epoch,
		ID:            j.id,
		Code:          msg.Code,
		Token:         msg.Token,
		Path:          msg.Path(),
		Query:         msg.Query(),
		ContentFormat: msg.Format(coap.ContentFormat),
		Accept:        msg.Format(coap.Accept),
		Observe:       msg.OptionalUint(coap.Observe),
		Payload:       msg.Payload,
	}
	if in.Observe != nil {
		in.Key = bodyKey(msg)
	}
	return in
}

// waitFor makes a request wait for the answer of a job.
func (m *Machine) waitFor(e *entry, j *job) {
	e.job = j
	if e.confirmable {
		e.due = m.now.Add(m.cfg.ackDelay())
		m.serveBy(e.due)
	}
}

func (m *Machine) newID() uint64 {
	m.lastID++
	return m.lastID
}

// serveBy makes sure that serveExpired is called at an instant, or before. The
// timer is left running when a request is answered in time, as nearly all are:
// one timer a second costs less than one for every request.
func (m *Machine) serveBy(due time.Time) {
	if !m.serving {
		m.serving = true
		m.setTimer(serveTimer, due.Sub(m.now))
	}
}

// serveExpired acknowledges the requests whose handler is slow: their responses
// will come separately (RFC 7252 section 5.2.2).
func (m *Machine) serveExpired() {
	m.serving = false
	for _, e := range m.entries {
		switch {
		case !e.confirmable || e.job == nil || e.state != enWorking:
		case m.now.Before(e.due):
			m.serveBy(e.due) // entries are in the order of their requests
		default:
			e.state = enAcknowledged
			e.answer = mustEncode(coap.EmptyACK(e.mid))
			m.transmit(e.answer)
		}
	}
}

// reply is called with the handler's answer. One that comes too late, or
// twice, is dropped.
func (m *Machine) reply(in messages.Reply) {
	if in.Epoch != m.cfg.Epoch {
		return
	}
	e := m.working(in.ID)
	if e == nil {
		return
	}
	if u := e.job.upload; u != nil {
		u.done = true
	}
	m.answerJob(e.job, m.replyMessage(e.job, in))
}

// working returns the entry of a request that the handler has and that it may
// still answer; nil when there is none.
func (m *Machine) working(id uint64) *entry {
	at := slices.IndexFunc(m.entries, func(e *entry) bool {
		return e.job != nil && e.job.id == id && m.now.Before(e.expires)
	})
	if at < 0 {
		return nil
	}
	return m.entries[at]
}

// replyMessage returns the response that a reply makes, cut to one block when
// need be.
func (m *Machine) replyMessage(j *job, in messages.Reply) coap.Message {
	if !proper(in) {
		in = messages.Reply{Code: messages.InternalServerError}
	}
	msg := whole(in)
	if needsBlocks(in, j.block2, m.cfg.szx()) {
		b := &body{key: bodyKey(j.request), reply: in, confirmable: j.entry.confirmable}
		m.keep(b)
		msg = b.cut(j.block2, m.cfg.szx())
	}
	if j.block1 != nil {
		msg.AddBlock(coap.Block1, *j.block1)
	}
	return msg
}

// proper reports whether a reply has the code of a response, and nothing out of
// range. Anything else is a fault of the handler.
func proper(in messages.Reply) bool {
	if in.Observe != nil && (*in.Observe > messages.MaxSequence || !in.Code.IsSuccess()) {
		return false
	}
	return (in.Code.IsSuccess() || in.Code.Class() >= 4) && in.Code != messages.Continue && len(in.ETag) <= etagLength
}

// answerCode answers with a code and nothing else.
func (m *Machine) answerCode(e *entry, code messages.CoAPCode) {
	m.answer(e, coap.Message{Code: code})
}

// answer sends the response to the request that e remembers: piggybacked on
// the ACK, separately when that has gone already, as NON to a NON (RFC 7252
// section 5.2). When too many separate responses wait, because the peer does
// not acknowledge them, further ones are sent as NON, which takes no memory.
func (m *Machine) answer(e *entry, msg coap.Message) {
	acknowledged := e.state == enAcknowledged
	e.state, e.job = enDone, nil
	msg.Token = e.token.slice()
	switch {
	case !e.confirmable, acknowledged && len(m.separate) >= maxSeparate:
		m.answerNON(msg)
	case acknowledged:
		m.respond(&exchange{message: msg})
	default:
		msg.Type, msg.MID = coap.ACK, e.mid
		e.answer = encodeResponse(msg)
		m.transmit(e.answer)
	}
}

// answerNON sends a response that is not resent. It is dropped when the share of
// message IDs is used up, as the network may drop it too.
func (m *Machine) answerNON(msg coap.Message) {
	mid, ok := m.nextMID(midsForNON)
	if !ok {
		m.shed.Answers++
		return
	}
	msg.Type, msg.MID = coap.NON, mid
	m.transmit(encodeResponse(msg))
}

// encodeResponse encodes a response, or 5.00 in place of one that cannot be
// encoded because the handler's Location-Path does not fit.
func encodeResponse(msg coap.Message) []byte {
	datagram, err := coap.Encode(msg)
	if err != nil {
		return mustEncode(coap.Message{
			Type: msg.Type, Code: messages.InternalServerError, MID: msg.MID, Token: msg.Token,
		})
	}
	return datagram
}

// pathKey identifies a resource of ours: its segments, quoted, so that no two
// paths have the same.
func pathKey(path []string) string { return fmt.Sprintf("%q", path) }

// bodyKey identifies what a request asks for, so that a request for a later
// block finds the body that the first was cut from.
func bodyKey(msg coap.Message) string {
	key := targetKey(msg)
	if msg.Code == messages.FETCH {
		key = fetchKey(key, msg.Payload)
	}
	return key
}

// fetchKey adds what a FETCH asks for to what it asks it of (RFC 8132 section 2).
func fetchKey(target string, payload []byte) string {
	return fmt.Sprintf("%s %x", target, sha256.Sum256(payload))
}

// isFetchOf reports whether a key is fetchKey's of a target and any payload.
func isFetchOf(key, target string) bool {
	sum, found := strings.CutPrefix(key, target+" ")
	return found && len(sum) == 2*sha256.Size
}

// targetKey identifies what a request is about, whatever its payload.
func targetKey(msg coap.Message) string {
	var key strings.Builder
	fmt.Fprintf(&key, "%d %q %q", msg.Code, msg.Path(), msg.Query())
	if accept := msg.Format(coap.Accept); accept != nil {
		fmt.Fprintf(&key, " %d", *accept)
	}
	return key.String()
}
