package store

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The limit on file sizes makes the kernel itself cut a write short.
func TestFileSizeLimit(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	mustSave(t, s, "state", []byte("kept"))
	var old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: old.Max}))
	_, err := s.Save("state", make([]byte, 100_000))
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
	var we *WriteError
	if !errors.As(err, &we) || !errors.Is(err, syscall.EFBIG) || we.Op != "write" {
		t.Errorf("Save = %v, want EFBIG in the write", err)
	}
	checkLoad(t, s, "state", "kept")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("directory holds %v, %v; want the lock and the record", entries, err)
	}
	mustSave(t, s, "state", make([]byte, 100_000))
}

// A working directory that is gone is trouble with the disk like any other.
func TestWorkingDirectoryThatIsGone(t *testing.T) {
	working := t.TempDir()
	t.Chdir(working)
	must(t, os.Remove(working))
	s, err := Attach(t.Context(), Options{Dir: "state"})
	if err != nil {
		t.Fatalf("Attach: %v", err)
	}
	checkRefused(t, s, syscall.ENOENT)
	must(t, s.Close())
	var unusable *IOError
	if _, err := Open(t.Context(), Options{Dir: "state"}); !errors.As(err, &unusable) || !strings.Contains(err.Error(), "working directory of state") {
		t.Errorf("Open: %v", err)
	}
	if err := Check("state"); err != nil {
		t.Errorf("Check: %v", err)
	}
}

// A device that stands where a directory should is no matter of permissions: whoever
// followed such advice would break the machine.
func TestDeviceInsteadOfADirectory(t *testing.T) {
	for _, dir := range []string{os.DevNull, os.DevNull + "/state"} {
		if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, errNotDir) || strings.Contains(err.Error(), "chmod") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
