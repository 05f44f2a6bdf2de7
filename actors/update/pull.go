package update

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// pull is a download. The supervisor opens an attempt after the other; each goes on behind
// the last byte that is on the disk.
type pull struct {
	download uint64 // names it to the supervisor
	location download.Location
	total    int64 // bytes, as far as that is known; 0 while it is not

	via     messages.Via
	epoch   messages.Epoch
	open    bool   // the supervisor has opened an attempt that has not ended
	request uint64 // of the attempt; 0 while nothing is asked for
	first   bool   // nothing has come of it yet
	behind  bool   // it was not for the beginning of the image
	more    bool   // the server has more, and has not been asked for it
	ended   bool   // all has come; some of it may not be on the disk yet
	told    bool   // the supervisor knows that the attempt has brought something
	anew    bool   // the attempt has begun anew, with another image
	unsure  bool   // what was there when the attempt began may be of another image
	fresh   bool   // the next attempt begins anew
	etag    []byte // of what is there
	// reached is how many bytes there have been at most. What comes once more because it was
	// not kept brings the download no further, however often it comes.
	reached int64
	changes int               // how often the server has had another image
	early   int64             // where it has ended before its announced end
	failure *messages.Failure // of the last attempt
	paused  bool              // nothing is tried, because the application wants it so
	left    time.Duration     // of the time that the download may bring nothing, while it is paused
	missing int               // attempts in a row in which the server had no such image any more
}

// missingLimit is how often in a row a server may say that it has no image of which it has
// given a part before: it may have been restarted and still be starting.
const missingLimit = 3

// changesLimit is how many other images of a server may come from their beginning as if they were
// the first. One whose image never stays the same would be asked for ever.
const changesLimit = 3

// fetch has the supervisor open the first attempt.
func (m *Machine) fetch() {
	location, err := m.policy().Parse(m.record.URI)
	if err != nil { // the configuration may have changed since the update began
		m.failBy(err)
		return
	}
	m.lastID++
	m.pull = &pull{download: m.lastID, location: location}
	m.later(tell(messages.OpenDownload{ID: m.lastID, URI: m.record.URI}))
	if m.record.Deadline.IsZero() {
		m.moved()
		return
	}
	m.do(core.SetTimer{Timer: timerGiveUp, After: m.left()})
}

// opened begins an attempt: with what is on the disk.
func (m *Machine) opened(in messages.DownloadOpened) {
	p := m.pull
	if p == nil || in.ID != p.download {
		return
	}
	m.stopRequest()
	p.via, p.epoch, p.open, p.told, p.anew = in.Via, in.Epoch, true, false, false
	p.unsure = false
	m.prepare(p.fresh)
	p.fresh = false
}

// pullReady asks for what is not there. What has no entity tag may be of another image than
// what the server has now: without a digest to tell by, it does not count.
func (m *Machine) pullReady(in ImageReady) {
	p := m.pull
	switch {
	case p == nil || !p.open:
	case in.Complete:
		m.imageFinish()
	case in.Length > 0 && len(in.ETag) == 0 && m.decoded == nil:
		m.prepare(true)
	default:
		p.etag, p.total, p.unsure = in.ETag, in.Size, in.Length > 0 && len(in.ETag) == 0
		m.request()
	}
}

// request asks for the image from the last byte on that is there: that the end is the end,
// only the server knows.
func (m *Machine) request() {
	p := m.pull
	m.lastID++
	p.request, p.first, p.more, p.ended = m.lastID, true, false, false
	from := max(m.image.length-1, 0)
	p.behind = from >= largestBlock
	if p.via == messages.ViaHTTP {
		m.do(HTTPFetch{ID: p.request, Location: p.location, From: from, ETag: p.etag, Size: m.announcedSize()})
		return
	}
	m.do(core.Tell{To: core.Link, Epoch: p.epoch, Message: messages.Request{
		Epoch: p.epoch, ID: p.request, For: messages.ForUpdate, Code: messages.GET, Stream: true,
		Path: p.location.CoAP.Path, Query: p.location.CoAP.Query, From: uint64(from) &^ (largestBlock - 1), Gather: coapPart,
	}})
}

