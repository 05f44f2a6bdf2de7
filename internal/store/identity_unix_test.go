//go:build unix

package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func identityOf(t *testing.T, dir string) [32]byte {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	identity, ok := s.Identity()
	if !ok {
		t.Fatal("no identity")
	}
	return identity
}

// A directory keeps its identity from one process to the next, whatever is stored there;
// a copy has another one, also where it takes the place of the original.
func TestIdentityIsNotCopied(t *testing.T) {
	parent := t.TempDir()
	dir, copied := filepath.Join(parent, "state"), filepath.Join(parent, "copy")
	first := identityOf(t, dir)
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save("record", []byte("x")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if identityOf(t, dir) != first {
		t.Error("the identity has changed")
	}
	if out, err := exec.Command("cp", "-a", dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if identityOf(t, copied) == first {
		t.Error("a copy has the same identity")
	}
	if err := os.Rename(dir, filepath.Join(parent, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, dir); err != nil {
		t.Fatal(err)
	}
	if identityOf(t, dir) == first {
		t.Error("a copy in the place of the original has the same identity")
	}
}

// Without the lock nothing is known.
func TestIdentityNeedsTheLock(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Remove(s.path(lockFile)); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Identity(); ok {
		t.Error("an identity without the lock")
	}
}
