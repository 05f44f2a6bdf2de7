package store

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// scanMax bounds how many generations of a record one call reads. A store that
// nobody tampered with has at most three.
const scanMax = 64

// Record is one generation of what was saved under a name.
type Record struct {
	Data       []byte // the caller's own copy
	Generation uint64 // from 1; higher is newer
	// FellBack is true when newer generations exist that are damaged or could
	// not be read. Cause says what is wrong with the newest of them.
	FellBack bool
	Damaged  []string // the file names of those generations, newest first
	Cause    error    // nil unless FellBack
}

// Load returns the newest intact generation of the named record.
//
// When nothing is stored under the name the error is ErrNotExist. When
// something is but no generation of it can be used, or the directory cannot be
// read, it is a *ReadError. Load deletes and renames nothing; it takes
// permissions beyond 0600 away from the files it reads, where it can.
func (s *Store) Load(name string) (Record, error) {
	leave, err := s.enter(name)
	if err == nil {
		defer leave()
		err = s.readable()
	}
	if err != nil {
		return Record{}, &ReadError{Name: name, Path: s.dir, Err: err}
	}
	l, err := s.list(name)
	if err != nil {
		return Record{}, &ReadError{Name: name, Path: s.dir, Err: err}
	}
	if len(l.records) == 0 {
		return Record{}, fmt.Errorf("%w: %s", ErrNotExist, name)
	}
	return s.newest(name, l.records)
}

// Names returns the names of the records that begin with prefix, sorted: of those
// that have a file that Load would look at. At most scanMax are returned. The error
// is a *ReadError when the directory cannot be read, or ErrClosed.
func (s *Store) Names(prefix string) ([]string, error) {
	if err := s.count(); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	if err := s.readable(); err != nil {
		return nil, &ReadError{Name: prefix, Path: s.dir, Err: err}
	}
	files, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, &ReadError{Name: prefix, Path: s.dir, Err: cause(err)}
	}
	var names []string
	for _, file := range files {
		if name, _, _ := strings.Cut(file, "."); strings.HasPrefix(name, prefix) && isRecord(file) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), scanMax)], nil
}

// newest returns the first intact record of entries, which are newest first
// and not empty.
func (s *Store) newest(name string, entries []entry) (Record, error) {
	failed := &ReadError{Name: name, Path: s.path(entries[0].file), Corrupt: true}
	for _, e := range entries[:min(len(entries), scanMax)] {
		data, err := s.read(name, e)
		if err == nil {
			return Record{
				Data: data, Generation: e.generation,
				FellBack: failed.Err != nil, Damaged: failed.Damaged, Cause: failed.Err,
			}, nil
		}
		failed.add(e, data, err)
	}
	return Record{}, failed
}

// add notes one more unusable generation; the first one is the cause. data is
// its content where that is intact.
func (e *ReadError) add(bad entry, data []byte, err error) {
	if e.Refused == nil {
		e.Refused = data
	}
	e.Damaged = append(e.Damaged, bad.file)
	e.Corrupt = e.Corrupt && isDamage(err)
	if e.Err == nil {
		e.Err = err
	}
}

// read returns the payload of one record file. The error is a Damage, or what
// the file system said. A payload that Options.Check refuses is returned beside
// the error.
func (s *Store) read(name string, e entry) ([]byte, error) {
	raw, err := s.readFile(s.path(e.file))
	if err != nil {
		return nil, err
	}
	h, payload, err := decode(raw)
	switch {
	case err != nil:
		return nil, err
	case h.name != name || h.generation != e.generation:
		return nil, DamageIdentity
	case int64(len(payload)) > s.maxRecord:
		return nil, DamageTooLarge
	}
	if err := s.check(name, payload); err != nil {
		return payload, &contentError{err}
	}
	return payload, nil
}

// readFile reads a whole file, once it has seen what kind of file that is.
func (s *Store) readFile(path string) ([]byte, error) {
	f, err := s.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, cause(err)
	}
	if err := s.inspect(path, fi); err != nil {
		return nil, err
	}
	if fi.Mode().Perm()&^fileMode != 0 {
		_ = f.Chmod(fileMode) // fails on a read-only medium, which is no reason not to read it
	}
	return readAll(f, fi.Size())
}

// inspect refuses a file by its metadata.
func (s *Store) inspect(path string, fi fs.FileInfo) error {
	switch {
	case !fi.Mode().IsRegular():
		return DamageNotRegular
	case fi.Size() > s.maxRecord+overheadMax:
		return DamageTooLarge
	}
	return checkTrust(s.fs, path, s.fs.Place(fi), false)
}

// readAll reads the size bytes of f. A file that is shorter by now is cut
// short, and decode will say so.
func readAll(f File, size int64) ([]byte, error) {
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, cause(err)
	}
	return b[:n], nil
}