// coapPart is how much of an image is one part where it comes fast by CoAP: the blocks are small,
// and it would cost more to pass them on than to fetch them.
const coapPart = 8 << 10

// largestBlock is what a place to begin at is a multiple of (RFC 7959 section 2.2).
const largestBlock = 1024

// stopRequest gives up what is asked for.
func (m *Machine) stopRequest() {
	p := m.pull
	switch {
	case p.request == 0:
	case p.via == messages.ViaHTTP:
		m.do(HTTPStop{ID: p.request})
	default:
		m.do(core.Tell{To: core.Link, Epoch: p.epoch, Message: messages.Cancel{Epoch: p.epoch, ID: p.request, For: messages.ForUpdate}})
	}
	p.request = 0
}

// endPull ends the download, in whatever way.
func (m *Machine) endPull() {
	m.do(core.StopTimer{Timer: timerGiveUp})
	if m.pull == nil {
		return
	}
	m.stopRequest()
	m.do(tell(messages.CloseDownload{ID: m.pull.download}))
	m.pull = nil
}

// its reports whether something is about the request of the present attempt.
func (p *pull) its(epoch messages.Epoch, id uint64) bool {
	return p != nil && p.request != 0 && p.request == id && p.epoch == epoch
}

// part takes a part that came by CoAP.
func (m *Machine) part(in messages.ResponseBlock) {
	if m.pull.its(in.Epoch, in.ID) {
		var size int64
		if in.Size != nil {
			size = int64(*in.Size)
		}
		m.arrived(int64(in.Offset), in.Data, in.ETag, size, in.Next)
	}
}

// arrived takes a part. With the first comes what the server says of the image: it may be
// another one than that of which there is a part already.
func (m *Machine) arrived(offset int64, data, etag []byte, size int64, more bool) {
	p := m.pull
	if p.first {
		p.first = false
		if m.image.length > 0 && (offset > m.image.length || len(p.etag) > 0 && !bytes.Equal(etag, p.etag)) {
			m.changed()
			return
		}
		if m.image.length == 0 {
			m.image.describe = &Description{ETag: etag, Size: m.believed(size)}
		}
		p.missing = 0
		if size > 0 && !m.sized(size) {
			return
		}
	}
	if !m.take(offset, data) {
		m.attemptFailed(messages.Failure{Class: messages.ClassBadAnswer, Cause: errGap})
		return
	}
	if m.pull == p {
		p.more = more
		m.pullMore()
	}
}

// believed is the size that room is made for: the manifest's, where there is one, and else what
// the server says.
func (m *Machine) believed(size int64) int64 {
	if m.decoded != nil {
		return m.decoded.Size
	}
	return size
}

// sized takes what the server says of the size; false where that cannot be.
func (m *Machine) sized(size int64) bool {
	if d := m.decoded; d == nil {
		m.pull.total = size
		if limit := m.limit(); limit > 0 && size > limit {
			m.failWith(firmware.CauseTooBig, nil)
			return false
		}
	}
	return true
}

// changed begins anew: the server has another image. Where that happens once more in the same
// attempt, the policy says when the next begins: nothing would slow a server down whose image
// never stays the same.
func (m *Machine) changed() {
	p := m.pull
	if p.anew {
		m.attemptFailed(messages.Failure{Class: messages.ClassBadAnswer, Cause: errChanging})
		return
	}
	m.stopRequest()
	p.etag, p.total, p.anew, p.unsure = nil, 0, true, false
	if p.changes++; p.changes <= changesLimit {
		p.reached = 0
	}
	m.prepare(true)
}

// mixed reports whether an image that is not the one of the manifest may have been put together of
// parts of two, of a server that says nothing to tell them apart by. Then it is fetched from its
// beginning.
func (m *Machine) mixed() bool {
	p := m.pull
	if p == nil || !p.unsure {
		return false
	}
	p.unsure, p.fresh = false, true
	m.attemptFailed(messages.Failure{Class: messages.ClassBadAnswer, Cause: errMixed})
	return true
}

