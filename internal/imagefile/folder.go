package imagefile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-iot/holdfast/internal/store"
)

const (
	fileMode fs.FileMode = 0o600

	imageFile = "image"
	noteName  = "image" // the record

	defaultMax = 1 << 30
	// reserve is what an image leaves free, in bytes: the state of the client and the logs
	// of the gateway may be on the same medium.
	reserve = 1 << 20
	// checkpointEvery is how many bytes a loss of power can cost.
	checkpointEvery = 256 << 10
	// readAtOnce is how much is read at once when an image is read again.
	readAtOnce = 64 << 10
	// writeAtOnce is how much is written at once: what a disk refuses of a large part is no more.
	writeAtOnce = 16 << 10
)

// Options say where and how a Folder keeps an image.
type Options struct {
	// Dir is the folder. It is made, with its parents, when missing, and is to have nothing
	// else in it.
	Dir string
	// Max bounds the size of an image, in bytes. 0 and less mean 1 GiB.
	Max int64
	// LockTimeout bounds how long Attach waits for another holder of the folder to let go.
	// 0 and less mean 5 s.
	LockTimeout time.Duration
	// Exposed is told of a folder that others may look into (internal/store). nil tells
	// nobody.
	Exposed func(*store.ExposedError)
	// FS is the file system; nil means the real one.
	FS FS
}

// Spec says what is about to be fetched.
type Spec struct {
	// ID names the update that the image is for, in 1 to MaxID bytes: one that no other
	// update has or had.
	ID string
	// ETag is the entity tag, or another validator, that the bytes have at their server; at
	// most MaxETag bytes, nil where it is not known yet or there is none.
	ETag []byte
	// Size is how many bytes are expected; 0 where that is not known. That there is room for
	// them is checked, and nothing else: it may be a hint.
	Size int64
	// Limit bounds what is appended, in bytes. 0, and more than Options.Max, mean
	// Options.Max.
	Limit int64
}

// Folder is the folder that has the image that is being fetched. Every error of its methods,
// and of those of an Image, is an *Error.
type Folder struct {
	fs    FS
	dir   string // absolute
	max   int64
	every int64 // bytes from one checkpoint to the next
	notes *store.Store

	turn    chan struct{} // holds one token; who has it has what follows, and the files
	current *Image        // nil: none is open
}

// Attach prepares to use a folder, and locks it where it can. One that cannot be made, locked
// or trusted now is tried again by each call. What remains an error is a *store.LockedError:
// another process has the folder; and that of a ctx that has ended.
func Attach(ctx context.Context, o Options) (*Folder, error) {
	if o.FS == nil {
		o.FS = Over(store.OS())
	}
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil || o.Dir == "" {
		dir = o.Dir // the store says what is wrong with it
	}
	notes, err := store.Attach(ctx, store.Options{
		Dir: o.Dir, LockTimeout: o.LockTimeout, Exposed: o.Exposed, FS: o.FS,
		Check: func(_ string, data []byte) error { _, err := decodeNote(data); return err },
	})
	if err != nil {
		return nil, err
	}
	return &Folder{
		fs: o.FS, dir: dir, max: o.Max, every: checkpointEvery, notes: notes, turn: make(chan struct{}, 1),
	}, nil
}

// enter waits for its turn. A channel, and no lock, so that in a bubble of testing/synctest
// time goes on while somebody waits behind a disk that hangs.
func (f *Folder) enter() (leave func()) {
	f.turn <- struct{}{}
	return func() { <-f.turn }
}

// Path returns where the image is, or will be.
func (f *Folder) Path() string { return filepath.Join(f.dir, imageFile) }

// Begin removes what is left of an earlier image and begins an empty one. Where there is no
// room for the expected size and 1 MiB more, it fails with NoSpace before anything is
// fetched; with TooLarge where Size is above the limit.
func (f *Folder) Begin(s Spec) (*Image, error) {
	defer f.enter()()
	return f.begin(s)
}

func (f *Folder) begin(s Spec) (*Image, error) {
	n := note{id: s.ID, etag: bytes.Clone(s.ETag), size: s.Size, limit: s.Limit, sum: sha256.Sum256(nil), boot: f.fs.BootID()}
	if n.limit <= 0 || n.limit > f.max {
		n.limit = f.max
	}
	if err := f.fits(n); err != nil {
		return nil, err
	}
	if err := f.discard(); err != nil {
		return nil, err
	}
	if err := f.room(n.size); err != nil {
		return nil, err
	}
	return f.create(n)
}

