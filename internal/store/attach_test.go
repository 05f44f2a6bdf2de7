package store

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
)

func attach(t *testing.T, m *memFS) *Store {
	t.Helper()
	s, err := Attach(context.Background(), Options{Dir: memDir, FS: m})
	if err != nil {
		t.Fatalf("Attach: %v", err)
	}
	return s
}

// A directory that is not to be trusted, or cannot be made or locked, is used
// as soon as it can be, and its lock is taken then.
func TestAttachWaitsForAGoodDirectory(t *testing.T) {
	for name, test := range map[string]struct {
		break_, mend func(m *memFS)
		want         error
	}{
		"not trusted": {stolen(memDir), func(m *memFS) { m.live[memDir].owner.UID = somebody }, DamageOwner},
		"lock not trusted": {
			func(m *memFS) { m.live[memPath(lockFile)].mode = 0o666 },
			func(m *memFS) { m.live[memPath(lockFile)].mode = 0o600 }, DamageWritable,
		},
		"not to be searched": {failing("lstat", syscall.EACCES), failing("", nil), syscall.EACCES},
	} {
		t.Run(name, func(t *testing.T) {
			m := trusted(t)
			test.break_(m)
			s := attach(t, m)
			checkRefused(t, s, test.want)
			test.mend(m)
			checkLoad(t, s, "state", "new")
			synctest.Test(t, func(t *testing.T) {
				_, err := Open(t.Context(), Options{Dir: memDir, FS: m})
				checkLocked(t, err, nil)
			})
			mustSave(t, s, "state", []byte("newest"))
			must(t, s.Close())
			checkLoad(t, openMem(t, m), "state", "newest")
		})
	}
}

func failing(op string, err error) func(m *memFS) {
	return func(m *memFS) {
		m.fault = func(did, path string) error {
			if did == op {
				return &fs.PathError{Op: did, Path: path, Err: err}
			}
			return nil
		}
	}
}

// A directory that could not be made is made later.
func TestAttachMakesTheDirectoryLater(t *testing.T) {
	m := newMemFS()
	failing("mkdir", syscall.EROFS)(m)
	s := attach(t, m)
	checkRefused(t, s, syscall.EROFS)
	failing("", nil)(m)
	mustSave(t, s, "state", []byte("x"))
	checkLoad(t, s, "state", "x")
}

// Whoever has something to write has to know whether there may be a former content.
func TestADirectoryThatWasReachedOnce(t *testing.T) {
	m := newMemFS()
	refused := func(s *Store) *WriteError {
		var we *WriteError
		if _, err := s.Save("state", nil); !errors.As(err, &we) {
			t.Fatalf("Save = %v", err)
		}
		return we
	}
	failing("mkdir", syscall.EROFS)(m)
	s := attach(t, m)
	if we := refused(s); !we.Unreached {
		t.Errorf("%+v", we)
	}
	failing("", nil)(m)
	mustSave(t, s, "state", []byte("x"))
	for _, op := range []string{"lstat", "sync", "rename"} {
		failing(op, syscall.EROFS)(m)
		if we := refused(s); we.Unreached {
			t.Errorf("%s: %+v", op, we)
		}
	}
}

// A medium on which no lock can be made is read all the same.
func TestAttachReadsWhereNothingCanBeWritten(t *testing.T) {
	m := trusted(t)
	failing("lock", syscall.EROFS)(m)
	s := attach(t, m)
	checkLoad(t, s, "state", "new")
	var we *WriteError
	if _, err := s.Save("state", nil); !errors.As(err, &we) || we.Op != "lock" || !we.Unreached || !errors.Is(err, syscall.EROFS) {
		t.Errorf("Save = %v", err)
	}
	must(t, s.Close())
	if _, err := s.Load("state"); !errors.Is(err, ErrClosed) {
		t.Errorf("Load = %v", err)
	}
}

// Another process that has locked the directory meanwhile keeps it.
func TestAttachHeedsAnotherHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := trusted(t)
		stolen(memDir)(m)
		s := attach(t, m)
		m.live[memDir].owner.UID = somebody
		other := openMem(t, m)
		var locked *LockedError
		if _, err := s.Load("state"); !errors.As(err, &locked) {
			t.Errorf("Load = %v", err)
		}
		if _, err := Attach(t.Context(), Options{Dir: memDir, FS: m}); !errors.As(err, &locked) {
			t.Errorf("Attach = %v", err)
		}
		must(t, other.Close())
		checkLoad(t, s, "state", "new")
	})
}
