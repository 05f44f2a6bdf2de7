package imagefile

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// errCrashed is what every operation says once the process or the machine has ended.
var errCrashed = errors.New("memfs: crashed")

// memFS is a file system that keeps what a process sees apart from what is on the medium: a
// file's content reaches that by Sync, a folder's names by SyncDir. Tests here use it from
// one goroutine.
type memFS struct {
	live, disk map[string]*inode // by path
	pending    []change          // of live, not in disk yet
	boot       string
	room       int64

	steps   int                         // operations so far
	crashAt int                         // the operation that does not take place any more; 0 is none
	fault   func(op, path string) error // asked before every operation
	held    map[*inode]bool
}

type change struct {
	dir string
	set map[string]*inode // nil removes the name
}

func (c change) apply(names map[string]*inode) {
	for path, i := range c.set {
		if i == nil {
			delete(names, path)
		} else {
			names[path] = i
		}
	}
}

type inode struct {
	mode         fs.FileMode
	data, synced []byte
}

const memDir = "/fw"

func newMemFS() *memFS {
	names := map[string]*inode{"/": {mode: fs.ModeDir | 0o755}, memDir: {mode: fs.ModeDir | 0o700}}
	return &memFS{live: names, disk: maps.Clone(names), boot: "boot 1", room: math.MaxInt64, held: map[*inode]bool{}}
}

// killed returns the file system as the next process finds it.
func (m *memFS) killed() *memFS {
	return &memFS{live: m.live, disk: m.disk, pending: m.pending, boot: m.boot, room: m.room, held: map[*inode]bool{}}
}

// unpowered returns the file system as it is found after a loss of power: of what was not
// durable everything, nothing or some of it may be there.
func (m *memFS) unpowered(r *rand.Rand) *memFS {
	names := maps.Clone(m.disk)
	for _, c := range m.pending {
		if r.IntN(2) == 0 {
			c.apply(names)
		}
	}
	after := newMemFS()
	after.boot = m.boot + "'"
	for path, i := range names {
		data := m.found(r, i)
		after.live[path] = &inode{mode: i.mode, data: data, synced: slices.Clone(data)}
	}
	after.disk = maps.Clone(after.live)
	return after
}

// found is what a loss of power leaves in a file.
func (m *memFS) found(r *rand.Rand, i *inode) []byte {
	shared := 0 // what was synced stays, as it is not written again
	for shared < len(i.synced) && shared < len(i.data) && i.synced[shared] == i.data[shared] {
		shared++
	}
	switch r.IntN(4) {
	case 0:
		return slices.Clone(i.synced)
	case 1:
		return slices.Clone(i.data)
	case 2:
		return slices.Clone(i.data[:shared+r.IntN(len(i.data)-shared+1)])
	}
	return append(slices.Clone(i.data[:shared]), make([]byte, len(i.data)-shared)...) // allocated, never written
}

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

