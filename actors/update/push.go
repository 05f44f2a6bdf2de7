package update

import (
	"cmp"
	"math"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// push is a package that a server sends in blocks.
type push struct {
	peer   messages.Peer
	epoch  messages.Epoch
	next   uint64    // where the next block begins, of the payload
	size   int64     // bytes of the image; -1 where only the end says it
	held   []byte    // the part of the present block that belongs to the image, until there is a file for it
	block  *awaiting // the block that is not answered yet; nil for none
	ended  bool
	passed int64 // bytes of the image that have come
}

// awaiting is a block that waits for an answer.
type awaiting struct {
	epoch messages.Epoch
	id    uint64
	next  bool // more follow
}

// block takes a block of a package.
func (m *Machine) block(in messages.InboundBlock) {
	switch {
	case !m.loaded:
		m.refuseBlock(in, messages.ServiceUnavailable, "the state of the update is being read")
	case in.Offset == 0:
		m.firstBlock(in)
	case m.push == nil && m.failed.isNext(in):
		m.refuseBlock(in, codeOf(m.failed.cause), m.failed.cause.String())
	case m.push == nil || m.push.peer != in.Peer || m.push.epoch != in.Epoch || m.push.next != in.Offset:
		m.refuseBlock(in, messages.RequestEntityIncomplete, "this block continues no package that is being received")
	default:
		m.takeBlock(in, 0)
	}
}

func (m *Machine) refuseBlock(in messages.InboundBlock, code messages.CoAPCode, why string) {
	m.do(answerBlock(in.Epoch, in.ID, code, why))
}

// refuseRequest refuses a package as any other request: it is written down.
func (m *Machine) refuseRequest(in messages.InboundBlock, why *object.Error) {
	m.refused(why)
	m.refuseBlock(in, why.Code, why.Detail)
}

func answerBlock(epoch messages.Epoch, id uint64, code messages.CoAPCode, why string) core.Effect {
	return core.Tell{To: core.Link, Epoch: epoch, Message: messages.Reply{Epoch: epoch, ID: id, Code: code, Payload: []byte(why)}}
}

// firstBlock begins a package, or begins it anew.
func (m *Machine) firstBlock(in messages.InboundBlock) {
	body, refusal := answers.ReadOpaqueBody(in.Inbound, pathPackage, !in.Next)
	switch {
	case !refusal.IsZero():
		m.refuseBlock(in, refusal.Code, string(refusal.Payload))
		return
	case !in.Next && isNull(in.Payload[body.Head:]):
		m.resetBy(in)
		return
	case m.record.Phase == Receiving && m.push != nil && m.push.peer == in.Peer:
		m.answerPushed(messages.RequestEntityIncomplete, "the package has been begun anew")
		m.push = newPush(in, body)
		m.prepare(true)
	default:
		if refusal := m.idle(); refusal != nil {
			m.refuseRequest(in, refusal)
			return
		}
		m.push = newPush(in, body)
		m.begin(FaceUpdate, in.Peer.ID)
		m.on(PackageBegun)
	}
	in.Payload = in.Payload[body.Head:]
	m.takeBlock(in, body.Head)
}

// pathPackage is where packages are written.
var pathPackage = lwm2m.PathOf(firmware.ObjectUpdate, 0, objects.FirmwarePackage)

func newPush(in messages.InboundBlock, body answers.OpaqueBody) *push {
	p := &push{peer: in.Peer, epoch: in.Epoch, size: -1}
	if body.Sized {
		p.size = int64(min(body.Size, math.MaxInt64))
	}
	return p
}

// isNull reports whether a package stands for none: it is empty, or a NUL.
func isNull(data []byte) bool { return len(data) == 0 || len(data) == 1 && data[0] == 0 }

// resetBy answers a package that stands for none.
func (m *Machine) resetBy(in messages.InboundBlock) {
	if refusal := m.resetRequested(); refusal != nil {
		m.refuseRequest(in, refusal)
		return
	}
	m.later(answerBlock(in.Epoch, in.ID, messages.Changed, ""))
}

// takePackage begins a file for what a server sends.
func (m *Machine) takePackage() { m.prepare(true) }

// takeBlock takes the next block, which began with a head that is no part of the image.
func (m *Machine) takeBlock(in messages.InboundBlock, head int) {
	p := m.push
	data := in.Payload
	p.next = in.Offset + uint64(head+len(data))
	p.block = &awaiting{epoch: in.Epoch, id: in.ID, next: in.Next}
	p.passed += int64(len(data))
	p.ended = !in.Next
	m.do(core.SetTimer{Timer: timerPush, After: m.config.PushSilence})
	if size := p.size; size >= 0 && (p.passed > size || p.ended && p.passed < size) {
		m.failWith(firmware.CauseTruncated, nil)
		return
	}
	p.held = data
	if m.image.ready {
		m.pushReady()
	}
}

// pushReady stores the block that waits.
func (m *Machine) pushReady() {
	p := m.push
	if p == nil || p.block == nil {
		return
	}
	data := p.held
	p.held = nil
	m.take(m.image.size(), data)
	if m.push == p {
		m.pushMore()
		m.pushEnd()
	}
}

// pushMore asks for the next block, if there is room for it.
func (m *Machine) pushMore() {
	b := m.push.block
	if b == nil || !b.next || m.image.ahead() >= roomAhead {
		return
	}
	m.push.block = nil
	m.later(core.Tell{To: core.Link, Epoch: b.epoch, Message: messages.More{Epoch: b.epoch, ID: b.id, Upload: true}})
}

func (m *Machine) pushWritten() {
	if m.push != nil {
		m.pushMore()
		m.pushEnd()
	}
}

// pushEnd has the image finished when all of the package has come.
func (m *Machine) pushEnd() {
	if m.push.ended && m.push.held == nil {
		m.imageFinish()
	}
}

// pushDone answers the last block: all of the package is on the disk.
func (m *Machine) pushDone() {
	if b := m.push.block; b != nil {
		m.push.block = nil
		m.later(answerBlock(b.epoch, b.id, messages.Changed, ""))
	}
}

// endPush ends the receiving, in whatever way. A block that waits for an answer gets one that
// says why.
func (m *Machine) endPush() {
	m.do(core.StopTimer{Timer: timerPush})
	p := m.push
	m.push, m.failed = nil, failedPush{}
	if p == nil || p.ended && p.block == nil {
		return
	}
	cause := cmp.Or(m.failure.Cause, firmware.CauseCancelled)
	if b := p.block; b != nil {
		m.do(answerBlock(b.epoch, b.id, codeOf(cause), cause.String()))
		return
	}
	m.failed = failedPush{peer: p.peer, epoch: p.epoch, next: p.next, cause: cause}
}

// failedPush is a package that has failed between two blocks: that it has, and why, the server
// learns from the answer to the next.
type failedPush struct {
	peer  messages.Peer
	epoch messages.Epoch
	next  uint64
	cause firmware.Cause // 0 for none
}

func (f failedPush) isNext(in messages.InboundBlock) bool {
	return f.cause != 0 && f.peer == in.Peer && f.epoch == in.Epoch && f.next == in.Offset
}

// answerPushed answers the block that waits for an answer, if there is one.
func (m *Machine) answerPushed(code messages.CoAPCode, why string) {
	if b := m.push.block; b != nil {
		m.push.block = nil
		m.do(answerBlock(b.epoch, b.id, code, why))
	}
}

// codeOf is what a server is answered whose package cannot be taken.
func codeOf(c firmware.Cause) messages.CoAPCode {
	switch c.Object5() {
	case firmware.Object5NoSpace:
		return messages.RequestEntityTooLarge
	case firmware.Object5ConnectionLost:
		return messages.RequestEntityIncomplete
	case firmware.Object5UnsupportedPackage:
		return messages.UnsupportedFormat
	case firmware.Object5IntegrityFailed, firmware.Object5Cancelled, firmware.Object5Initial:
		return messages.BadRequest
	}
	return messages.InternalServerError
}

// pushSilent ends a package that does not go on.
func (m *Machine) pushSilent() {
	if m.record.Phase == Receiving {
		m.failWith(firmware.CauseConnectionLost, nil)
	}
}

// pushLost ends a package whose link is gone: a transfer in blocks does not outlive it.
func (m *Machine) pushLost(epoch messages.Epoch) {
	if m.push != nil && m.push.epoch == epoch {
		m.pushSilent()
	}
}
