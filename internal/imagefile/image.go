package imagefile

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"

	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Image is the image that is being fetched, until another one takes its place.
type Image struct {
	folder  *Folder    // whose turn guards what follows
	file    store.File // nil once it is finished
	note    note
	there   int64     // bytes
	running hash.Hash // of them
	broken  error     // a sync has failed
}

// restore finds out how much of the file counts, and drops the rest.
func (i *Image) restore() error {
	length, err := i.measure()
	if err != nil {
		return err
	}
	end, boot := i.note.checkpoint, i.folder.fs.BootID()
	if !i.note.complete && boot != "" && boot == i.note.boot {
		end = min(length, i.note.limit)
	}
	if length < i.note.checkpoint || end < i.note.checkpoint {
		return i.folder.nothing(errShort)
	}
	if err := i.rehash(end); err != nil {
		return err
	}
	return i.cut(length, boot)
}

// measure returns the length of the file, once it has seen whose that is.
func (i *Image) measure() (int64, error) {
	info, err := i.file.Stat()
	if err != nil {
		return 0, failed(ReadFailed, i.path(), err)
	}
	if err := store.CheckFile(i.folder.fs, i.path(), info); err != nil {
		return 0, i.folder.nothing(err)
	}
	return info.Size(), nil
}

// rehash reads the file up to end. What was on the medium for certain has to be what it was.
func (i *Image) rehash(end int64) error {
	buffer := make([]byte, readAtOnce)
	if err := i.read(buffer, i.note.checkpoint); err != nil {
		return err
	}
	if !bytes.Equal(i.running.Sum(nil), i.note.sum[:]) {
		return i.folder.nothing(errAltered)
	}
	return i.read(buffer, end)
}

func (i *Image) read(buffer []byte, end int64) error {
	for i.there < end {
		part := buffer[:min(int64(len(buffer)), end-i.there)]
		n, err := i.file.ReadAt(part, i.there)
		if n < len(part) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return failed(ReadFailed, i.path(), err)
		}
		i.running.Write(part)
		i.there += int64(n)
	}
	return nil
}

// cut drops what does not count. Only then the bytes that follow are noted as those of this
// boot: the other way round an end of the process in between would make the rest count.
func (i *Image) cut(length int64, boot string) error {
	if length > i.there {
		if err := i.folder.fs.Truncate(i.path(), i.there); err != nil {
			return failed(WriteFailed, i.path(), err)
		}
	}
	if i.note.boot == boot {
		return nil
	}
	n := i.note
	n.boot = boot
	if err := i.folder.save(n); err != nil {
		return err
	}
	i.note = n
	return nil
}

func (i *Image) path() string { return i.folder.Path() }

// enter waits for its turn, and fails where the image is not the present one any more.
func (i *Image) enter() (leave func(), err error) {
	leave = i.folder.enter()
	if i.folder.current != i {
		leave()
		return nil, &Error{Kind: Stale, Path: i.path()}
	}
	return leave, nil
}

// Progress returns how many bytes are there.
func (i *Image) Progress() int64 {
	defer i.folder.enter()()
	return i.there
}

// Spec returns what is known of the image.
func (i *Image) Spec() Spec {
	defer i.folder.enter()()
	return Spec{ID: i.note.id, ETag: bytes.Clone(i.note.etag), Size: i.note.size, Limit: i.note.limit}
}

// Complete reports whether Finish has been called, by an earlier process perhaps.
func (i *Image) Complete() bool {
	defer i.folder.enter()()
	return i.note.complete
}

// Describe notes what a server says of the image: its entity tag, nil for none, and its
// size, 0 where it says nothing. Before the first byte it may say anything that there is
// room for; later it is Misuse where the entity tag is another one: then Restart is due.
func (i *Image) Describe(etag []byte, size int64) error {
	leave, err := i.enter()
	if err != nil {
		return err
	}
	defer leave()
	n := i.note
	n.etag, n.size = bytes.Clone(etag), size
	switch {
	case i.there > 0 && !bytes.Equal(etag, i.note.etag):
		return &Error{Kind: Misuse, Path: i.path(), Err: errBegun}
	case bytes.Equal(n.etag, i.note.etag) && n.size == i.note.size:
		return nil
	}
	return i.describe(n)
}

func (i *Image) describe(n note) error {
	if err := i.folder.fits(n); err != nil {
		return err
	}
	if err := i.folder.room(n.size - i.there); err != nil {
		return err
	}
	if err := i.folder.save(n); err != nil {
		return err
	}
	i.note = n
	return nil
}

