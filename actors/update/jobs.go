package update

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/imagefile"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Images keeps the image that is being fetched. An [imagefile.Folder] is one.
type Images interface {
	Begin(imagefile.Spec) (*imagefile.Image, error)
	Resume(id string) (*imagefile.Image, error)
	Discard() error
	Path() string
}

// jobs does what the machine asks of the disk, in order, on a goroutine that is there while
// there is something to do.
type jobs struct {
	ctx    context.Context
	images Images
	tell   func(any)
	log    func(firmware.Cause, error)

	mu      sync.Mutex
	queue   []core.Effect
	running bool

	image *imagefile.Image // of the goroutine
}

// add queues a job. What begins anew takes the place of what has not begun: nobody waits for
// it any more, and a disk that hangs gathers no more than there is to do.
func (j *jobs) add(effect core.Effect) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch effect.(type) {
	case ImagePrepare, ImageDiscard:
		j.queue = j.queue[:0]
	}
	j.queue = append(j.queue, effect)
	if !j.running {
		j.running = true
		go j.run()
	}
}

func (j *jobs) run() {
	for effect, more := j.next(); more; effect, more = j.next() {
		if j.ctx.Err() == nil {
			j.do(effect)
		}
	}
}

func (j *jobs) next() (core.Effect, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 {
		j.running = false
		return nil, false
	}
	effect := j.queue[0]
	j.queue = append(j.queue[:0], j.queue[1:]...)
	return effect, true
}

func (j *jobs) do(effect core.Effect) {
	switch effect := effect.(type) {
	case ImagePrepare:
		j.tell(j.prepare(effect))
	case ImageAppend:
		err := j.append(effect)
		j.tell(ImageWritten{Job: effect.Job, Length: j.length(), Err: imageError(err, firmware.CauseWriteFailed)})
	case ImageFinish:
		image, err := j.finish()
		j.tell(ImageDone{Job: effect.Job, Path: image.Path, Size: image.Size, Hash: image.Hash, Err: imageError(err, firmware.CauseReadFailed)})
	case ImageDiscard:
		j.image = nil
		if err := j.images.Discard(); err != nil {
			j.log(firmware.CauseFileLeft, err)
		}
		j.tell(ImageDiscarded{})
	}
}

func (j *jobs) length() int64 {
	if j.image == nil {
		return 0
	}
	return j.image.Progress()
}

// prepare takes up the image that there is, or begins one.
func (j *jobs) prepare(p ImagePrepare) (ready ImageReady) {
	ready.Job = p.Job
	var err error
	if !p.Fresh {
		j.image, err = j.images.Resume(p.ID)
	}
	if kind := imagefile.KindOf(err); p.Fresh || kind == imagefile.Nothing {
		j.image, err = j.images.Begin(imagefile.Spec{ID: p.ID, Size: p.Size, Limit: p.Limit})
	}
	if err != nil {
		j.image = nil
		ready.Err = imageError(err, firmware.CauseWriteFailed)
		return ready
	}
	spec := j.image.Spec()
	ready.Length, ready.Complete, ready.ETag, ready.Size = j.image.Progress(), j.image.Complete(), spec.ETag, spec.Size
	return ready
}

// errNoImage is what a job fails with that comes without an image: a panic on this goroutine
// would end the process.
var errNoImage = &firmware.Error{Cause: firmware.CauseInternal, Err: errors.New("there is no image that has been prepared")}

func (j *jobs) finish() (firmware.Image, error) {
	if j.image == nil {
		return firmware.Image{}, errNoImage
	}
	return j.image.Finish()
}

func (j *jobs) append(a ImageAppend) error {
	if j.image == nil {
		return errNoImage
	}
	if d := a.Describe; d != nil {
		if err := j.image.Describe(d.ETag, d.Size); err != nil {
			return err
		}
	}
	return j.image.Append(a.Offset, a.Data)
}

// imageError says what a failure of the disk means for the update.
func imageError(err error, otherwise firmware.Cause) error {
	if err == nil || err == error(errNoImage) {
		return err
	}
	cause := otherwise
	switch imagefile.KindOf(err) {
	case imagefile.NoSpace:
		cause = firmware.CauseNoSpace
	case imagefile.TooLarge:
		cause = firmware.CauseTooBig
	case imagefile.OutOfMemory:
		cause = firmware.CauseOutOfMemory
	case imagefile.WriteFailed:
		cause = firmware.CauseWriteFailed
	case imagefile.ReadFailed, imagefile.Nothing:
		cause = firmware.CauseReadFailed
	case imagefile.Stale, imagefile.Misuse:
		cause = firmware.CauseInternal
	}
	return &firmware.Error{Cause: cause, Err: err}
}
