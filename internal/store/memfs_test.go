package store

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// errCrashed is what every operation says once the machine has lost its power.
var errCrashed = errors.New("memfs: crashed")

// memFS is a file system that keeps what a process sees apart from what is on
// the medium. A file's content reaches the medium by Sync, a directory's
// entries by SyncDir; crash decides what becomes of the rest.
type memFS struct {
	mu      sync.Mutex
	live    map[string]*inode // by path; what the process sees
	disk    map[string]*inode // by path; the names that are durable
	pending []change          // changes of live that are not in disk yet, in order
	locked  map[*inode]bool
	user    int // that the store runs as; the owner of all that it makes

	steps   int                         // operations so far
	crashAt int                         // the operation that does not take place any more; 0 is none
	fault   func(op, path string) error // asked before every operation
	torn    func(b []byte) []byte       // what a write really writes, when set
}

// change is one atomic change of a directory.
type change struct {
	dir string
	set map[string]*inode // nil removes the name
}

func (c change) apply(names map[string]*inode) {
	for path, ino := range c.set {
		if ino == nil {
			delete(names, path)
		} else {
			names[path] = ino
		}
	}
}

type inode struct {
	mode   fs.FileMode
	owner  Owner
	target string // of a symbolic link
	data   []byte
	synced []byte // what is on the medium
}

func newMemFS() *memFS {
	root := map[string]*inode{"/": {mode: fs.ModeDir | 0o755}}
	return &memFS{live: root, disk: maps.Clone(root), locked: map[*inode]bool{}}
}

// step counts an operation and decides whether it takes place.
func (m *memFS) step(op, path string) error {
	m.steps++
	if m.crashAt > 0 && m.steps >= m.crashAt {
		return errCrashed
	}
	if m.fault != nil {
		return m.fault(op, path)
	}
	return nil
}

func (m *memFS) change(dir string, set map[string]*inode) {
	c := change{dir: dir, set: set}
	c.apply(m.live)
	m.pending = append(m.pending, c)
}

// crash returns the file system as it is found after a power loss. Of the
// changes that were not durable keep tells which ones are found all the same,
// and content what is found in a file whose content was not.
func (m *memFS) crash(keep func() bool, content func(i *inode) []byte) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := maps.Clone(m.disk)
	for _, c := range m.pending {
		if keep() {
			c.apply(names)
		}
	}
	after := &memFS{live: map[string]*inode{}, locked: map[*inode]bool{}, user: m.user}
	for _, path := range slices.Sorted(maps.Keys(names)) {
		if path != "/" && after.live[filepath.Dir(path)] == nil {
			continue // its directory is lost
		}
		data := content(names[path])
		after.live[path] = &inode{mode: names[path].mode, owner: names[path].owner, data: data, synced: data}
	}
	after.disk = maps.Clone(after.live)
	return after
}

// crashLosing loses all that was not durable, crashKeeping nothing, crashAtRandom
// some of it, leaving torn and garbled content.
func (m *memFS) crashLosing() *memFS {
	return m.crash(func() bool { return false }, func(i *inode) []byte { return i.synced })
}

func (m *memFS) crashKeeping() *memFS {
	return m.crash(func() bool { return true }, func(i *inode) []byte { return i.data })
}

func (m *memFS) crashAtRandom(r *rand.Rand) *memFS {
	keep := func() bool { return r.IntN(2) == 0 }
	return m.crash(keep, func(i *inode) []byte {
		switch {
		case slices.Equal(i.data, i.synced) || keep():
			return i.synced
		case keep():
			return i.data[:r.IntN(len(i.data)+1)]
		}
		return make([]byte, len(i.data)) // allocated, never written
	})
}

func (m *memFS) parent(path string) (string, error) {
	dir := filepath.Dir(path)
	if i, ok := m.live[dir]; !ok {
		return dir, fs.ErrNotExist
	} else if !i.mode.IsDir() {
		return dir, errNotDir
	}
	return dir, nil
}

func (m *memFS) Stat(path string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("stat", path); err != nil {
		return nil, err
	}
	return m.stat(path)
}

func (m *memFS) stat(path string) (fs.FileInfo, error) {
	if i, ok := m.live[path]; ok {
		return i.info(path), nil
	}
	return nil, fs.ErrNotExist
}

// Lstat looks at the file itself. Nothing else here follows a link: tests of
// links use it alone.
func (m *memFS) Lstat(path string) (Place, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("lstat", path); err != nil {
		return Place{}, err
	}
	fi, err := m.stat(path)
	if err != nil {
		return Place{}, err
	}
	return m.Place(fi), nil
}

func (m *memFS) Readlink(path string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("readlink", path); err != nil {
		return "", err
	}
	return m.live[path].target, nil
}

func (m *memFS) Place(fi fs.FileInfo) Place {
	owner, ok := fi.Sys().(Owner)
	return Place{Mode: fi.Mode(), Owner: owner, Owned: ok}
}

