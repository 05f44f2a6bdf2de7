package imagefile

import (
	"os"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// FS is the file system as far as this package uses it, so that tests can make any step fail,
// or crash between any two.
type FS interface {
	store.FS
	// Truncate cuts a file short, which is no symbolic link.
	Truncate(path string, size int64) error
	// Free returns how many bytes a user without privileges can still write to the file
	// system that a folder is on; known is false where that cannot be told.
	Free(dir string) (bytes int64, known bool, err error)
	// BootID names the time since the machine was started: what the operating system was
	// given is found again as long as it is the same. Empty where nothing tells.
	BootID() string
}

// Over returns a file system that does what fsys does, and the rest on the real one.
func Over(fsys store.FS) FS { return system{fsys} }

type system struct{ store.FS }

func (system) Truncate(path string, size int64) error { return os.Truncate(path, size) }
func (system) Free(dir string) (int64, bool, error)   { return free(dir) }
func (system) BootID() string                         { return bootID() }
