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
	expires  time.Time
}

func (u *upload) deadline() time.Time { return u.expires }

// inBlock is called for a block of a request body.
func (m *Machine) inBlock(e *entry, msg coap.Message, block, block2 coap.Block) {
	if !wellSized(block, msg.Payload) {
		m.answerCode(e, messages.BadRequest)
		return
	}
	u := m.uploadFor(msg, block)
	switch {
	case u == nil:
		m.answerCode(e, messages.RequestEntityIncomplete)
	case m.streams(msg):
		m.streamBlock(e, msg, u, block, block2)
	case m.tooLarge(u, msg):
		m.dropUpload(u.key)
		m.answerTooLarge(e)
		m.tell(core.Handler, messages.BodyRefused{Peer: m.cfg.Peer, Epoch: m.cfg.Epoch})
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
	} else if old == nil || old.received != block.Offset() || old.head != uploadHead(msg) {
		return nil
	}
	old.non = msg.Type != coap.CON
	if block.More {
		m.storeUpload(old)
	}
	return old
}

// storeUpload keeps an upload until EXCHANGE_LIFETIME after this, its latest
// block. When too many are open, one is dropped; see victim.
func (m *Machine) storeUpload(u *upload) {
	u.expires = m.now.Add(m.cfg.ExchangeLifetime())
	if len(m.uploads) >= maxUploads {
		at := victim(m.uploads, u.non)
		if at < 0 {
			m.shed.Memory++
			return
		}
		m.uploads = slices.Delete(m.uploads, at, at+1)
	}
	m.uploads = append(m.uploads, u)
	m.sweepLater()
}

// unconfirmed is a transfer in blocks that may be of non-confirmable messages.
type unconfirmed interface{ unconfirmed() bool }

func (u *upload) unconfirmed() bool { return u.non }

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

// answerTooLarge answers 4.13 with the limit (RFC 7959 section 4).
func (m *Machine) answerTooLarge(e *entry) {
	msg := coap.Message{Code: messages.RequestEntityTooLarge}
	msg.AddUint(coap.Size1, uint32(m.cfg.MaxBody))
	m.answer(e, msg)
}

// collectBlock adds a block to a body, and hands the request over with the
// last one.
func (m *Machine) collectBlock(e *entry, msg coap.Message, u *upload, block, block2 coap.Block) {
	u.body = append(u.body, msg.Payload...)
	u.received += len(msg.Payload)
	if block.More {
		m.answer(e, m.continued(block))
		return
	}
	msg.Payload = u.body
	m.deliver(e, msg, &job{block1: &block, block2: block2})
}

// streamBlock hands a block over as it comes. The peer sends the next one when the
// handler asks for it.
func (m *Machine) streamBlock(e *entry, msg coap.Message, u *upload, block, block2 coap.Block) {
	j := &job{block1: &block, block2: block2}
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
