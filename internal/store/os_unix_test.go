//go:build unix

package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestPlantedFiles(t *testing.T) {
	for name, plant := range map[string]func(path, target string) error{
		"fifo":             func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"symlink":          func(path, target string) error { return os.Symlink(target, path) },
		"dangling symlink": func(path, _ string) error { return os.Symlink("nowhere", path) },
		"directory":        func(path, _ string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openDir(t, dir)
			mustSave(t, s, "state", []byte("old"))
			target := filepath.Join(t.TempDir(), "target")
			must(t, os.WriteFile(target, encode("state", 2, []byte("planted")), 0o600))
			must(t, plant(filepath.Join(dir, recordFile("state", 2)), target))
			checkFellBack(t, s, DamageNotRegular)

			temp := filepath.Join(dir, newEntry("state", 3, extTemp).file)
			must(t, plant(temp, target))
			mustSave(t, s, "state", []byte("new"))
			checkLoad(t, s, "state", "new")
			if b, err := os.ReadFile(target); err != nil || len(b) != len(encode("state", 2, []byte("planted"))) {
				t.Errorf("the link was followed: %q, %v", b, err)
			}
		})
	}
}

func TestPlantedLockFile(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"fifo":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"symlink":   func(path string) error { return os.Symlink("/dev/null", path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, plant(filepath.Join(dir, lockFile)))
			var ioe *IOError
			s, err := Open(context.Background(), Options{Dir: dir, LockTimeout: time.Millisecond})
			if !errors.As(err, &ioe) || ioe.Op != "lock" {
				t.Errorf("Open = %v, %v; want an IOError of the lock", s, err)
			}
		})
	}
}

func TestModeIsNarrowed(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	mustSave(t, s, "state", []byte("x"))
	path := filepath.Join(dir, recordFile("state", 1))
	must(t, os.Chmod(path, 0o644))
	checkLoad(t, s, "state", "x")
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestSymbolicLinkToDirectoryIsFine(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(t.TempDir(), link))
	s := openDir(t, link)
	mustSave(t, s, "state", []byte("x"))
	checkLoad(t, s, "state", "x")
}

func TestDanglingLinkAsDirectory(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink("nowhere", link))
	if _, err := Open(context.Background(), Options{Dir: link}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open = %v, want fs.ErrNotExist", err)
	}
}

func TestDirectoryReplacedByFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openDir(t, dir)
	mustSave(t, s, "state", []byte("kept"))
	aside := dir + ".aside"
	must(t, os.Rename(dir, aside))
	checkDirectoryFails(t, s) // missing
	must(t, os.WriteFile(dir, nil, 0o600))
	checkDirectoryFails(t, s) // a file
	var ioe *IOError
	if _, err := Open(context.Background(), Options{Dir: dir}); !errors.As(err, &ioe) {
		t.Errorf("Open of a file = %v, want an IOError", err)
	}
	must(t, os.Remove(dir))
	must(t, os.Rename(aside, dir))
	checkLoad(t, s, "state", "kept")
	mustSave(t, s, "state", []byte("again"))
	checkLoad(t, s, "state", "again")
}

// A directory made anew has another lock file; the store takes that one.
func TestDirectoryMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openDir(t, dir)
	mustSave(t, s, "state", []byte("lost"))
	must(t, os.RemoveAll(dir))
	checkDirectoryFails(t, s)
	must(t, os.Mkdir(dir, 0o700))
	if _, err := s.Load("state"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Load = %v, want ErrNotExist", err)
	}
	mustSave(t, s, "state", []byte("new"))
	checkLoad(t, s, "state", "new")
	_, err := Open(context.Background(), Options{Dir: dir, LockTimeout: time.Millisecond})
	checkLocked(t, err, nil)
}

func checkDirectoryFails(t *testing.T, s *Store) {
	t.Helper()
	var we *WriteError
	if _, err := s.Save("state", nil); !errors.As(err, &we) {
		t.Errorf("Save = %v, want a WriteError", err)
	}
	if err := s.Delete("state"); !errors.As(err, &we) {
		t.Errorf("Delete = %v, want a WriteError", err)
	}
	var re *ReadError
	if _, err := s.Load("state"); !errors.As(err, &re) || re.Corrupt {
		t.Errorf("Load = %v, want a ReadError that is not final", err)
	}
}

// What the store makes can be entered whatever the umask of the service is.
func TestDirectoriesHaveTheirModeWithAnyUmask(t *testing.T) {
	above := filepath.Join(t.TempDir(), "above")
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	mustSave(t, openDir(t, filepath.Join(above, "state")), "state", []byte("x"))
	for _, dir := range []string{above, filepath.Join(above, "state")} {
		if p, err := OS().Lstat(dir); err != nil || p.Mode.Perm() != dirMode {
			t.Errorf("%s has mode %v, %v", dir, p.Mode, err)
		}
	}
}
