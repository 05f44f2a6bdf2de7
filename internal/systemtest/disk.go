package systemtest

import (
	"io/fs"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// quickDisk is the real file system, but never waits for the disk: nobody cuts the
// power of a client in a test, and virtual weeks write thousands of records. What
// survives a loss of power is a matter of the tests of internal/store.
type quickDisk struct{ store.FS }

// OpenFile implements store.FS.
func (d quickDisk) OpenFile(path string, flag int, perm fs.FileMode) (store.File, error) {
	f, err := d.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return quickFile{f}, nil
}

// SyncDir implements store.FS.
func (quickDisk) SyncDir(string) error { return nil }

type quickFile struct{ store.File }

// Sync implements store.File.
func (quickFile) Sync() error { return nil }
