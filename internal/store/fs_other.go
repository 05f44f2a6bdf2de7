//go:build !unix

package store

import (
	"io/fs"
	"os"
)

// openFlags is empty: these systems have no equivalent of O_NOFOLLOW.
const openFlags = 0

// openNoFollow looks before it opens. A link put in place between the two
// would be followed; creating one takes a privilege on Windows.
func openNoFollow(path string, flag int, perm fs.FileMode) (*os.File, error) {
	if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
		return nil, DamageNotRegular
	}
	return os.OpenFile(path, flag, perm)
}

// syncDir does nothing: NTFS journals its directories, and offers no call.
func syncDir(string) error { return nil }

func lstat(path string) (Place, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return Place{}, err
	}
	return placeOf(fi), nil
}

// fileIdentity tells a file from all others.
type fileIdentity struct{ of fs.FileInfo }

func fileIdentityOf(fi fs.FileInfo) fileIdentity { return fileIdentity{of: fi} }

// standsAt reports whether a path is the file's.
func (id fileIdentity) standsAt(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && os.SameFile(id.of, fi)
}

// placeOf leaves ownership to the directory's access control list.
func placeOf(fi fs.FileInfo) Place { return Place{Mode: fi.Mode()} }

// fileNumber knows no number of a file.
func fileNumber(fs.FileInfo) (number uint64, known bool) { return 0, false }
