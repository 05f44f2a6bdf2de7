package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func openMem(t *testing.T, m *memFS) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: memDir, FS: m})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func mustSave(t *testing.T, s *Store, name string, data []byte) uint64 {
	t.Helper()
	gen, err := s.Save(name, data)
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return gen
}

func recordFile(name string, generation uint64) string {
	return newEntry(name, generation, extRecord).file
}

func memPath(file string) string { return filepath.Join(memDir, file) }

func TestSaveThenLoad(t *testing.T) {
	s := openMem(t, newMemFS())
	for i, want := range []string{"one", "", strings.Repeat("x", 100_000)} {
		gen := mustSave(t, s, "credentials", []byte(want))
		rec, err := s.Load("credentials")
		if err != nil || string(rec.Data) != want {
			t.Fatalf("Load = %q, %v", rec.Data, err)
		}
		if gen != uint64(i+1) || rec.Generation != gen || rec.FellBack || rec.Damaged != nil || rec.Cause != nil {
			t.Errorf("generation %d, record %+v", gen, rec)
		}
	}
}

func TestLoadOfNothing(t *testing.T) {
	s := openMem(t, newMemFS())
	if _, err := s.Load("credentials"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Load = %v, want ErrNotExist", err)
	}
}

func TestRecordsDoNotMix(t *testing.T) {
	s := openMem(t, newMemFS())
	names := []string{"a", "b", "a-b", "aa"}
	for _, name := range names {
		mustSave(t, s, name, []byte(name))
	}
	if err := s.Delete("a"); err != nil {
		t.Fatal(err)
	}
	for _, name := range names[1:] {
		if rec, err := s.Load(name); err != nil || string(rec.Data) != name {
			t.Errorf("Load(%s) = %q, %v", name, rec.Data, err)
		}
	}
}

func TestSaveKeepsCurrentAndPrevious(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	for _, v := range []string{"a", "b", "c", "d"} {
		mustSave(t, s, "state", []byte(v))
	}
	want := []string{lockFile, recordFile("state", 3), recordFile("state", 4)}
	if got := m.names(memDir); !slices.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
}

func TestReopenFindsWhatWasSaved(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "state", []byte("kept"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openMem(t, m)
	if rec, err := s.Load("state"); err != nil || string(rec.Data) != "kept" {
		t.Errorf("Load = %q, %v", rec.Data, err)
	}
	if gen := mustSave(t, s, "state", nil); gen != 2 {
		t.Errorf("generation %d, want 2", gen)
	}
}

func TestModes(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "state", nil)
	for path, want := range map[string]fs.FileMode{
		"/var":                          fs.ModeDir | 0o700,
		memDir:                          fs.ModeDir | 0o700,
		memPath(lockFile):               0o600,
		memPath(recordFile("state", 1)): 0o600,
	} {
		if got := m.live[path].mode; got != want {
			t.Errorf("mode of %s = %v, want %v", path, got, want)
		}
	}
	m.live[memPath(recordFile("state", 1))].mode = 0o644
	if _, err := s.Load("state"); err != nil {
		t.Fatal(err)
	}
	if got := m.live[memPath(recordFile("state", 1))].mode; got != 0o600 {
		t.Errorf("mode after Load = %v, want 0600", got)
	}
}

