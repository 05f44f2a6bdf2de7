package property_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// diskOp is a set of the operations on files that a fault concerns.
type diskOp uint8

const (
	opCreate diskOp = 1 << iota // opening for writing
	opWrite
	opTear // half of the bytes are written, and success is reported
	opSync // of a file
	opRename
	opOpen // opening for reading
	opList
	opSyncDir // of the directory, after a rename

	opChange = opCreate | opWrite | opSync | opSyncDir | opRename
	opRead   = opOpen | opList
)

// diskFault is a fault of the disk while it is in force.
type diskFault struct {
	ops    diskOp
	errno  syscall.Errno
	record string // the files concerned begin with it; empty for all files, and the directory
}

// What a schedule chooses from.
var (
	diskOps    = []diskOp{opCreate, opWrite, opTear, opSync, opSyncDir, opRename, opOpen, opList, opChange, opRead, opChange | opRead}
	diskErrnos = []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EACCES, syscall.EMFILE}
)

// diskFaultOf translates a fault of a schedule. A record of its own fails like
// a bad sector; otherwise the whole disk does.
func diskFaultOf(f fault) *diskFault {
	made := &diskFault{ops: diskOps[f.N%len(diskOps)], errno: diskErrnos[f.N/len(diskOps)%len(diskErrnos)]}
	switch f.Where {
	case 3:
		made.record = messages.RecordCredentials
	case 4:
		made.record = messages.RecordFactory
	}
	return made
}

// disk is the real file system with faults.
type disk struct {
	store.FS
	mu     sync.Mutex
	faults []*diskFault
	failed time.Time // when an operation failed last
	count  int       // how many have
}

// spoil puts a fault in force.
func (d *disk) spoil(f *diskFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, f)
}

// mend takes a fault away again.
func (d *disk) mend(f *diskFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = slices.DeleteFunc(d.faults, func(other *diskFault) bool { return other == f })
}

// failedNow reports whether an operation has failed at this instant.
func (d *disk) failedNow() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed.Equal(time.Now())
}

// failure returns what an operation fails with; nil means that it succeeds.
func (d *disk) failure(op diskOp, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.faults {
		if f.ops&op != 0 && strings.HasPrefix(filepath.Base(path), f.record) {
			d.failed = time.Now()
			d.count++
			return &fs.PathError{Op: "faulty", Path: path, Err: f.errno}
		}
	}
	return nil
}

// OpenFile implements store.FS.
func (d *disk) OpenFile(path string, flag int, perm fs.FileMode) (store.File, error) {
	op := opOpen
	if flag&os.O_WRONLY != 0 {
		op = opCreate
	}
	if err := d.failure(op, path); err != nil {
		return nil, err
	}
	f, err := d.FS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, path: path}, nil
}

// Rename implements store.FS.
func (d *disk) Rename(oldpath, newpath string) error {
	if err := d.failure(opRename, newpath); err != nil {
		return err
	}
	return d.FS.Rename(oldpath, newpath)
}

// ReadDir implements store.FS.
func (d *disk) ReadDir(path string) ([]string, error) {
	if err := d.failure(opList, path); err != nil {
		return nil, err
	}
	return d.FS.ReadDir(path)
}

// SyncDir implements store.FS. It spares the machine the wait: no power loss
// is simulated here.
func (d *disk) SyncDir(path string) error { return d.failure(opSyncDir, path) }

// diskFile is an open file on the disk.
type diskFile struct {
	store.File
	disk *disk
	path string
}

// WriteAt writes half of the bytes where it fails.
func (f *diskFile) WriteAt(b []byte, offset int64) (int, error) {
	if err := f.disk.failure(opWrite, f.path); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], offset)
		return n, err
	}
	if f.disk.failure(opTear, f.path) != nil {
		_, err := f.File.WriteAt(b[:len(b)/2], offset)
		return len(b), err
	}
	return f.File.WriteAt(b, offset)
}

// Sync spares the machine the wait: no power loss is simulated here.
func (f *diskFile) Sync() error { return f.disk.failure(opSync, f.path) }

// provision writes the account into the state directory instead of the
// configuration, so that the store is all the client has.
func (l *lab) provision() {
	if err := holdfast.Provision(context.Background(), l.config); err != nil {
		l.T.Fatal(err)
	}
	l.config.Bootstrap = nil
}

// breakDisk returns the parts of a fault of the disk that begins while the
// client runs.
func (l *lab) breakDisk(f fault) (begin, end func()) {
	made := diskFaultOf(f)
	return func() { l.disk.spoil(made) }, func() { l.disk.mend(made) }
}

// breakStart makes the client start on a disk that fails.
func (l *lab) breakStart(f fault) (begin, end func()) {
	spoil, mend := l.breakDisk(f)
	return func() { l.shut(); spoil(); l.open() }, mend
}

// breakFinish makes the client bootstrap on a disk that fails, so that it
// shows when the server has finished.
func (l *lab) breakFinish(f fault) (begin, end func()) {
	spoil, mend := l.breakDisk(f)
	return func() { spoil(); l.callBootstrap() }, mend
}

func (l *lab) callBootstrap() {
	if l.client == nil {
		return
	}
	l.life().note(entryBootstrap, boot, "")
	if err := l.client.Bootstrap(context.Background()); err != nil && !errors.Is(err, holdfast.ErrNotAllowed) {
		l.out.failf("Bootstrap: %v", err)
	}
}

// damage flips a byte of the newest generation of the credentials, unless that
// one is damaged already, while the client is down.
func (l *lab) damage(f fault) {
	l.shut()
	files, err := filepath.Glob(filepath.Join(l.config.StateDir, messages.RecordCredentials+".*.rec"))
	if err != nil || len(files) == 0 {
		return // nothing has been delivered yet
	}
	newest := slices.Max(files) // the numbers have a fixed width
	data, err := os.ReadFile(newest)
	if err == nil && !l.isDamaged(data) {
		data[f.N%len(data)] ^= 1 << (f.Where%7 + 1)
		l.damaged = append(l.damaged, data)
		err = os.WriteFile(newest, data, 0o600)
	}
	if err != nil {
		l.out.failf("damage: %v", err)
	}
}

func (l *lab) isDamaged(data []byte) bool {
	return slices.ContainsFunc(l.damaged, func(d []byte) bool { return bytes.Equal(d, data) })
}

// hasIntact reports whether a generation of the credentials is undamaged.
func (l *lab) hasIntact() bool {
	files, _ := filepath.Glob(filepath.Join(l.config.StateDir, messages.RecordCredentials+".*.rec")) // the pattern is sound
	return slices.ContainsFunc(files, func(file string) bool {
		data, err := os.ReadFile(file)
		return err == nil && !l.isDamaged(data)
	})
}

// inspect demands that what was damaged is still there: of many damaged files
// the store keeps the first and the latest.
func (l *lab) inspect() {
	if n := len(l.damaged); n > 0 {
		for _, data := range [][]byte{l.damaged[0], l.damaged[n-1]} {
			if !systemtest.Evidence(l.T, l.config.StateDir, string(data)) {
				l.out.failf("a damaged record is gone")
			}
		}
	}
}
