package store

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// found opens the state directory and returns what was said of it, and its mode then.
func found(t *testing.T, m *memFS) (said []*ExposedError, mode fs.FileMode) {
	t.Helper()
	s, err := Attach(context.Background(), Options{
		Dir: memDir, FS: m, Exposed: func(e *ExposedError) { said = append(said, e) },
	})
	must(t, err)
	checkLoad(t, s, "state", "new")
	must(t, s.Close())
	return said, m.live[memDir].mode.Perm()
}

// A directory that others may look into is narrowed, and that is said. One that is not
// ours to narrow, or that holds more than files, is left as it is, and that is said.
func TestDirectoryThatOthersMayRead(t *testing.T) {
	socket := func(m *memFS) { m.live[memPath("gw.sock")] = &inode{mode: fs.ModeSocket | 0o660, owner: m.mine()} }
	subdirectory := func(m *memFS) { m.live[memPath("dpkg")] = &inode{mode: fs.ModeDir | 0o755, owner: m.mine()} }
	ofRoot := func(m *memFS) { m.live[memDir].owner = Owner{} }
	readOnly := func(m *memFS) {
		m.fault = func(op, _ string) error {
			if op == "chmod" {
				return errCrashed
			}
			return nil
		}
	}
	none := func(*memFS) {}
	for _, test := range []struct {
		name    string
		mode    fs.FileMode
		arrange func(*memFS)
		becomes fs.FileMode
		why     error // of one that is said, and left
	}{
		{"private", 0o700, none, 0o700, nil},
		{"readable", 0o755, none, 0o700, nil},
		{"listable", 0o711, none, 0o700, nil},
		{"readable by a group", 0o750, none, 0o700, nil},
		{"private group's to write", 0o775, none, 0o700, nil},
		{"narrower than ours", 0o500, none, 0o500, nil},
		{"root's, seen by a user", 0o755, ofRoot, 0o755, fs.ErrPermission},
		{"with a socket", 0o750, socket, 0o750, errShared},
		{"with a directory", 0o755, subdirectory, 0o755, errShared},
		{"on a disk that refuses", 0o755, readOnly, 0o755, errCrashed},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := trusted(t)
			m.live[memDir].mode = fs.ModeDir | test.mode
			test.arrange(m)
			said, mode := found(t, m)
			if mode != test.becomes {
				t.Errorf("mode %v, want %v", mode, test.becomes)
			}
			if test.mode&openToOthers == 0 {
				if len(said) != 0 {
					t.Errorf("%v", said)
				}
				return
			}
			if len(said) != 1 || said[0].Mode.Perm() != test.mode || !errors.Is(said[0], test.why) && test.why != nil || (said[0].Err == nil) != (test.why == nil) {
				t.Fatalf("%v", said)
			}
			if text := said[0].Error(); !strings.Contains(text, memDir) || !strings.Contains(text, "0700") || !strings.Contains(text, octal(test.mode)) {
				t.Error(text)
			}
		})
	}
}

// A directory that comes later is narrowed when it is locked.
func TestLateDirectoryIsNarrowed(t *testing.T) {
	m := trusted(t)
	m.live[memDir].mode = fs.ModeDir | 0o757 // which is distrusted
	var said []*ExposedError
	s, err := Attach(context.Background(), Options{Dir: memDir, FS: m, Exposed: func(e *ExposedError) { said = append(said, e) }})
	must(t, err)
	if len(said) != 0 || m.live[memDir].mode.Perm() != 0o757 {
		t.Errorf("a directory that is not trusted was touched: %v", said)
	}
	m.live[memDir].mode = fs.ModeDir | 0o755
	mustSave(t, s, "state", []byte("newer"))
	if len(said) != 1 || m.live[memDir].mode.Perm() != dirMode {
		t.Errorf("%v, mode %v", said, m.live[memDir].mode)
	}
	must(t, s.Close())
}

// The real file system does as the one in memory.
func TestRealDirectoryIsNarrowed(t *testing.T) {
	dir := t.TempDir()
	path, err := OS().Lstat(dir)
	must(t, err)
	if !path.Owned {
		t.Skip("files have no owner here")
	}
	must(t, OS().Chmod(dir, 0o755))
	said := 0
	s, err := Open(context.Background(), Options{Dir: dir, Exposed: func(e *ExposedError) {
		if said++; e.Err != nil {
			t.Error(e)
		}
	}})
	must(t, err)
	defer s.Close()
	if p, err := OS().Lstat(dir); err != nil || p.Mode.Perm() != dirMode || said != 1 {
		t.Errorf("mode %v, %v, said %d times", p.Mode, err, said)
	}
}
