//go:build unix

package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const nobody = 12345

// needsRoot skips a test that gives files away.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

func give(t *testing.T, path string) {
	t.Helper()
	must(t, os.Lchown(path, nobody, nobody))
}

// A directory with a record in it that belongs to somebody else, in every way
// that it can: nothing is read, and nothing is written.
func TestRealDirectoriesThatAreNotTrusted(t *testing.T) {
	needsRoot(t)
	for name, test := range map[string]struct {
		plant func(t *testing.T, parent, dir string)
		want  Damage
		says  string
	}{
		"directory of another user": {func(t *testing.T, _, dir string) { give(t, dir) }, DamageOwner, "owner 12345 and mode 0700"},
		"parent of another user":    {func(t *testing.T, parent, _ string) { give(t, parent) }, DamageOwner, "owner 12345"},
		"parent that all may write": {func(t *testing.T, parent, _ string) { must(t, os.Chmod(parent, 0o777)) }, DamageWritable, "mode 0777"},
		"directory that all may write": {func(t *testing.T, _, dir string) {
			must(t, os.Chmod(dir, 0o777|fs.ModeSticky))
		}, DamageWritable, "mode 1777"},
		"link of another user": {func(t *testing.T, parent, dir string) {
			must(t, os.Rename(dir, dir+".real"))
			must(t, os.Symlink(dir+".real", dir))
			give(t, dir)
		}, DamageOwner, "owner 12345"},
		"link into another user's": {func(t *testing.T, parent, dir string) {
			theirs := t.TempDir()
			give(t, theirs)
			must(t, os.Rename(dir, filepath.Join(theirs, "state")))
			must(t, os.Symlink(filepath.Join(theirs, "state"), dir))
		}, DamageOwner, "owner 12345"},
		"lock file of another user": {func(t *testing.T, _, dir string) { give(t, filepath.Join(dir, lockFile)) }, DamageOwner, "lock"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "state")
			s := openDir(t, dir)
			mustSave(t, s, "state", []byte("planted"))
			must(t, s.Close())
			test.plant(t, parent, dir)
			before := names(t, dir)
			_, err := Open(context.Background(), Options{Dir: dir, LockTimeout: time.Millisecond})
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "ch") {
				t.Errorf("Open = %v", err)
			}
			late, err := Attach(context.Background(), Options{Dir: dir, LockTimeout: time.Millisecond})
			must(t, err)
			checkRefused(t, late, test.want)
			must(t, late.Close())
			if after := names(t, dir); after != before {
				t.Errorf("%s became %s", before, after)
			}
			if name != "lock file of another user" && !errors.Is(Check(dir), test.want) {
				t.Errorf("Check = %v", Check(dir))
			}
		})
	}
}

// names lists a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestRealRecordOfAnotherUser(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	s := openDir(t, dir)
	mustSave(t, s, "state", []byte("old"))
	mustSave(t, s, "state", []byte("new"))
	path := filepath.Join(dir, recordFile("state", 2))
	give(t, path)
	checkFellBack(t, s, DamageOwner)
	must(t, os.Chown(path, 0, 0))
	must(t, os.Chmod(path, 0o622))
	checkFellBack(t, s, DamageWritable)
	must(t, os.Chmod(path, 0o600))
	checkLoad(t, s, "state", "new")
}

// A second name of a record, which others can make where the system lets them,
// changes nothing: it is still ours alone to write.
func TestHardLinkOfARecordIsFine(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	mustSave(t, s, "state", []byte("x"))
	must(t, os.Link(filepath.Join(dir, recordFile("state", 1)), filepath.Join(t.TempDir(), "second")))
	checkLoad(t, s, "state", "x")
}

// Check finds nothing wrong with what Open would make, nor with the sticky
// directories under which tests run, and makes nothing itself.
func TestCheckChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	must(t, Check(dir))
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat = %v", err)
	}
}

func TestMapsRoot(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"0 1000 1\n":                         false,
		"1000 1000 1\n":                      false,
		"0 0 1\n1000 1000 1\n":               true,
		"0 100000 65536\n":                   false,
		"":                                   false,
	} {
		if got := mapsRoot(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
