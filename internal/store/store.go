package store

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600

	defaultMaxRecord = 1 << 20
	largestMaxRecord = 1 << 30
)

// Options say where and how a Store keeps its records.
type Options struct {
	// Dir is the state directory. It is made, with its parents, when missing.
	Dir string
	// LockTimeout bounds how long Open waits for another holder of the
	// directory to let go. 0 and less mean 5 s.
	LockTimeout time.Duration
	// MaxRecord bounds the length of a record, in bytes. 0 and less mean 1 MiB;
	// more than 1 GiB means 1 GiB.
	MaxRecord int64
	// Check says what is wrong with the content of a record, if anything is.
	// Save refuses such a content, and Load takes it for damaged, so that
	// nothing is written that cannot be used, and an older generation counts
	// where the newest cannot. It must not keep or change data. nil accepts
	// everything.
	Check func(name string, data []byte) error
	// Exposed is told of a directory that others may look into, when it was locked:
	// of one that has only files in it the permissions of others have been taken
	// away. It may be called on any goroutine. nil tells nobody.
	Exposed func(*ExposedError)
	// FS is the file system; nil means the real one.
	FS FS
}

func (o Options) withDefaults() Options {
	if o.LockTimeout <= 0 {
		o.LockTimeout = defaultLockTimeout
	}
	if o.MaxRecord <= 0 {
		o.MaxRecord = defaultMaxRecord
	}
	o.MaxRecord = min(o.MaxRecord, largestMaxRecord)
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Exposed == nil {
		o.Exposed = func(*ExposedError) {}
	}
	if o.Check == nil {
		o.Check = func(string, []byte) error { return nil }
	}
	return o
}

// Store keeps named records in a directory that it holds locked.
type Store struct {
	fs        FS
	dir       string // absolute
	nowhere   error  // why it is not, as given with a working directory that is gone; else nil
	maxRecord int64
	check     func(name string, data []byte) error
	exposed   func(*ExposedError)

	// own guards what follows. A call has it for as long as it takes to see that
	// the directory is there and ours.
	own    gate
	lock   Lock // nil: not taken yet; see Attach
	made   bool // the directory, by this Store; its entry may not be durable yet
	rooted bool // its entry is durable

	mu     sync.Mutex // guards what follows; nothing waits while it is held
	closed bool
	busy   []*turns
	calls  sync.WaitGroup // under way; none begins once closed is set
}

// turns are the calls on one record that are under way: its files are the business
// of the one that has the gate. There are some only while there are calls.
type turns struct {
	name  string
	gate  gate
	calls int
}

// gate is a lock. It is a channel, so that in a bubble of testing/synctest time
// goes on while somebody waits behind a disk that hangs.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) Lock() { g <- struct{}{} }

func (g gate) Unlock() { <-g }

// Open makes the directory when it is missing and locks it. It reads no
// record: an unreadable one is no reason not to start, and shows in Load.
//
// The error is a *LockedError when the directory stayed in use until
// LockTimeout or the end of ctx, and an *IOError when the directory cannot be
// made or locked, or ctx was done to begin with. The cause of an *IOError is a
// *DistrustError when the directory, a directory on the way to it or the lock
// file is not to be trusted.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, unusable, err := open(ctx, o)
	if err = errors.Join(err, unusable); err != nil {
		return nil, err
	}
	return s, nil
}

// Attach is Open for those who can do without the directory for now: where it
// cannot be made, locked or trusted, Load, Save and Delete say so, and try again
// each time. What remains an error is a directory that another process has
// locked, and a ctx that ended.
func Attach(ctx context.Context, o Options) (*Store, error) {
	s, _, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open returns a Store whose directory is locked, or unusable for now for the
// reason given.
func open(ctx context.Context, o Options) (s *Store, unusable, err error) {
	o = o.withDefaults()
	if o.Dir == "" {
		return nil, nil, &IOError{Op: "open", Err: errNoDir}
	}
	dir, nowhere := resolveDir(o.Dir)
	if err := ctx.Err(); err != nil {
		return nil, nil, &IOError{Op: "open", Path: dir, Err: err}
	}
	s = &Store{
		fs: o.FS, dir: dir, maxRecord: o.MaxRecord, check: o.Check, exposed: o.Exposed,
		nowhere: nowhere, own: newGate(),
	}
	if err := s.reach(); err != nil {
		return s, err, nil
	}
	s.lock, err = acquire(ctx, o.FS, dir, o.LockTimeout)
	var locked *LockedError
	if errors.As(err, &locked) {
		return nil, nil, err
	}
	if err == nil {
		s.narrow()
	}
	return s, err, nil
}

// reach makes sure that the directory can be trusted. One that is missing is
// made, unless it was there before.
func (s *Store) reach() error {
	if s.nowhere != nil {
		return s.nowhere
	}
	err := checkPath(s.fs, s.dir)
	if s.lock != nil || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made, failed := makeDir(s.fs, s.dir)
	s.made = s.made || made
	if failed != nil || err == nil {
		return failed
	}
	return checkPath(s.fs, s.dir)
}

// readable says whether records may be read: from a trusted directory that
// nobody else has locked. Where no lock can be made, as on a read-only medium,
// nobody writes.
func (s *Store) readable() error {
	s.own.Lock()
	defer s.own.Unlock()
	if err := s.reach(); err != nil || s.lock != nil {
		return err
	}
	err := s.ensureLock()
	var locked *LockedError
	var distrust *DistrustError
	if errors.As(err, &locked) || errors.As(err, &distrust) {
		return err
	}
	return nil
}

// resolveDir makes the directory independent of the working directory. Where that is
// gone, the directory is returned as it was given, with an *IOError.
func resolveDir(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return dir, &IOError{Op: "find the working directory of", Path: dir, Err: cause(err)}
	}
	return absolute, nil
}

