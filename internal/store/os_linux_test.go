package store

import (
	"errors"
	"os"
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