func TestArguments(t *testing.T) {
	m := newMemFS()
	s, err := Open(context.Background(), Options{Dir: memDir, FS: m, MaxRecord: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "a/b", "A", "a.b", "a\x00", strings.Repeat("a", 33)} {
		_, loadErr := s.Load(name)
		_, saveErr := s.Save(name, nil)
		for _, err := range []error{loadErr, saveErr, s.Delete(name)} {
			if !errors.Is(err, ErrInvalidName) {
				t.Errorf("name %q: %v, want ErrInvalidName", name, err)
			}
		}
	}
	mustSave(t, s, strings.Repeat("a", 32), make([]byte, 10))
	if _, err := s.Save("state", make([]byte, 11)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Save of 11 bytes = %v, want ErrTooLarge", err)
	}
}

func TestClosed(t *testing.T) {
	s := openMem(t, newMemFS())
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, loadErr := s.Load("state")
	_, saveErr := s.Save("state", nil)
	for _, err := range []error{loadErr, saveErr, s.Delete("state")} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
}

func TestDelete(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	mustSave(t, s, "state", []byte("a"))
	mustSave(t, s, "state", []byte("b"))
	for range 2 {
		if err := s.Delete("state"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load("state"); !errors.Is(err, ErrNotExist) {
			t.Errorf("Load = %v, want ErrNotExist", err)
		}
	}
	if got := m.names(memDir); !slices.Equal(got, []string{lockFile}) {
		t.Errorf("files = %q", got)
	}
}

func TestDeleteReportsFaults(t *testing.T) {
	for _, op := range []string{"remove", "syncdir", "readdir"} {
		m := newMemFS()
		s := openMem(t, m)
		mustSave(t, s, "state", []byte("a"))
		m.fault = func(did, _ string) error {
			if did == op {
				return syscall.EROFS
			}
			return nil
		}
		var we *WriteError
		if err := s.Delete("state"); !errors.As(err, &we) || !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: Delete = %v, want a WriteError", op, err)
		}
		m.fault = nil
		if err := s.Delete("state"); err != nil {
			t.Errorf("%s: second Delete = %v", op, err)
		}
	}
}

func TestGenerationsUsedUp(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	put(m, generationMax, encode("state", generationMax, []byte("last")))
	put(m, generationMax+1, encode("state", generationMax+1, []byte("foreign")))
	var we *WriteError
	if _, err := s.Save("state", nil); !errors.As(err, &we) || !errors.Is(err, errGenerations) {
		t.Errorf("Save = %v", err)
	}
	if rec, err := s.Load("state"); err != nil || string(rec.Data) != "last" {
		t.Errorf("Load = %q, %v", rec.Data, err)
	}
}

// put places a file for a generation of "state", durably.
func put(m *memFS, generation uint64, raw []byte) {
	path := memPath(recordFile("state", generation))
	m.live[path] = &inode{mode: fileMode, data: raw, synced: raw}
	m.disk[path] = m.live[path]
}

func TestErrorsShowNoContent(t *testing.T) {
	m := newMemFS()
	s := openMem(t, m)
	secret := []byte("PSK-0123456789abcdef")
	mustSave(t, s, "state", secret)
	raw := m.live[memPath(recordFile("state", 1))].data
	raw[len(raw)-1] ^= 1
	_, err := s.Load("state")
	if err == nil || bytes.Contains([]byte(err.Error()), secret) {
		t.Errorf("Load = %v", err)
	}
	want := "store: read " + memPath(recordFile("state", 1)) + ": wrong checksum"
	if err != nil && err.Error() != want {
		t.Errorf("Load = %q, want %q", err, want)
	}
}

func TestOpenRefusesWhatIsNoDirectory(t *testing.T) {
	m := newMemFS()
	m.live["/var"] = &inode{mode: fileMode}
	var ioe *IOError
	if _, err := Open(context.Background(), Options{Dir: "/var", FS: m}); !errors.As(err, &ioe) {
		t.Errorf("Open of a file = %v, want an IOError", err)
	}
	if _, err := Open(context.Background(), Options{Dir: memDir, FS: m}); !errors.As(err, &ioe) {
		t.Errorf("Open below a file = %v, want an IOError", err)
	}
	if _, err := Open(context.Background(), Options{}); !errors.As(err, &ioe) {
		t.Errorf("Open of nothing = %v, want an IOError", err)
	}
}

func TestOpenReportsFaults(t *testing.T) {
	for _, op := range []string{"lstat", "mkdir", "syncdir", "lock"} {
		m := newMemFS()
		m.fault = func(did, _ string) error {
			if did == op {
				return &fs.PathError{Op: did, Path: "/somewhere", Err: syscall.EROFS}
			}
			return nil
		}
		var ioe *IOError
		_, err := Open(context.Background(), Options{Dir: memDir, FS: m})
		if !errors.As(err, &ioe) || ioe.Err != syscall.EROFS {
			t.Errorf("%s: Open = %v, want an IOError of EROFS", op, err)
		}
	}
}
