package store

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// hangingFS is a file system on which the sync of some files takes a while.
type hangingFS struct {
	*memFS
	prefix string // of the names of those files
	hangs  time.Duration
}

func (h hangingFS) OpenFile(path string, flag int, perm fs.FileMode) (File, error) {
	f, err := h.memFS.OpenFile(path, flag, perm)
	if err != nil || !strings.HasPrefix(filepath.Base(path), h.prefix) {
		return f, err
	}
	return hangingFile{f, h.hangs}, nil
}

type hangingFile struct {
	File
	hangs time.Duration
}

func (f hangingFile) Sync() error {
	time.Sleep(f.hangs)
	return f.File.Sync()
}

// openHanging opens a store, in a bubble, on which syncing the record "slow" takes
// 20 s, and begins to save that.
func openHanging(t *testing.T) (s *Store, saved chan error) {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: memDir, FS: hangingFS{newMemFS(), "slow", 20 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	saved = make(chan error, 1)
	go func() {
		_, err := s.Save("slow", []byte("x"))
		saved <- err
	}()
	synctest.Wait()
	return s, saved
}

func TestARecordDoesNotWaitForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, saved := openHanging(t)
		began := time.Now()
		mustSave(t, s, "quick", []byte("y"))
		checkLoad(t, s, "quick", "y")
		must(t, s.Delete("quick"))
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v for a file of another record", waited)
		}
		must(t, <-saved)
		checkLoad(t, s, "slow", "x")
		if s.busy != nil {
			t.Errorf("%d records are kept in mind", len(s.busy))
		}
	})
}

func TestCallsOnOneRecordWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, saved := openHanging(t)
		began := time.Now()
		checkLoad(t, s, "slow", "x")
		if waited := time.Since(began); waited != 20*time.Second {
			t.Errorf("loaded after %v", waited)
		}
		must(t, <-saved)
	})
}

// Nobody else gets the directory while something is still being written to it.
func TestCloseWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, saved := openHanging(t)
		began := time.Now()
		must(t, s.Close())
		if waited := time.Since(began); waited != 20*time.Second {
			t.Errorf("closed after %v", waited)
		}
		must(t, <-saved)
		if _, err := s.Save("quick", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Save = %v", err)
		}
	})
}

// slowDir is a file system on which directories are listed slowly.
type slowDir struct{ *memFS }

func (s slowDir) ReadDir(path string) ([]string, error) {
	time.Sleep(20 * time.Second)
	return s.memFS.ReadDir(path)
}

// Nor while it is still being listed, or locked for that.
func TestCloseWaitsForNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), Options{Dir: memDir, FS: slowDir{newMemFS()}})
		must(t, err)
		listed := make(chan error, 1)
		go func() {
			_, err := s.Names("state-")
			listed <- err
		}()
		synctest.Wait()
		began := time.Now()
		must(t, s.Close())
		if waited := time.Since(began); waited != 20*time.Second {
			t.Errorf("closed after %v", waited)
		}
		must(t, <-listed)
		if _, err := s.Names("state-"); !errors.Is(err, ErrClosed) {
			t.Errorf("Names = %v", err)
		}
	})
}

// syncs counts the syncs of one directory.
func syncs(m *memFS, dir string) *int {
	n := new(int)
	m.fault = func(op, path string) error {
		if op == "syncdir" && path == dir {
			*n++
		}
		return nil
	}
	return n
}

func TestTheFirstRecordMakesTheDirectoryDurable(t *testing.T) {
	m := newMemFS()
	n := syncs(m, filepath.Dir(memDir))
	s := openMem(t, m)
	if *n != 0 {
		t.Error("Open syncs the parent")
	}
	for range 3 {
		mustSave(t, s, "credentials", []byte("x"))
	}
	if *n != 1 {
		t.Errorf("%d syncs of the parent", *n)
	}
	checkLoad(t, openMem(t, m.crashLosing()), "credentials", "x")
}

// The process that made the directory was killed before it saved anything.
func TestADirectoryThatWasLeftBareIsMadeDurable(t *testing.T) {
	m := newMemFS()
	must(t, openMem(t, m).Close())
	mustSave(t, openMem(t, m), "credentials", []byte("x"))
	checkLoad(t, openMem(t, m.crashLosing()), "credentials", "x")
}

// Whoever made the directory, also a process that was killed before it saved.
func TestTheParentOfANewDirectoryMustSync(t *testing.T) {
	for name, open := range map[string]func(m *memFS) *Store{
		"made now":    func(m *memFS) *Store { return openMem(t, m) },
		"made before": func(m *memFS) *Store { must(t, openMem(t, m).Close()); return openMem(t, m) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemFS()
			s := open(m)
			m.fault = failingSync(filepath.Dir(memDir), syscall.EIO)
			_, err := s.Save("credentials", []byte("x"))
			var failed *WriteError
			if !errors.As(err, &failed) || !errors.Is(err, syscall.EIO) || failed.Path != filepath.Dir(memDir) {
				t.Errorf("Save = %v", err)
			}
			m.fault = nil
			mustSave(t, s, "credentials", []byte("x"))
			checkLoad(t, openMem(t, m.crashLosing()), "credentials", "x")
		})
	}
}

func failingSync(dir string, err error) func(op, path string) error {
	return func(op, path string) error {
		if op == "syncdir" && path == dir {
			return err
		}
		return nil
	}
}

// A service manager makes state directories below one that only root may open.
func TestTheParentOfAnExistingDirectoryMayBeClosed(t *testing.T) {
	m := newMemFS()
	must(t, openMem(t, m).Close())
	s := openMem(t, m)
	m.fault = failingSync(filepath.Dir(memDir), syscall.EACCES)
	mustSave(t, s, "credentials", []byte("x"))
}
