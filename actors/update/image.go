package update

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// roomAhead is how many bytes are taken from a server while others are being written. The
// rest of an image is at its server.
const roomAhead = 64 << 10

// imageState is the image as far as it is known without the disk.
type imageState struct {
	job      uint64 // the latest that begins anew
	last     uint64 // the latest
	ending   bool   // the latest finishes the image
	ready    bool   // length is known
	length   int64  // bytes that are there
	waiting  []byte // behind those, not being written yet
	writing  []byte // what is being written: not to be touched
	spare    []byte // memory for what waits, of what was written before
	describe *Description
}

// size is how many bytes there are, with those that are not on the disk yet.
func (i *imageState) size() int64 { return i.length + int64(i.ahead()) }

// ahead is how many bytes are not on the disk yet.
func (i *imageState) ahead() int { return len(i.writing) + len(i.waiting) }

// nextImage names the image of a new update: no two of a client have the same name.
func (m *Machine) nextImage() {
	n, _ := strconv.ParseUint(m.record.Image, 36, 64)
	m.record.Image = strconv.FormatUint(n+1, 36)
}

// prepare finds out what there is of the image, or begins it anew. That waits for the record, as
// the removal of an image does, which it must not overtake: until it is durable that an update has
// ended, its image is needed.
func (m *Machine) prepare(fresh bool) {
	m.lastID++
	m.image = imageState{job: m.lastID, last: m.lastID}
	job := ImagePrepare{Job: m.lastID, ID: m.record.Image, Fresh: fresh}
	if m.decoded != nil {
		job.Size, job.Limit = m.decoded.Size, m.decoded.Size
	}
	m.later(job) // behind the removal of the image before, which waits for the record
}

// current reports whether an answer is about the image as it was begun last.
func (m *Machine) current(job uint64) bool { return job >= m.image.job && job <= m.image.last }

func (m *Machine) imageReady(in ImageReady) {
	if in.Job != m.image.job {
		return
	}
	if in.Err != nil {
		m.spoiledWith(causeOf(in.Err), in.Err)
		return
	}
	m.image.length, m.image.ready = in.Length, true
	switch m.record.Phase {
	case Receiving:
		m.pushReady()
	case Downloading:
		m.pullReady(in)
	case Verifying, Installing:
		m.imageFinish()
	}
}

// take takes a part that begins at an offset, as far as it is new. It reports whether it fits
// to what is there.
func (m *Machine) take(offset int64, data []byte) bool {
	have := m.image.size()
	if offset > have {
		return false
	}
	if skip := have - offset; skip >= int64(len(data)) {
		return true
	} else {
		data = data[skip:]
	}
	if limit := m.limit(); limit > 0 && have+int64(len(data)) > limit {
		if !m.mixed() {
			m.failWith(m.tooLong(), nil)
		}
		return true
	}
	m.image.waiting = append(m.image.waiting, data...)
	m.write()
	return true
}

// limit is how many bytes the image may have; 0 for no limit.
func (m *Machine) limit() int64 {
	if m.decoded != nil {
		return m.decoded.Size
	}
	return m.config.Policy.MaxSize
}

func (m *Machine) tooLong() firmware.Cause {
	if m.decoded != nil {
		return firmware.CauseLongerThanSaid
	}
	return firmware.CauseTooBig
}

// write writes what waits, unless something is being written already.
func (m *Machine) write() {
	i := &m.image
	if len(i.writing) > 0 || len(i.waiting) == 0 {
		return
	}
	m.lastID++
	i.last = m.lastID
	m.do(ImageAppend{Job: i.last, Offset: i.length, Data: i.waiting, Describe: i.describe})
	i.writing, i.waiting, i.spare, i.describe = i.waiting, i.spare, nil, nil
}

func (m *Machine) imageWritten(in ImageWritten) {
	if !m.current(in.Job) || in.Job != m.image.last {
		return
	}
	m.image.writing, m.image.spare = nil, m.image.writing[:0]
	if in.Err != nil {
		m.failBy(in.Err)
		return
	}
	m.image.length = in.Length
	m.write()
	switch m.record.Phase {
	case Receiving:
		m.pushWritten()
	case Downloading:
		m.pullWritten()
	}
}