// fits checks the arguments of a call.
func (f *Folder) fits(n note) error {
	switch {
	case n.id == "" || len(n.id) > MaxID:
		return &Error{Kind: Misuse, Path: f.Path(), Err: errID}
	case len(n.etag) > MaxETag:
		return &Error{Kind: Misuse, Path: f.Path(), Err: errETag}
	case n.size < 0:
		return &Error{Kind: Misuse, Path: f.Path(), Err: errSize}
	case n.size > n.limit:
		return f.tooLarge(n.size, n.limit)
	}
	return nil
}

func (f *Folder) tooLarge(size, limit int64) error {
	return &Error{Kind: TooLarge, Path: f.Path(), Err: &SizeError{Size: size, Limit: limit}}
}

// room checks that there is room for so many bytes more. Where that cannot be told, a write
// will.
func (f *Folder) room(size int64) error {
	available, known, err := f.fs.Free(f.dir)
	switch {
	case err != nil:
		return failed(WriteFailed, f.dir, err)
	case known && available-reserve < size:
		return &Error{Kind: NoSpace, Path: f.dir, Err: &SpaceError{Needed: size, Free: available}}
	}
	return nil
}

// create makes the file and notes what it is for. Where that fails, no file is left.
func (f *Folder) create(n note) (*Image, error) {
	file, err := f.fs.OpenFile(f.Path(), os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, failed(WriteFailed, f.Path(), err)
	}
	i := &Image{folder: f, file: file, note: n, running: sha256.New()}
	if err := f.save(n); err != nil {
		_ = file.Close()
		_ = f.fs.Remove(f.Path())
		return nil, err
	}
	f.current = i
	return i, nil
}

func (f *Folder) save(n note) error {
	if _, err := f.notes.Save(noteName, n.encode()); err != nil {
		return failed(WriteFailed, f.dir, err)
	}
	return nil
}

// Resume goes on with the image of the update with that ID. All of it is read again. It fails
// with Nothing where there is none that could be gone on with, whatever the reason, and with
// ReadFailed where the medium could not be read.
func (f *Folder) Resume(id string) (*Image, error) {
	defer f.enter()()
	f.let()
	n, err := f.load()
	if err != nil {
		return nil, err
	}
	if n.id != id {
		return nil, f.nothing(errOther)
	}
	file, err := f.fs.OpenFile(f.Path(), os.O_RDWR, 0)
	if err != nil {
		return nil, f.unopened(err)
	}
	i := &Image{folder: f, file: file, note: n, running: sha256.New()}
	if err := i.restore(); err != nil {
		_ = file.Close()
		return nil, err
	}
	f.current = i
	return i, nil
}

func (f *Folder) load() (note, error) {
	record, err := f.notes.Load(noteName)
	switch unreadable, ok := errors.AsType[*store.ReadError](err); {
	case errors.Is(err, store.ErrNotExist), errors.Is(err, fs.ErrNotExist), ok && unreadable.Corrupt:
		return note{}, f.nothing(err)
	case err != nil:
		return note{}, failed(ReadFailed, f.dir, err)
	}
	n, err := decodeNote(record.Data)
	if err != nil {
		return note{}, f.nothing(err)
	}
	return n, nil
}

func (f *Folder) unopened(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.nothing(errMissing)
	case errors.Is(err, store.DamageNotRegular):
		return f.nothing(err)
	}
	return failed(ReadFailed, f.Path(), err)
}

func (f *Folder) nothing(why error) error {
	return &Error{Kind: Nothing, Path: f.Path(), Err: why}
}

// Discard removes the image, or what is left of one. To discard nothing is no error.
func (f *Folder) Discard() error {
	defer f.enter()()
	return f.discard()
}

// discard removes the note first, and durably: from then on no byte of the file counts.
func (f *Folder) discard() error {
	f.let()
	if err := f.notes.Delete(noteName); err != nil {
		return failed(WriteFailed, f.dir, err)
	}
	if err := f.fs.Remove(f.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed(WriteFailed, f.Path(), err)
	}
	return nil
}

// let closes the present image, which stays where it is.
func (f *Folder) let() {
	if f.current != nil {
		f.current.shut()
		f.current = nil
	}
}

// Close notes how far the image has come, so that an orderly restart of the machine loses
// nothing, and lets go of the folder. Every later call fails.
func (f *Folder) Close() error {
	defer f.enter()()
	var unsynced error
	if f.current != nil {
		unsynced = f.current.sync()
	}
	f.let()
	if err := f.notes.Close(); err != nil {
		return failed(WriteFailed, f.dir, err)
	}
	return unsynced
}
