package coapresend

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// upload is a request body that the peer sends block by block (RFC 7959 section
// 2.5). It is identified by path and Request-Tag, never by the token: a peer may
// use a new token for every block (RFC 9175 section 3).
type upload struct {
	key      string
	head     string // what all blocks must agree on: method, query, content format
	non      bool   // its latest block was not confirmable
	received int
	body     []byte // what was received, unless it is streamed
	latest   *taken // of what was received; nil before
	done     bool   // nothing continues it: it is kept for the sake of its latest part
	expires  time.Time
}

func (u *upload) deadline() time.Time { return u.expires }

// inBlock is called for a block of a request body.
func (m *Machine) inBlock(e *entry, msg coap.Message, block, block2 coap.Block) {
	if !wellSized(block, msg.Payload) {
		m.answerCode(e, messages.BadRequest)
		return
	}
	if p := m.takenPart(msg, block); p != nil {
		m.takeAgain(e, p)
		return
	}
	if m.isOlder(msg, block) {
		m.answer(e, m.continued(block))
		return
	}
	u := m.uploadFor(msg, block)
	switch {
	case u == nil:
		m.answerCode(e, messages.RequestEntityIncomplete)
	case m.streams(msg):
		m.streamBlock(e, msg, u, block, block2)
	case m.tooLarge(u, msg):
		m.refuseBody(e, msg, u, block)
	default:
		m.collectBlock(e, msg, u, block, block2)
	}
}

// uploadFor returns the upload that a block belongs to: a new one for block 0,
// which replaces what there was, else the one that it continues without a gap.
// Anything else ends the upload, and the result is nil.
func (m *Machine) uploadFor(msg coap.Message, block coap.Block) *upload {
	key := uploadKey(msg)
	old := m.findUpload(key)
	m.dropUpload(key)
	if block.Num == 0 {
		old = &upload{key: key, head: uploadHead(msg)}
	} else if old == nil || old.done || old.received != block.Offset() || old.head != uploadHead(msg) {
		return nil
	}
	old.non = msg.Type != coap.CON
	old.done = !block.More
	if block.More || block.Num > 0 {
		m.storeUpload(old)
	}
	return old
}

// storeUpload keeps an upload until EXCHANGE_LIFETIME after this, its latest
// block. When too many are kept, one is dropped, those first that are done; see
// victim.
func (m *Machine) storeUpload(u *upload) {
	u.expires = m.now.Add(m.cfg.ExchangeLifetime())
	if len(m.uploads) >= maxUploads {
		at := victim(m.uploads, u.unconfirmed())
		if at < 0 {
			if !u.done {
				m.shed.Memory++
			}
			return
		}
		m.uploads = slices.Delete(m.uploads, at, at+1)
	}
	m.uploads = append(m.uploads, u)
	m.sweepLater()
}

// unconfirmed is a transfer in blocks that may be of non-confirmable messages.
type unconfirmed interface{ unconfirmed() bool }

func (u *upload) unconfirmed() bool { return u.non || u.done }

// victim returns which transfer makes room for a new one: the one idle for
// longest, those of non-confirmable messages first. It is -1 when the new one is
// non-confirmable and all others are confirmable: then the new one is refused.
func victim[T unconfirmed](all []T, non bool) int {
	at := slices.IndexFunc(all, func(t T) bool { return t.unconfirmed() })
	if at < 0 && !non {
		return 0
	}
	return at
}

func (m *Machine) findUpload(key string) *upload {
	for _, u := range m.uploads {
		if u.key == key && m.now.Before(u.expires) {
			return u
		}
	}
	return nil
}

func (m *Machine) dropUpload(key string) {
	m.uploads = slices.DeleteFunc(m.uploads, func(u *upload) bool { return u.key == key })
}

// tooLarge reports whether a body exceeds the limit, by what has arrived or by
// the size that the peer announces.
func (m *Machine) tooLarge(u *upload, msg coap.Message) bool {
	announced, _ := msg.Uint(coap.Size1)
	return u.received+len(msg.Payload) > m.cfg.MaxBody || uint64(announced) > uint64(m.cfg.MaxBody)
}

// refuseBody ends an upload with 4.13 and the limit (RFC 7959 section 4).
func (m *Machine) refuseBody(e *entry, msg coap.Message, u *upload, block coap.Block) {
	answer := coap.Message{Code: messages.RequestEntityTooLarge}
	answer.AddUint(coap.Size1, uint32(m.cfg.MaxBody))
	u.body, u.done = nil, true
	u.take(msg, block).answer = answer
	m.answer(e, answer)
	m.tell(core.Handler, messages.BodyRefused{Peer: m.cfg.Peer, Epoch: m.cfg.Epoch})
}

// collectBlock adds a block to a body, and hands the request over with the
// last one.
func (m *Machine) collectBlock(e *entry, msg coap.Message, u *upload, block, block2 coap.Block) {
	u.body = append(u.body, msg.Payload...)
	u.received += len(msg.Payload)
	taken := u.take(msg, block)
	if block.More {
		taken.answer = m.continued(block)
		m.answer(e, taken.answer)
		return
	}
	msg.Payload, u.body = u.body, nil
	taken.job = &job{block1: &block, block2: block2, taken: taken}
	m.deliver(e, msg, taken.job)
}

// streamBlock hands a block over as it comes. The peer sends the next one when the
// handler asks for it.
func (m *Machine) streamBlock(e *entry, msg coap.Message, u *upload, block, block2 coap.Block) {
	taken := u.take(msg, block)
	j := &job{block1: &block, block2: block2, taken: taken}
	taken.job = j
	if block.More {
		j.upload = u
	}
	offset := u.received
	u.received += len(msg.Payload)
	m.deliverPart(e, msg, j, offset, block.More)
}

func (m *Machine) deliverPart(e *entry, msg coap.Message, j *job, offset int, next bool) {
	m.tell(core.Handler, messages.InboundBlock{
		Inbound: m.inbound(e, msg, j),
		Offset:  uint64(offset),
		Next:    next,
	})
}

// continued returns the 2.31 that asks for the block after this one, of our
// size if that is smaller.
func (m *Machine) continued(block coap.Block) coap.Message {
	block.SZX = min(block.SZX, m.cfg.szx())
	msg := coap.Message{Code: messages.Continue}
	msg.AddBlock(coap.Block1, block)
	return msg
}

// streams reports whether the handler takes the body of this request part by
// part.
func (m *Machine) streams(msg coap.Message) bool {
	switch msg.Code {
	case messages.GET, messages.DELETE, messages.FETCH:
		return false
	}
	return len(m.cfg.StreamPaths) > 0 &&
		slices.Contains(m.cfg.StreamPaths, "/"+strings.Join(msg.Path(), "/"))
}

func uploadKey(msg coap.Message) string {
	tag, tagged := msg.Bytes(coap.RequestTag)
	return fmt.Sprintf("%s %t %x", pathKey(msg.Path()), tagged, tag)
}

func uploadHead(msg coap.Message) string {
	format, _ := msg.Bytes(coap.ContentFormat)
	return fmt.Sprintf("%d %q %x", msg.Code, msg.Query(), format)
}
