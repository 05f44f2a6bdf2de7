package store

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
)

// Errors that Load, Save and Delete return, or wrap in a *ReadError or a
// *WriteError. Test for them with errors.Is.
var (
	// ErrNotExist says that nothing is stored under the name. It is distinct
	// from fs.ErrNotExist, which stands for a missing directory.
	ErrNotExist = errors.New("store: no such record")
	// ErrClosed says that the Store has been closed.
	ErrClosed = errors.New("store: closed")
	// ErrInvalidName says that a record's name is not 1 to 32 characters of
	// a-z, 0-9, '-' and '_'.
	ErrInvalidName = errors.New("store: invalid record name")
	// ErrTooLarge says that a Save exceeded Options.MaxRecord.
	ErrTooLarge = errors.New("store: record exceeds the size limit")

	errNoDir       = errors.New("no directory given")
	errNotDir      = syscall.ENOTDIR
	errReadBack    = errors.New("read-back differs from what was written")
	errGenerations = errors.New("generation numbers are used up")
)

// LockedError says that the directory is in use. It names the holder as far as
// the holder has made itself known.
type LockedError struct {
	Dir     string // the state directory
	PID     string // the holder's process ID in decimal; empty when unknown
	Process string // the holder's program name; empty when unknown
	Err     error  // why waiting ended early: the context's error, else nil
}

// Error names the holder and what to do about it.
func (e *LockedError) Error() string {
	return "store: " + e.Dir + " is in use by " + e.holder() +
		": stop that process or choose another directory"
}

func (e *LockedError) holder() string {
	switch {
	case e.PID == "":
		return "another process"
	case e.Process == "":
		return "process " + e.PID
	default:
		return "process " + e.PID + " (" + e.Process + ")"
	}
}

// Unwrap returns the context's error when that ended the wait, else nil.
func (e *LockedError) Unwrap() error { return e.Err }

// IOError is a failure of Open or Close other than a lock that is held.
type IOError struct {
	Op   string // "open", "stat", "readlink", "mkdir", "lock" or "unlock"
	Path string
	Err  error
}

// Error gives the operation, the path and the cause.
func (e *IOError) Error() string { return describe(e.Op, e.Path, e.Err) }

// Unwrap returns the cause, usually a syscall.Errno.
func (e *IOError) Unwrap() error { return e.Err }

// ReadError says that a record could not be loaded: there is something under
// its name, or may be, but no generation of it is usable. Nothing was changed
// on disk. It is the cause of ConnectorFailedToReadCredentials (17).
type ReadError struct {
	Name string // the record's name
	Path string // the newest file concerned, or the directory
	// Corrupt is true when all that is stored was read and is damaged, so that
	// reading again cannot help. It is false when something could not be read:
	// the medium may come back.
	Corrupt bool
	Damaged []string // file names of all generations refused, newest first
	Refused []byte   // the newest content that only Options.Check refuses; nil when there is none
	Err     error    // what is wrong with Path: a Damage, a syscall.Errno ...
}

// Error gives the path and the cause.
func (e *ReadError) Error() string { return describe("read", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// WriteError says that a Save or Delete failed. It is the cause of
// ConnectorFailedToStoreCredentials (16).
type WriteError struct {
	// Op is the step that failed: "check" (of the arguments and of the
	// directory), "lock", "list",
	// "create", "write", "sync", "close", "verify", "rename", "sync-dir" or
	// "remove".
	Op   string
	Path string
	Err  error
	// Unreached says that the directory has not been this Store's since it was
	// opened: it could not be made, locked or trusted.
	Unreached bool
}

// Error gives the step, the path and the cause.
func (e *WriteError) Error() string { return describe(e.Op, e.Path, e.Err) }

// Unwrap returns the cause: a syscall.Errno such as ENOSPC, a *LockedError,
// ErrClosed ...
func (e *WriteError) Unwrap() error { return e.Err }

// Damage says why a file is not an intact record. It is an error.
type Damage uint8

// The kinds of damage, in the order in which they are looked for.
const (
	DamageNotRegular Damage = iota + 1 // a directory, symbolic link, fifo, device ...
	DamageOwner                        // owned by somebody who is neither root nor this user
	DamageWritable                     // others may write it
	DamageTooLarge                     // above Options.MaxRecord
	DamageTruncated                    // ends before its header, name or checksum
	DamageMagic                        // does not begin as a record does
	DamageVersion                      // of a format version unknown here
	DamageLength                       // the lengths it states are not its own
	DamageChecksum                     // content altered
	DamageIdentity                     // intact, but of another name or generation
	DamageContent                      // intact, but refused by Options.Check
)

var damageText = map[Damage]string{
	DamageNotRegular: "not a regular file",
	DamageOwner:      "owned by another user",
	DamageWritable:   "others may write it",
	DamageTooLarge:   "above the size limit",
	DamageTruncated:  "truncated",
	DamageMagic:      "not a record",
	DamageVersion:    "unknown format version",
	DamageLength:     "wrong length",
	DamageChecksum:   "wrong checksum",
	DamageIdentity:   "name or generation is another file's",
	DamageContent:    "content cannot be used",
}

// Error describes the damage in a few words.
func (d Damage) Error() string {
	if text, ok := damageText[d]; ok {
		return text
	}
	return "damage " + strconv.Itoa(int(d))
}

// contentError is a DamageContent with what Options.Check said.
type contentError struct{ err error }

func (e *contentError) Error() string { return DamageContent.Error() + ": " + e.err.Error() }

func (e *contentError) Unwrap() []error { return []error{DamageContent, e.err} }

func isDamage(err error) bool {
	var d Damage
	return errors.As(err, &d)
}

// describe words a failure; the prefix of a sentinel of this package is not
// repeated, nor is the path where the cause has its own.
func describe(op, path string, err error) string {
	var distrust *DistrustError
	if errors.As(err, &distrust) {
		return "store: " + op + ": " + distrust.Error()
	}
	return "store: " + op + " " + path + ": " + strings.TrimPrefix(err.Error(), "store: ")
}

// cause strips the operation and path that the os package puts around an
// errno: the errors here have their own. Where a limit is the cause, it is named.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return cause(pe.Err)
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return cause(le.Err)
	}
	var se *os.SyscallError
	if errors.As(err, &se) {
		return cause(se.Err)
	}
	return descriptors.Explain(err)
}
