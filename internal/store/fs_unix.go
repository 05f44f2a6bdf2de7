//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep an open from following a planted symbolic link and from
// blocking on a planted fifo.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func openNoFollow(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|openFlags, perm)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) { // FreeBSD says EMLINK
		return nil, DamageNotRegular
	}
	return f, err
}

// syncDir makes a directory's entries durable. File systems that cannot do
// that say EINVAL or ENOTSUP; their own promise is all there is.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// ownerTrusted reports whether a file belongs to root, to this user or to the
// owner of its directory, who could replace it anyway.
func ownerTrusted(file, dir fs.FileInfo) bool {
	uid, ok := ownerOf(file)
	if !ok || uid == 0 || int64(uid) == int64(os.Geteuid()) {
		return true
	}
	dirUID, ok := ownerOf(dir)
	return ok && uid == dirUID
}

func ownerOf(fi fs.FileInfo) (uint32, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}