// pullMore asks for the next part, if there is room for it.
func (m *Machine) pullMore() {
	p := m.pull
	if p.request == 0 || !p.more || m.image.ahead() >= roomAhead {
		return
	}
	p.more = false
	if p.via == messages.ViaHTTP {
		m.do(HTTPMore{ID: p.request})
		return
	}
	m.do(core.Tell{To: core.Link, Epoch: p.epoch, Message: messages.More{Epoch: p.epoch, ID: p.request, For: messages.ForUpdate}})
}

// pullWritten goes on when a part is on the disk.
func (m *Machine) pullWritten() {
	p := m.pull
	if p == nil {
		return
	}
	if m.image.length > p.reached {
		p.reached = m.image.length
		m.moved()
		if !p.told {
			p.told = true
			m.do(tell(messages.DownloadProgressed{ID: p.download}))
		}
	}
	m.pullMore()
	m.pullEnd()
}

// pullEnd has the image finished when all of it has come. What happens to the link then is of
// no interest any more.
func (m *Machine) pullEnd() {
	if p := m.pull; p.ended {
		p.request, p.open = 0, false
		m.imageFinish()
	}
}

// response ends a request: with the end of the image, or with an error of the server.
func (m *Machine) response(in messages.Response) {
	p := m.pull
	if !p.its(in.Epoch, in.ID) {
		return
	}
	switch {
	case in.Code == messages.Content && m.endsEarly():
		m.attemptFailed(messages.Failure{Class: messages.ClassBadAnswer, Cause: errEarly})
		return
	case in.Code == messages.Content:
		p.ended = true
		m.pullEnd()
		return
	}
	f := messages.Failure{Class: messages.ClassRejected, Answer: in.Code, Detail: string(in.Payload)}
	if in.MaxAge != nil {
		f.MaxAge = new(time.Duration(*in.MaxAge) * time.Second)
	}
	m.rejected(f)
}

// endsEarly reports whether an image ends before its announced end. The server is asked once more
// then: the announcement may have been wrong (RFC 7959 section 4), or the end.
func (m *Machine) endsEarly() bool {
	p, size := m.pull, m.image.size()
	early := size < m.announcedSize() && size != p.early
	p.early = size
	return early
}

// rejected takes an error of the server that has the image: one that no further attempt
// changes ends the update, unless the server has given a part of the image before.
func (m *Machine) rejected(f messages.Failure) {
	switch {
	case m.pull.endsBefore(f.Answer):
		m.changed()
	case f.Answer == messages.NotFound && m.gone():
		m.finalFailure(firmware.CauseNotFound, f)
	case f.Answer.Class() == 4 && !slices.Contains(passing, f.Answer) && f.Answer != messages.NotFound && m.gone():
		m.finalFailure(firmware.CauseDownloadRejected, f)
	default:
		m.attemptFailed(f)
	}
}

// endsBefore reports whether an error says that the image of the server has nothing where this
// attempt was to go on: it is a shorter one than that of which there is a part. Servers differ in
// what they answer then.
func (p *pull) endsBefore(answer messages.CoAPCode) bool {
	return p.via != messages.ViaHTTP && p.first && p.behind && (answer == messages.BadRequest || answer == messages.BadOption)
}

// passing are errors of class 4 that say nothing of the next attempt.
var passing = []messages.CoAPCode{messages.TooManyRequests, messages.RequestEntityIncomplete}

// gone counts a refusal; it reports whether it is to be believed.
func (m *Machine) gone() bool {
	m.pull.missing++
	return m.image.size() == 0 || m.pull.missing >= missingLimit
}

func (m *Machine) requestFailed(in messages.RequestFailed) {
	if !m.pull.its(in.Epoch, in.ID) {
		return
	}
	switch in.Reason {
	case messages.BodyChanged:
		m.changed()
	case messages.Unsendable:
		m.failWith(firmware.CauseInvalidURI, nil)
	default:
		m.attemptFailed(messages.Failure{Class: classes[in.Reason], Cause: errors.New(in.Reason.String())})
	}
}

