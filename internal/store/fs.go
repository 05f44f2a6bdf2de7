package store

import (
	"io"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// FS is the file system as far as the store uses it. It exists so that tests
// can make any step fail, or crash between any two. Paths are absolute. The
// methods mean what those of the same name in package os do, with the
// differences given.
type FS interface {
	Stat(path string) (fs.FileInfo, error)
	// Lstat looks at what stands at path, without following a symbolic link in
	// its last element.
	Lstat(path string) (Place, error)
	Readlink(path string) (string, error)
	// Place returns what Lstat would say of a file that is open.
	Place(fi fs.FileInfo) Place
	// User returns the user ID that this process acts as. It means nothing
	// where files have no owner.
	User() int
	Mkdir(path string, perm fs.FileMode) error
	Chmod(path string, perm fs.FileMode) error
	// OpenFile opens a file without following a symbolic link in the last
	// element of path, and without waiting for the other end of a fifo. The
	// caller looks at the file's Stat before it reads. A symbolic link is
	// refused with DamageNotRegular.
	OpenFile(path string, flag int, perm fs.FileMode) (File, error)
	// Rename replaces newpath atomically, should it exist.
	Rename(oldpath, newpath string) error
	Remove(path string) error
	// ReadDir returns the names in a directory, in any order.
	ReadDir(path string) ([]string, error)
	// SyncDir makes the directory's entries durable. It does nothing where
	// the system has no such operation.
	SyncDir(path string) error
	// TryLock takes the exclusive lock that the file at path stands for, making
	// the file when it is missing. It does not wait: it returns false when
	// another Lock, of this process or another, holds it.
	TryLock(path string) (Lock, bool, error)
}

// Place is what the checks of trust look at: the type, the permissions and the
// owner of what stands at a path. The way to a directory is looked at before every
// use of it, hence no fs.FileInfo, which would be an allocation for each element.
type Place struct {
	Mode  fs.FileMode // type, permissions and sticky bit
	Owner Owner
	Owned bool // false where the system has no owners
}

// File is an open file. *os.File is one.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Chmod(mode fs.FileMode) error
	Sync() error
}

// Lock is a lock taken by FS.TryLock.
type Lock interface {
	// Held reports whether the lock still guards the path it was taken on: the
	// file may have been removed or replaced, so that others can lock anew.
	Held() bool
	// Stat describes the file that is locked.
	Stat() (fs.FileInfo, error)
	Unlock() error
}

// OS returns the real file system, for a file system of a test that wraps it.
func OS() FS { return osFS{} }

// osFS is the real file system.
type osFS struct{}

func (osFS) Stat(path string) (fs.FileInfo, error)     { return os.Stat(path) }
func (osFS) Lstat(path string) (Place, error)          { return lstat(path) }
func (osFS) Readlink(path string) (string, error)      { return os.Readlink(path) }
func (osFS) Place(fi fs.FileInfo) Place                { return placeOf(fi) }
func (osFS) User() int                                 { return os.Geteuid() }
func (osFS) Chmod(path string, perm fs.FileMode) error { return os.Chmod(path, perm) }
func (osFS) Rename(oldpath, newpath string) error      { return os.Rename(oldpath, newpath) }
func (osFS) Remove(path string) error                  { return os.Remove(path) }
func (osFS) SyncDir(path string) error                 { return syncDir(path) }

// Mkdir gives the directory just that mode: with a umask that a service has for its
// files, such as 0177, nobody could enter it.
func (osFS) Mkdir(path string, perm fs.FileMode) error {
	if err := os.Mkdir(path, perm); err != nil {
		return err
	}
	_ = os.Chmod(path, perm) // a file system that has no modes may refuse, and needs none
	return nil
}

func (osFS) OpenFile(path string, flag int, perm fs.FileMode) (File, error) {
	f, err := openNoFollow(path, flag, perm)
	if err != nil {
		return nil, err // not f: a nil *os.File would make a non-nil File
	}
	return f, nil
}

func (osFS) ReadDir(path string) ([]string, error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (osFS) TryLock(path string) (Lock, bool, error) {
	l := &osLock{path: path, flock: flock.New(path,
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|openFlags), flock.SetPermissions(fileMode))}
	taken, err := l.flock.TryLock()
	if err != nil || !taken {
		return nil, false, err
	}
	mine, err := l.flock.Stat()
	if err != nil {
		_ = l.Unlock()
		return nil, false, err
	}
	l.mine = fileIdentityOf(mine)
	if !l.Held() { // replaced between opening and locking: somebody may hold the new one
		_ = l.Unlock()
		return nil, false, nil
	}
	return l, true, nil
}

// osLock is a lock held by gofrs/flock: flock(2) on Unix, which belongs to the
// open file and so excludes another Store in this process as well.
type osLock struct {
	path  string
	flock *flock.Flock
	mine  fileIdentity // of the file that is open
}

// Held is asked for each operation: it looks at the path alone.
func (l *osLock) Held() bool { return l.flock.Locked() && l.mine.standsAt(l.path) }

func (l *osLock) Stat() (fs.FileInfo, error) { return l.flock.Stat() }

func (l *osLock) Unlock() error { return l.flock.Unlock() }
