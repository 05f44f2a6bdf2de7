package store

import (
	"bytes"
	"os"
)

// Save stores data as the next generation of the named record and returns its
// number. When it returns nil the record is on the medium. Then it removes the
// generations before the former one, and sets damaged files aside; trouble
// with that is left for the next Save. It does not sync that either: a power
// loss may bring an old file back, until the next Save, and does no harm.
//
// The error is a *WriteError. The former generation then still is the current
// one (see the package comment), and the next Save starts from scratch.
func (s *Store) Save(name string, data []byte) (generation uint64, err error) {
	leave, err := s.enter(name)
	if err == nil {
		defer leave()
		err = s.checkSave(name, data)
	}
	if err != nil {
		return 0, &WriteError{Op: "check", Path: s.dir, Err: err}
	}
	l, err := s.begin(name)
	if err != nil {
		return 0, err
	}
	if err := s.root(l.bare); err != nil {
		return 0, err
	}
	if l.last >= generationMax {
		return 0, &WriteError{Op: "check", Path: s.dir, Err: errGenerations}
	}
	generation = l.last + 1
	if err := s.write(name, generation, data); err != nil {
		return 0, err
	}
	s.tidy(name, l)
	return generation, nil
}

func (s *Store) checkSave(name string, data []byte) error {
	if int64(len(data)) > s.maxRecord {
		return ErrTooLarge
	}
	return s.check(name, data)
}

// begin makes sure that the directory is there and ours, and clears away what
// an interrupted Save left.
func (s *Store) begin(name string) (listing, error) {
	files, err := s.prepare()
	if err != nil {
		return listing{}, err
	}
	l := newListing(name, files)
	for _, e := range l.temps {
		_ = s.fs.Remove(s.path(e.file)) // what stays is skipped: its number is counted in l.last
	}
	return l, nil
}

// prepare makes the directory ready for a change and lists it.
func (s *Store) prepare() ([]string, error) {
	s.own.Lock()
	defer s.own.Unlock()
	unreached := s.lock == nil
	if err := s.reach(); err != nil {
		return nil, &WriteError{Op: "check", Path: s.dir, Err: err, Unreached: unreached}
	}
	if err := s.ensureLock(); err != nil {
		return nil, err
	}
	files, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, &WriteError{Op: "list", Path: s.dir, Err: cause(err)}
	}
	return files, nil
}

// ensureLock takes the lock anew when the directory, or the lock file in it,
// is not the one that was locked: somebody else may have locked the new one.
// Attach may have left without a lock.
func (s *Store) ensureLock() error {
	if s.lock != nil && s.lock.Held() {
		return nil
	}
	path := s.path(lockFile)
	lock, taken, err := takeLock(s.fs, path)
	if err == nil && !taken {
		err = lockedError(s.fs, s.dir, nil)
	}
	if err != nil {
		return &WriteError{Op: "lock", Path: path, Err: cause(err), Unreached: s.lock == nil}
	}
	if s.lock != nil {
		_ = s.lock.Unlock()
	}
	s.lock = lock
	writeOwner(s.fs, path)
	s.narrow()
	return nil
}

// write puts a generation in place, or leaves no trace of it.
func (s *Store) write(name string, generation uint64, data []byte) error {
	temp := s.path(newEntry(name, generation, extTemp).file)
	final := s.path(newEntry(name, generation, extRecord).file)
	err := s.stage(temp, encode(name, generation, data))
	if err == nil {
		err = s.publish(temp, final)
	}
	if err != nil {
		s.undo(temp, final)
	}
	return err
}

// stage writes a temporary file, makes it durable and reads it back.
func (s *Store) stage(path string, raw []byte) error {
	f, err := s.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return &WriteError{Op: "create", Path: path, Err: cause(err)}
	}
	if op, err := fill(f, raw); err != nil {
		return &WriteError{Op: op, Path: path, Err: cause(err)}
	}
	back, err := s.readFile(path)
	if err == nil && !bytes.Equal(back, raw) {
		err = errReadBack
	}
	if err != nil {
		return &WriteError{Op: "verify", Path: path, Err: err}
	}
	return nil
}

// fill writes, syncs and closes f; op names the step that failed.
func fill(f File, raw []byte) (op string, err error) {
	if _, err = f.WriteAt(raw, 0); err != nil {
		_ = f.Close()
		return "write", err
	}
	if err = f.Sync(); err != nil {
		_ = f.Close()
		return "sync", err
	}
	return "close", f.Close()
}

// publish gives a staged file its final name, durably. The number is new, so
// nothing is overwritten.
func (s *Store) publish(temp, final string) error {
	if err := s.fs.Rename(temp, final); err != nil {
		return &WriteError{Op: "rename", Path: final, Err: cause(err)}
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return &WriteError{Op: "sync-dir", Path: s.dir, Err: cause(err)}
	}
	return nil
}

// undo removes both names of a generation that is not to be. A rename may have
// happened though it reported an error. The sync keeps a power loss from
// bringing the file back.
func (s *Store) undo(temp, final string) {
	_ = s.fs.Remove(temp)
	_ = s.fs.Remove(final)
	_ = s.fs.SyncDir(s.dir)
}
