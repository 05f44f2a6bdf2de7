package store

import "slices"

// damagedMax bounds how many damaged files of a record are kept.
const damagedMax = 4

// tidy follows a successful Save; l is what was there before it. The newest
// intact generation of l stays as the one to fall back to.
func (s *Store) tidy(name string, l listing) {
	spare := false
	for _, e := range l.records[:min(len(l.records), scanMax)] {
		_, err := s.read(name, e)
		switch {
		case err == nil && !spare:
			spare = true
		case err == nil:
			_ = s.fs.Remove(s.path(e.file))
		case isDamage(err):
			_ = s.setAside(name, &l, e)
		}
	}
	s.trimDamaged(&l)
}

// setAside renames an unusable record file, so that it is kept but no longer
// seen. It never takes the name of another such file.
func (s *Store) setAside(name string, l *listing, e entry) error {
	aside := newEntry(name, e.generation, extDamaged)
	if slices.Contains(l.damaged, aside) {
		l.last++
		aside = newEntry(name, l.last, extDamaged)
	}
	if err := s.fs.Rename(s.path(e.file), s.path(aside.file)); err != nil {
		return &WriteError{Op: "rename", Path: s.path(e.file), Err: cause(err)}
	}
	l.damaged = append(l.damaged, aside)
	return nil
}

// trimDamaged keeps the first of the files set aside and the latest others.
func (s *Store) trimDamaged(l *listing) {
	slices.SortFunc(l.damaged, compareGeneration)
	for len(l.damaged) > damagedMax {
		_ = s.fs.Remove(s.path(l.damaged[1].file))
		l.damaged = slices.Delete(l.damaged, 1, 2)
	}
}

// Delete removes every generation of the named record, after which Load says
// ErrNotExist. Files that are damaged or cannot be read are set aside, not
// removed. To delete what does not exist is no error.
//
// A crash in between leaves the newest intact generation or none, never only
// an older one. The error is a *WriteError; Delete may be repeated then.
func (s *Store) Delete(name string) error {
	leave, err := s.enter(name)
	if err != nil {
		return &WriteError{Op: "check", Path: s.dir, Err: err}
	}
	defer leave()
	if err := s.remove(name); err != nil {
		return err
	}
	return s.syncDir()
}

// Drop is Delete for a record that may as well come back: it does not wait for the
// medium, where it need not. Until the next Save or Delete of any record a power
// loss may bring the newest intact generation back, never only an older one. The
// error is a *WriteError; Drop may be repeated then.
func (s *Store) Drop(name string) error {
	leave, err := s.enter(name)
	if err != nil {
		return &WriteError{Op: "check", Path: s.dir, Err: err}
	}
	defer leave()
	return s.remove(name)
}

// remove removes the intact generations of a record, the newest one not durably,
// and sets the others aside.
func (s *Store) remove(name string) error {
	l, err := s.begin(name)
	if err != nil {
		return err
	}
	intact, err := s.setAsideUnusable(name, &l)
	if err != nil {
		return err
	}
	s.trimDamaged(&l)
	return s.removeRecords(intact)
}

// SetAside keeps every generation of the named record from being read again, the
// intact ones too, without destroying them: afterwards Load says ErrNotExist. At
// most four files are kept for a name, as with damaged ones. The error is a
// *WriteError; SetAside may be repeated then.
func (s *Store) SetAside(name string) error {
	leave, err := s.enter(name)
	if err != nil {
		return &WriteError{Op: "check", Path: s.dir, Err: err}
	}
	defer leave()
	l, err := s.begin(name)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(l.records) { // the newest goes last: no crash makes an older one current
		if err := s.setAside(name, &l, e); err != nil {
			return err
		}
	}
	s.trimDamaged(&l)
	return s.syncDir()
}

// setAsideUnusable returns the intact records of l, newest first, once all
// others are out of the way.
func (s *Store) setAsideUnusable(name string, l *listing) ([]entry, error) {
	var intact []entry
	for _, e := range l.records {
		if _, err := s.read(name, e); err == nil {
			intact = append(intact, e)
		} else if err := s.setAside(name, l, e); err != nil {
			return nil, err
		}
	}
	return intact, nil
}

// removeRecords removes entries, which are newest first. The newest goes last,
// and only when the others are gone for good: no crash makes an older one
// current. Before the first generation there is no other, not even one whose
// removal is not durable yet.
func (s *Store) removeRecords(entries []entry) error {
	for i, e := range slices.Backward(entries) {
		if i == 0 && e.generation > 1 {
			if err := s.syncDir(); err != nil {
				return err
			}
		}
		if err := s.fs.Remove(s.path(e.file)); err != nil {
			return &WriteError{Op: "remove", Path: s.path(e.file), Err: cause(err)}
		}
	}
	return nil
}

func (s *Store) syncDir() error {
	if err := s.fs.SyncDir(s.dir); err != nil {
		return &WriteError{Op: "sync-dir", Path: s.dir, Err: cause(err)}
	}
	return nil
}