// makeDir makes a directory, and its parents durably: a record is only as safe as
// the path to it. The directory's own entry becomes durable with the first record
// (root). It reports whether the directory was missing.
func makeDir(fsys FS, dir string) (made bool, err error) {
	err = requireDir(fsys, dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return false, err
	}
	if err := makeParent(fsys, parent); err != nil {
		return false, err
	}
	if err := fsys.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, &IOError{Op: "mkdir", Path: dir, Err: cause(err)}
	}
	return true, requireDir(fsys, dir)
}

func makeParent(fsys FS, dir string) error {
	made, err := makeDir(fsys, dir)
	if err != nil || !made {
		return err
	}
	if err := fsys.SyncDir(filepath.Dir(dir)); err != nil {
		return &IOError{Op: "mkdir", Path: dir, Err: cause(err)}
	}
	return nil
}

// root makes the directory's entry in its parent durable before the first record
// is written to it. bare says that the directory has no record of any name: an
// earlier process may have made it and ended without one. Where it was there
// before, its parent need not be ours to open: then whoever made it answers for it.
func (s *Store) root(bare bool) error {
	s.own.Lock()
	defer s.own.Unlock()
	if s.rooted || !bare {
		return nil
	}
	parent := filepath.Dir(s.dir)
	if err := s.fs.SyncDir(parent); err != nil && (s.made || !errors.Is(err, fs.ErrPermission)) {
		return &WriteError{Op: "sync-dir", Path: parent, Err: cause(err)}
	}
	s.rooted = true
	return nil
}

func requireDir(fsys FS, dir string) error {
	p, err := look(fsys, dir)
	if err != nil {
		return &IOError{Op: "stat", Path: dir, Err: cause(err)}
	}
	if !p.Mode.IsDir() {
		return &IOError{Op: "open", Path: dir, Err: errNotDir}
	}
	return nil
}

// look looks at what stands at a path, or where a link there leads. Mostly there is none,
// and Lstat spares the allocation of a Stat.
func look(fsys FS, path string) (Place, error) {
	p, err := fsys.Lstat(path)
	if err != nil || p.Mode.IsDir() || p.Mode.IsRegular() {
		return p, err
	}
	fi, err := fsys.Stat(path)
	if err != nil {
		return Place{}, err
	}
	return fsys.Place(fi), nil
}

// Close releases the directory, once the calls under way have ended. Every later
// call fails with ErrClosed; a second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	s.calls.Wait()
	if s.lock == nil {
		return nil
	}
	if err := s.lock.Unlock(); err != nil {
		return &IOError{Op: "unlock", Path: s.path(lockFile), Err: cause(err)}
	}
	return nil
}

// enter begins a call on the named record, which has it to itself until leave is
// called. Calls on other records go on meanwhile.
func (s *Store) enter(name string) (leave func(), err error) {
	t, err := s.queue(name)
	if err != nil {
		return nil, err
	}
	t.gate.Lock()
	return func() { t.gate.Unlock(); s.left(t) }, nil
}

// count counts a call as under way that is on no record of its own. Whoever makes
// it says when it has ended.
func (s *Store) count() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// queue counts a call on the named record as under way.
func (s *Store) queue(name string) (*turns, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(name); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(s.busy, func(t *turns) bool { return t.name == name })
	if at < 0 {
		at = len(s.busy)
		s.busy = append(s.busy, &turns{name: name, gate: newGate()})
	}
	s.busy[at].calls++
	s.calls.Add(1)
	return s.busy[at], nil
}

// left counts a call as ended.
func (s *Store) left(t *turns) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.calls--; t.calls == 0 {
		s.busy = slices.DeleteFunc(s.busy, func(other *turns) bool { return other == t })
	}
	if len(s.busy) == 0 {
		s.busy = nil
	}
	s.calls.Done()
}

func (s *Store) path(file string) string { return filepath.Join(s.dir, file) }

// usable says whether a call on the named record may go ahead.
func (s *Store) usable(name string) error {
	switch {
	case s.closed:
		return ErrClosed
	case !validName(name):
		return ErrInvalidName
	}
	return nil
}

func (s *Store) list(name string) (listing, error) {
	files, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return listing{}, cause(err)
	}
	return newListing(name, files), nil
}