// at counts an operation and finds what is at a path.
func (m *memFS) at(op, path string) (*inode, error) {
	if err := m.step(op, path); err != nil {
		return nil, err
	}
	i, ok := m.live[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return i, nil
}

func (m *memFS) Stat(path string) (fs.FileInfo, error) {
	i, err := m.at("stat", path)
	if err != nil {
		return nil, err
	}
	return memInfo{path, i}, nil
}

func (m *memFS) Lstat(path string) (store.Place, error) {
	i, err := m.at("lstat", path)
	if err != nil {
		return store.Place{}, err
	}
	return m.Place(memInfo{path, i}), nil
}

func (m *memFS) Readlink(string) (string, error) { return "", fs.ErrInvalid }

func (m *memFS) Place(fi fs.FileInfo) store.Place { return store.Place{Mode: fi.Mode(), Owned: true} }

func (m *memFS) User() int { return 0 }

func (m *memFS) Chmod(path string, perm fs.FileMode) error {
	i, err := m.at("chmod", path)
	if err == nil {
		i.mode = i.mode.Type() | perm
	}
	return err
}

func (m *memFS) Mkdir(path string, perm fs.FileMode) error {
	if err := m.step("mkdir", path); err != nil {
		return err
	}
	m.change(filepath.Dir(path), map[string]*inode{path: {mode: fs.ModeDir | perm}})
	return nil
}

func (m *memFS) OpenFile(path string, flag int, perm fs.FileMode) (store.File, error) {
	i, err := m.at("open", path)
	switch {
	case err == nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 && m.live[filepath.Dir(path)] != nil:
		i = &inode{mode: perm}
		m.change(filepath.Dir(path), map[string]*inode{path: i})
	case err != nil:
		return nil, err
	}
	return &memFile{m, path, i}, nil
}

func (m *memFS) Rename(oldpath, newpath string) error {
	i, err := m.at("rename", oldpath)
	if err == nil {
		m.change(filepath.Dir(oldpath), map[string]*inode{oldpath: nil, newpath: i})
	}
	return err
}

func (m *memFS) Remove(path string) error {
	_, err := m.at("remove", path)
	if err == nil {
		m.change(filepath.Dir(path), map[string]*inode{path: nil})
	}
	return err
}

func (m *memFS) ReadDir(path string) (names []string, err error) {
	if _, err := m.at("readdir", path); err != nil {
		return nil, err
	}
	for name := range m.live {
		if filepath.Dir(name) == path && name != "/" {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

func (m *memFS) SyncDir(path string) error {
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

func (m *memFS) Truncate(path string, size int64) error {
	i, err := m.at("truncate", path)
	if err == nil {
		i.data = slices.Clone(i.data[:size])
	}
	return err
}

func (m *memFS) Free(dir string) (int64, bool, error) {
	if _, err := m.at("free", dir); err != nil {
		return 0, false, err
	}
	return m.room, true, nil
}

func (m *memFS) BootID() string { return m.boot }

func (m *memFS) TryLock(path string) (store.Lock, bool, error) {
	f, err := m.OpenFile(path, os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	lock := &memLock{f.(*memFile)}
	if m.held[lock.inode] {
		return nil, false, nil
	}
	m.held[lock.inode] = true
	return lock, true, nil
}

type memLock struct{ *memFile }

func (l *memLock) Held() bool    { return l.fs.live[l.path] == l.inode && l.fs.held[l.inode] }
func (l *memLock) Unlock() error { delete(l.fs.held, l.inode); return nil }

type memFile struct {
	fs    *memFS
	path  string
	inode *inode
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
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
	err := f.fs.step("write", f.path)
	if err != nil {
		b = b[:len(b)/2]
	}
	if grown := off + int64(len(b)) - int64(len(f.inode.data)); grown > 0 {
		f.inode.data = append(f.inode.data, make([]byte, grown)...)
	}
	return copy(f.inode.data[off:], b), err
}

func (f *memFile) Sync() error {
	if err := f.fs.step("sync", f.path); err != nil {
		return err
	}
	f.inode.synced = slices.Clone(f.inode.data)
	return nil
}

func (f *memFile) Close() error { return f.fs.step("close", f.path) }

func (f *memFile) Chmod(mode fs.FileMode) error {
	if err := f.fs.step("chmod", f.path); err != nil {
		return err
	}
	f.inode.mode = mode
	return nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	if err := f.fs.step("fstat", f.path); err != nil {
		return nil, err
	}
	return memInfo{f.path, f.inode}, nil
}

type memInfo struct {
	path  string
	inode *inode
}

func (i memInfo) Name() string       { return filepath.Base(i.path) }
func (i memInfo) Size() int64        { return int64(len(i.inode.data)) }
func (i memInfo) Mode() fs.FileMode  { return i.inode.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.inode.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }

// everyMem is how many bytes lie between the checkpoints of images in a memFS: tests that
// take thousands of crashes want them small.
const everyMem = 1000

// attachMem attaches to the folder of a memFS.
func attachMem(t *testing.T, m *memFS) *Folder {
	t.Helper()
	f, err := Attach(t.Context(), Options{Dir: memDir, FS: m})
	if err != nil {
		t.Fatal(err)
	}
	f.every = everyMem
	return f
}
