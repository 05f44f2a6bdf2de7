package lwm2mtest

import (
	"context"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/holdfast-iot/holdfast/internal/option"
	"github.com/holdfast-iot/holdfast/internal/store"
)

// Option adjusts a client or a runtime for a test: it is a holdfast.Option.
type Option = option.Option

// Transport is where a client's names and datagrams go: the operating system,
// or what [WithTransport] puts in its place. A [Host] is a Transport.
type Transport interface {
	// Lookup returns all A and AAAA addresses of a host, in the order in which
	// they are tried. Errors should be *net.DNSError.
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial returns a connected datagram socket: each Read and Write is one
	// datagram, and errno values, such as ECONNREFUSED for a refused port, are
	// reached by errors.Is. It does not wait for the peer. A socket that is
	// neither a syscall.Conn nor has a method WriteNow, which is a Write that
	// never waits, is written to on a goroutine of its own.
	Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
}

// WithTransport replaces the operating system's network. The client then also
// takes the clock for a simulated one, which no suspended machine stops.
// A [Host], and a transport that embeds one, also tells the client when its addresses change.
func WithTransport(t Transport) Option {
	return func(s *option.Settings) {
		s.Transport, s.Links = t, nil
		if w, is := t.(watched); is {
			s.Links = w.watch
		}
	}
}

// WithDialTCP replaces how connections to web servers that have firmware images are opened.
// Names are those of [WithTransport], and certificates are still judged.
func WithDialTCP(dial func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)) Option {
	return func(s *option.Settings) { s.DialTCP = dial }
}

// WithRand replaces the source of the first delay of the policy and of resend
// factors by a function that returns numbers in [0, 1), so that a test can
// assert exact instants. It is called from many goroutines. Message IDs and
// tokens stay unpredictable.
func WithRand(float64 func() float64) Option {
	return func(s *option.Settings) { s.Rand = float64 }
}

// DiskOperation is an operation of the store on its directory or a file in it.
type DiskOperation string

// The operations that a [DiskFault] is asked about.
const (
	DiskOpen   DiskOperation = "open"   // of a file, for reading
	DiskCreate DiskOperation = "create" // of a file, or opening it for writing
	DiskRead   DiskOperation = "read"
	DiskWrite  DiskOperation = "write"
	DiskSync   DiskOperation = "sync" // of a file, or of the directory
	DiskRename DiskOperation = "rename"
	DiskRemove DiskOperation = "remove"
	DiskList   DiskOperation = "list" // of the directory
	DiskLock   DiskOperation = "lock"
)

// DiskFault says what becomes of an operation: nil lets it happen, and the
// store takes any other error, such as syscall.ENOSPC, for the disk's. It is
// called from many goroutines, and may block, as a disk that hangs does. The
// path is that of the file or the directory concerned.
type DiskFault func(operation DiskOperation, path string) error

// WithStoreFaults asks fault about every operation on the state directories of
// the clients that the option is for.
func WithStoreFaults(fault DiskFault) Option {
	return func(s *option.Settings) { s.StoreFS = &disk{FS: store.OS(), fault: fault} }
}

// disk is the real file system with faults.
type disk struct {
	store.FS
	fault DiskFault
}

func (d *disk) failure(operation DiskOperation, path string) error {
	if err := d.fault(operation, path); err != nil {
		return &fs.PathError{Op: string(operation), Path: path, Err: err}
	}
	return nil
}

// OpenFile implements store.FS.
func (d *disk) OpenFile(path string, flag int, perm fs.FileMode) (store.File, error) {
	operation := DiskOpen
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE) != 0 {
		operation = DiskCreate
	}
	if err := d.failure(operation, path); err != nil {
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
	if err := d.failure(DiskRename, newpath); err != nil {
		return err
	}
	return d.FS.Rename(oldpath, newpath)
}

// Remove implements store.FS.
func (d *disk) Remove(path string) error {
	if err := d.failure(DiskRemove, path); err != nil {
		return err
	}
	return d.FS.Remove(path)
}

// ReadDir implements store.FS.
func (d *disk) ReadDir(path string) ([]string, error) {
	if err := d.failure(DiskList, path); err != nil {
		return nil, err
	}
	return d.FS.ReadDir(path)
}

// SyncDir implements store.FS.
func (d *disk) SyncDir(path string) error {
	if err := d.failure(DiskSync, path); err != nil {
		return err
	}
	return d.FS.SyncDir(path)
}

// TryLock implements store.FS.
func (d *disk) TryLock(path string) (store.Lock, bool, error) {
	if err := d.failure(DiskLock, path); err != nil {
		return nil, false, err
	}
	return d.FS.TryLock(path)
}

// diskFile is an open file on the disk.
type diskFile struct {
	store.File
	disk *disk
	path string
}

// ReadAt implements store.File.
func (f *diskFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.disk.failure(DiskRead, f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

// WriteAt implements store.File.
func (f *diskFile) WriteAt(p []byte, offset int64) (int, error) {
	if err := f.disk.failure(DiskWrite, f.path); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, offset)
}

// Sync implements store.File.
func (f *diskFile) Sync() error {
	if err := f.disk.failure(DiskSync, f.path); err != nil {
		return err
	}
	return f.File.Sync()
}