func (m *memFS) User() int { return m.user }

func (m *memFS) mine() Owner { return Owner{UID: m.user, GID: m.user} }

func (m *memFS) Chmod(path string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("chmod", path); err != nil {
		return err
	}
	i := m.live[path]
	if i.owner.UID != m.user && m.user != 0 {
		return fs.ErrPermission
	}
	i.mode = i.mode.Type() | perm
	return nil
}

func (m *memFS) Mkdir(path string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("mkdir", path); err != nil {
		return err
	}
	dir, err := m.parent(path)
	if err != nil {
		return err
	}
	if _, ok := m.live[path]; ok {
		return fs.ErrExist
	}
	m.change(dir, map[string]*inode{path: {mode: fs.ModeDir | perm, owner: m.mine()}})
	return nil
}

func (m *memFS) OpenFile(path string, flag int, perm fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("open", path); err != nil {
		return nil, err
	}
	i, err := m.open(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &memFile{fs: m, path: path, inode: i}, nil
}

func (m *memFS) open(path string, flag int, perm fs.FileMode) (*inode, error) {
	dir, err := m.parent(path)
	if err != nil {
		return nil, err
	}
	i, ok := m.live[path]
	switch {
	case ok && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case ok:
		return i, nil
	case flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	}
	i = &inode{mode: perm, owner: m.mine()}
	m.change(dir, map[string]*inode{path: i})
	return i, nil
}

func (m *memFS) Rename(oldpath, newpath string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("rename", oldpath); err != nil {
		return err
	}
	i, ok := m.live[oldpath]
	if !ok {
		return fs.ErrNotExist
	}
	m.change(filepath.Dir(oldpath), map[string]*inode{oldpath: nil, newpath: i})
	return nil
}

func (m *memFS) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("remove", path); err != nil {
		return err
	}
	if _, ok := m.live[path]; !ok {
		return fs.ErrNotExist
	}
	m.change(filepath.Dir(path), map[string]*inode{path: nil})
	return nil
}

func (m *memFS) ReadDir(path string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("readdir", path); err != nil {
		return nil, err
	}
	if _, err := m.parent(path + "/x"); err != nil {
		return nil, err
	}
	return m.names(path), nil
}

func (m *memFS) names(dir string) []string {
	var names []string
	for path := range m.live {
		if filepath.Dir(path) == dir && path != "/" {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names
}

func (m *memFS) SyncDir(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("syncdir", path); err != nil {
		return err
	}
	m.pending = slices.DeleteFunc(m.pending, func(c change) bool {
		if c.dir == path {
			c.apply(m.disk)
		}
		return c.dir == path
	})
	return nil
}

func (m *memFS) TryLock(path string) (Lock, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("lock", path); err != nil {
		return nil, false, err
	}
	i, err := m.open(path, os.O_CREATE, fileMode)
	if err != nil || m.locked[i] {
		return nil, false, err
	}
	m.locked[i] = true
	return &memLock{fs: m, path: path, inode: i}, true, nil
}

type memLock struct {
	fs    *memFS
	path  string
	inode *inode
}

func (l *memLock) Held() bool {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	return l.fs.live[l.path] == l.inode
}

func (l *memLock) Stat() (fs.FileInfo, error) {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if err := l.fs.step("fstat", l.path); err != nil {
		return nil, err
	}
	return l.inode.info(l.path), nil
}

func (l *memLock) Unlock() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locked, l.inode)
	return nil
}

type memFile struct {
	fs    *memFS
	path  string
	inode *inode
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step("read", f.path); err != nil {
		return 0, err
	}
	if off >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt leaves half of the bytes when it fails, as a full disk does.
func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.step("write", f.path)
	n := len(b)
	if err != nil {
		n /= 2
	}
	written := b[:n]
	if f.fs.torn != nil {
		written = f.fs.torn(written)
	}
	if end := int(off) + len(written); end > len(f.inode.data) {
		f.inode.data = append(slices.Clone(f.inode.data), make([]byte, end-len(f.inode.data))...)
	}
	copy(f.inode.data[off:], written)
	return n, err
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step("sync", f.path); err != nil {
		return err
	}
	f.inode.synced = slices.Clone(f.inode.data)
	return nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fs.step("close", f.path)
}

func (f *memFile) Chmod(mode fs.FileMode) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step("chmod", f.path); err != nil {
		return err
	}
	f.inode.mode = mode
	return nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step("fstat", f.path); err != nil {
		return nil, err
	}
	return f.inode.info(f.path), nil
}

type memInfo struct {
	name  string
	mode  fs.FileMode
	size  int64
	owner Owner
}

func (i *inode) info(path string) memInfo {
	return memInfo{filepath.Base(path), i.mode, int64(len(i.data)), i.owner}
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return i.owner }