// classes of what a request may fail with; unknown for what is not in it.
var classes = map[messages.RequestFailure]messages.Class{
	messages.Exhausted: messages.ClassSilence, messages.Reset: messages.ClassReset, messages.Broken: messages.ClassBadAnswer,
	messages.QueueFull: messages.ClassBudget, messages.TooLarge: messages.ClassBudget,
}

// linkLost takes the end of a link of the download's own.
func (m *Machine) linkLost(in messages.LinkLost) {
	if p := m.pull; p != nil && p.open && p.via == messages.ViaLink && p.epoch == in.Failure.Epoch {
		p.request = 0
		m.attemptBroken(in.Failure)
	}
}

// interrupted ends an attempt that has not failed: the supervisor opens another one when that
// can be.
func (m *Machine) interrupted(in messages.DownloadInterrupted) {
	if p := m.pull; p != nil && p.download == in.ID {
		m.stopRequest()
		p.open = false
	}
}

// attemptFailed ends an attempt; the supervisor says when the next begins.
func (m *Machine) attemptFailed(f messages.Failure) {
	m.stopRequest()
	m.attemptBroken(f)
}

func (m *Machine) attemptBroken(f messages.Failure) {
	p := m.pull
	p.open, p.request = false, 0
	f.Phase, f.Epoch = messages.PhaseFirmware, p.epoch
	if cause, final := m.hopeless(&f); final {
		m.finalFailure(cause, f)
		return
	}
	p.failure = &f
	m.log(firmware.CauseTransient, &f)
	m.do(tell(messages.DownloadFailed{ID: p.download, Failure: f}))
}

// hopeless reports whether no further attempt can change what has failed, and why.
func (m *Machine) hopeless(f *messages.Failure) (firmware.Cause, bool) {
	switch {
	case download.NoSuchHost(f.Cause) && m.gone():
		return firmware.CauseUnknownHost, true
	case f.Class == messages.ClassConfiguration:
		return firmware.CauseForbiddenURI, true
	case f.Class == messages.ClassBadCredentials:
		return firmware.CauseDownloadRejected, true
	}
	return 0, false
}

// finalFailure ends the download and the update with what has happened in an attempt.
func (m *Machine) finalFailure(cause firmware.Cause, f messages.Failure) {
	f.Phase, f.Epoch = messages.PhaseFirmware, m.pull.epoch
	m.stopRequest()
	m.do(tell(messages.DownloadFailed{ID: m.pull.download, Failure: f, Final: true}))
	m.failWith(cause, &f)
}

func (m *Machine) httpPart(in HTTPPart) {
	if p := m.pull; p.its(0, in.ID) {
		p.ended = in.Last
		m.arrived(in.Offset, in.Data, in.ETag, in.Size, !in.Last)
		if m.pull == p && p.request == in.ID {
			m.pullEnd()
		}
	}
}

// httpFailed ends an attempt by HTTP.
func (m *Machine) httpFailed(in HTTPFailed) {
	if !m.pull.its(0, in.ID) {
		return
	}
	m.pull.request = 0
	f := download.Failure(in.Err)
	switch {
	case isError[*download.ChangedError](in.Err), isError[*download.RangeError](in.Err):
		m.changed()
	case f.Class == messages.ClassRejected:
		m.rejected(f)
	case isError[*download.SizeError](in.Err):
		m.finalFailure(m.tooLong(), f)
	case f.Class == messages.ClassConfiguration:
		m.finalFailure(causeOf(in.Err), f)
	default:
		m.attemptFailed(f)
	}
}

func isError[T error](err error) bool {
	_, is := errors.AsType[T](err)
	return is
}

var (
	errGap      = errors.New("a part of the image is missing")
	errEarly    = errors.New("the image has ended before its announced end")
	errMixed    = errors.New("the image is not the one of the manifest, and its server may have changed it meanwhile")
	errChanging = errors.New("the image has changed more than once while it was fetched")
)