// Restart drops all bytes: the server has another image under the same address. It returns
// the empty image that takes the place of this one.
func (i *Image) Restart(etag []byte, size int64) (*Image, error) {
	leave, err := i.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	return i.folder.begin(Spec{ID: i.note.id, ETag: etag, Size: size, Limit: i.note.limit})
}

// Append writes a part that begins at an offset. What is there already of it is skipped, and
// not compared; a gap before it is Misuse. It fails with TooLarge, and writes nothing, where
// the image would exceed its limit. After another failure some of the part may be there, as
// Progress says.
func (i *Image) Append(offset int64, data []byte) error {
	leave, err := i.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := i.appendable(offset, int64(len(data))); err != nil {
		return err
	}
	data = data[min(i.there-offset, int64(len(data))):]
	for len(data) > 0 {
		part := data[:min(i.room(), writeAtOnce, int64(len(data)))]
		if err := i.write(part); err != nil {
			return err
		}
		data = data[len(part):]
	}
	return nil
}

// room is how many bytes are written before the next checkpoint. Where that was due, and could not
// be noted, it is tried again at once.
func (i *Image) room() int64 { return max(i.folder.every-(i.there-i.note.checkpoint), 1) }

func (i *Image) write(data []byte) error {
	n, err := i.file.WriteAt(data, i.there)
	i.running.Write(data[:n])
	i.there += int64(n)
	if err != nil {
		return failed(WriteFailed, i.path(), err)
	}
	if i.there-i.note.checkpoint < i.folder.every {
		return nil
	}
	return i.sync()
}

func (i *Image) appendable(offset, length int64) error {
	wrong := func(why error) error { return &Error{Kind: Misuse, Path: i.path(), Err: why} }
	switch {
	case i.broken != nil:
		return i.broken
	case i.note.complete:
		return wrong(errComplete)
	case offset < 0:
		return wrong(errOffset)
	case offset > i.there:
		return wrong(errGap)
	case length > i.note.limit-offset:
		return i.folder.tooLarge(offset+length, i.note.limit)
	}
	return nil
}

// Sync makes all that is there durable: a download that pauses loses nothing of it with the
// power.
func (i *Image) Sync() error {
	leave, err := i.enter()
	if err != nil {
		return err
	}
	defer leave()
	return i.sync()
}

func (i *Image) sync() error {
	if i.there == i.note.checkpoint {
		return i.broken
	}
	return i.checkpoint(i.note.complete)
}

// checkpoint makes all that is there durable, then notes that. Where the medium refuses the
// first, the system may have dropped what it had not written: the image is given up.
func (i *Image) checkpoint(complete bool) error {
	if i.broken != nil {
		return i.broken
	}
	if err := i.file.Sync(); err != nil {
		return i.breakOff(failed(WriteFailed, i.path(), err))
	}
	n := i.note
	n.checkpoint, n.sum, n.complete = i.there, [sha256.Size]byte(i.running.Sum(nil)), complete
	if err := i.folder.save(n); err != nil {
		return err
	}
	i.note = n
	return nil
}

// breakOff gives the image up: nobody is to go on with it, now or after a restart.
func (i *Image) breakOff(why *Error) error {
	i.broken = &Error{Kind: why.Kind, Path: why.Path, Err: errSync}
	_ = i.folder.notes.Delete(noteName)
	return why
}

// Finish says that nothing follows, makes the image durable, and returns what an Installer is
// given of it. The file is closed: a program cannot be run that somebody may still write. It
// may be called again, also after Resume.
func (i *Image) Finish() (firmware.Image, error) {
	leave, err := i.enter()
	if err != nil {
		return firmware.Image{}, err
	}
	defer leave()
	if !i.note.complete {
		if err := i.checkpoint(true); err != nil {
			return firmware.Image{}, err
		}
	}
	i.shut()
	if err := i.inPlace(); err != nil {
		return firmware.Image{}, err
	}
	return firmware.Image{Path: i.path(), Size: i.there, Hash: i.note.sum}, nil
}

// shut closes the file, where it is open.
func (i *Image) shut() {
	if i.file != nil {
		_ = i.file.Close() // what was to be durable is synced
		i.file = nil
	}
}

// inPlace checks that the file is still found under its name, for the Installer to open.
func (i *Image) inPlace() error {
	info, err := i.folder.fs.Stat(i.path())
	if err != nil {
		return failed(ReadFailed, i.path(), err)
	}
	if info.Size() != i.there {
		return &Error{Kind: ReadFailed, Path: i.path(), Err: errReplaced}
	}
	return nil
}
