package imagefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Kind is a class of failures.
type Kind uint8

// The kinds.
const (
	// NoSpace says that the medium, or the user's share of it, is full, or would be.
	NoSpace Kind = iota + 1
	OutOfMemory
	// TooLarge says that the image has more bytes than it may have.
	TooLarge
	WriteFailed
	ReadFailed
	// Nothing says that there is no image that could be gone on with: begin anew.
	Nothing
	// Stale says that the image is not the present one any more.
	Stale
	// Misuse says that a call does not fit: a gap between parts, an ID that is too long.
	Misuse
)

// String returns the kind in a few words.
func (k Kind) String() string {
	names := [...]string{
		"", "no space", "out of memory", "too large", "cannot be written", "cannot be read",
		"nothing to go on with", "not the present image any more", "wrong use",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Error is what every call fails with.
type Error struct {
	Kind Kind
	Path string // the file or folder concerned
	Err  error  // the cause; nil where Kind says all
}

// Error names the file and what is wrong.
func (e *Error) Error() string {
	text := "firmware image " + e.Path + ": " + e.Kind.String()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause: a syscall.Errno, an error of internal/store ...
func (e *Error) Unwrap() error { return e.Err }

// Result is what a server is told when this ends an update.
func (e *Error) Result() firmware.Result {
	switch e.Kind {
	case NoSpace, TooLarge:
		return firmware.ResultNoSpace
	case OutOfMemory:
		return firmware.ResultOutOfMemory
	case WriteFailed:
		return firmware.ResultWriteFailed
	case ReadFailed, Nothing:
		return firmware.ResultReadFailed
	}
	return firmware.ResultInternal
}

// KindOf returns the kind of an error of this package; 0 for others.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return 0
}

// Causes by our own rules.
var (
	errGap      = errors.New("a part is missing before this one")
	errOffset   = errors.New("an offset below 0")
	errSize     = errors.New("a size below 0")
	errID       = errors.New("an ID of 1 to " + strconv.Itoa(MaxID) + " bytes is needed")
	errETag     = errors.New("the entity tag is longer than " + strconv.Itoa(MaxETag) + " bytes")
	errBegun    = errors.New("bytes of another entity tag are there")
	errComplete = errors.New("it is complete")
	errOther    = errors.New("there is an image of another update")
	errMissing  = errors.New("the file with the bytes is missing")
	errShort    = errors.New("the file has lost bytes that were on the medium")
	errAltered  = errors.New("the file has other bytes than were written")
	errReplaced = errors.New("the file has been removed or replaced")
	errSync     = errors.New("a sync has failed before, so that nobody knows what is on the medium")
)

// failed makes an error of the file system one of this package: of the kind given, unless the
// cause says more.
func failed(kind Kind, path string, err error) *Error {
	switch {
	case Full(err):
		kind = NoSpace
	case errors.Is(err, syscall.ENOMEM):
		kind = OutOfMemory
	case errors.Is(err, syscall.EFBIG):
		kind = TooLarge
	}
	return &Error{Kind: kind, Path: path, Err: cause(err)}
}

// Full reports whether an error says that there is no room, whoever has met it.
func Full(err error) bool {
	for _, errno := range fullErrors {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// cause strips the operation and the path that package os puts around an errno: the errors
// here have their own. Where a limit is the cause, it is named.
func cause(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return descriptors.Explain(e.Err)
	}
	if e, ok := err.(*os.SyscallError); ok {
		return descriptors.Explain(e.Err)
	}
	return descriptors.Explain(err)
}

// SpaceError says how much room there is, and how much is wanted.
type SpaceError struct {
	Needed int64 // bytes of the image that are still to come; 0 where its size is not known
	Free   int64 // bytes that can be written
}

// Error says what to do.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("%d bytes are free, and %d are needed beside a reserve of %d: make room there, or choose another folder",
		e.Free, e.Needed, reserve)
}

// SizeError says that an image is larger than it may be.
type SizeError struct {
	Size  int64 // bytes, as far as is known
	Limit int64 // bytes
}

// Error gives both sizes.
func (e *SizeError) Error() string {
	return fmt.Sprintf("at least %d bytes, and at most %d are allowed", e.Size, e.Limit)
}