// imageFinish has the image made durable as a whole, and summed up, when all of it has been
// written.
func (m *Machine) imageFinish() {
	i := &m.image
	if i.ending || i.ahead() > 0 {
		return
	}
	m.lastID++
	i.last, i.ending = m.lastID, true
	i.waiting, i.spare = nil, nil
	m.do(ImageFinish{Job: m.lastID})
}

// imageDone compares the image with what was announced, or with what it was when it had been
// downloaded.
func (m *Machine) imageDone(in ImageDone) {
	if in.Job != m.image.last || !m.current(in.Job) {
		return
	}
	m.image.ending = false
	switch phase := m.record.Phase; {
	case in.Err != nil:
		m.spoiledWith(causeOf(in.Err), in.Err)
	case phase == Receiving || phase == Downloading:
		m.summed(in)
	case !bytes.Equal(in.Hash[:], m.record.Hash):
		m.spoiledWith(firmware.CauseReadFailed, nil)
	case phase == Verifying:
		m.ask(CallVerify)
	case phase == Installing:
		m.ask(CallInstall)
	}
}

// summed takes what the image is that has come. Only one that is whole, and on the disk, is
// gone on with: after a loss of power there is still all of it.
func (m *Machine) summed(in ImageDone) {
	if d := m.decoded; d != nil && (in.Size < d.Size || in.Hash != d.Digest) && m.mixed() {
		return
	} else if in.Size == 0 || d != nil && in.Size < d.Size {
		m.failWith(firmware.CauseTruncated, nil)
		return
	} else if d != nil && in.Hash != d.Digest {
		m.failWith(firmware.CausePayloadCorrupted, nil)
		return
	}
	m.record.Size, m.record.Hash, m.record.Name = in.Size, in.Hash[:], hex.EncodeToString(in.Hash[:])
	m.showing = true
	if m.record.Phase == Receiving {
		m.pushDone()
	}
	m.on(Complete)
}

// ask calls the Installer, with what the record says of the image: the manifest may not be
// acceptable any more once its version runs.
func (m *Machine) ask(method Method) {
	m.lastID++
	m.call = m.lastID
	r := &m.record
	m.later(Call{ID: m.lastID, Method: method, Image: firmware.Image{
		Path: m.config.ImagePath, Size: r.Size, Hash: [32]byte(r.Hash), Version: r.Package, Component: mainComponent, VendorData: r.VendorData,
	}})
}

// hangUp ends a call of the Installer that nobody waits for any more.
func (m *Machine) hangUp() {
	if m.call != 0 {
		m.do(EndCall{ID: m.call})
		m.call = 0
	}
}

// progressEvery is the part of an image after which its progress is told.
const progressEvery = 20

// tellStatus tells the supervisor how far the update has come, where that is news.
func (m *Machine) tellStatus() {
	status := messages.FirmwareStatus{
		Object: m.record.Face.Object(), State: m.record.Phase.State(), Result: m.record.Result, Object5: m.record.Object5,
		Version: m.record.Package, Pending: len(m.record.Outbox) + len(m.record.Unread), Asks: m.question,
		PutOff: m.record.Phase.putOff(), Deferred: m.record.Until, Detail: m.record.Detail,
	}
	status.Progress, status.Total = m.progress()
	before := m.status
	step := max(status.Total/progressEvery, 1<<16)
	if moved := status.Progress - before.Progress; moved > 0 && moved < step && status.Progress != status.Total {
		status.Progress = before.Progress
	}
	if status == before {
		return
	}
	m.status = status
	if status.Progress != before.Progress && slices.Contains(fetching, m.record.Phase) {
		m.showing = true // /10252/0/7
	}
	m.later(tell(messages.FirmwareChanged{Status: status}))
}

// progress is how much of the image is there, and how large it is, as far as that is known.
func (m *Machine) progress() (there, total int64) {
	switch m.record.Phase {
	case Idle, Processing, AskingDownload, DeferredDownload:
		return 0, m.announcedSize()
	case Receiving, Announcing, Downloading:
		return m.image.length, m.announcedSize()
	case Verifying:
		if m.record.Size == 0 { // it has not been summed up yet
			return m.image.length, m.image.length
		}
	}
	return m.record.Size, m.record.Size
}

func (m *Machine) announcedSize() int64 {
	switch {
	case m.decoded != nil:
		return m.decoded.Size
	case m.pull != nil:
		return m.pull.total
	}
	return 0
}
