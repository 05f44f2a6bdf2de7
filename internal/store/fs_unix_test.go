//go:build unix

package store

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Place says of every kind of file what package os says.
func TestPlaceIsWhatPackageOSSays(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	must(t, os.WriteFile(file, nil, 0o640))
	must(t, os.Symlink(file, link))
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(t, err)
	defer listener.Close()
	must(t, os.Chmod(dir, 0o770|fs.ModeSticky))
	for _, path := range []string{dir, file, link, listener.Addr().String(), os.DevNull, "/", os.TempDir()} {
		fi, err := os.Lstat(path)
		must(t, err)
		p, err := OS().Lstat(path)
		must(t, err)
		const seen = fs.ModeDir | fs.ModeSymlink | fs.ModeSticky | fs.ModePerm
		if p.Mode&seen != fi.Mode()&seen || p.Mode.IsRegular() != fi.Mode().IsRegular() || p != OS().Place(fi) || !p.Owned {
			t.Errorf("%s: %+v, and package os says %v", path, p, fi.Mode())
		}
	}
}

// The way to a directory is looked at before every use of it.
func TestAllocationsOfALookAtTheWay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	must(t, os.MkdirAll(dir, 0o700))
	n := strings.Count(dir, root)
	if got := int(testing.AllocsPerRun(10, func() { must(t, checkPath(OS(), dir)) })); got > n+3 {
		t.Errorf("%d allocations for %d elements", got, n)
	}
}
