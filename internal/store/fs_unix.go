//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
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

func lstat(path string) (Place, error) {
	var st syscall.Stat_t
	if err := lstatInto(path, &st); err != nil {
		return Place{}, err
	}
	return placeAt(&st), nil
}

func lstatInto(path string, st *syscall.Stat_t) error {
	for {
		if err := syscall.Lstat(path, st); err != syscall.EINTR { // then again, as package os does
			return err
		}
	}
}

// fileIdentity tells a file from all others for as long as it is open: no other one gets its
// number before.
type fileIdentity struct {
	device, number uint64
	known          bool
}

func fileIdentityOf(fi fs.FileInfo) fileIdentity {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileIdentity{}
	}
	return fileIdentityAt(st)
}

func fileIdentityAt(st *syscall.Stat_t) fileIdentity {
	return fileIdentity{device: uint64(st.Dev), number: uint64(st.Ino), known: true}
}

// standsAt reports whether a path is the file's.
func (id fileIdentity) standsAt(path string) bool {
	var st syscall.Stat_t
	return lstatInto(path, &st) == nil && id == fileIdentityAt(&st)
}

func placeOf(fi fs.FileInfo) Place {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return placeAt(st)
	}
	return Place{Mode: fi.Mode()}
}

func placeAt(st *syscall.Stat_t) Place {
	owner := Owner{UID: int(st.Uid), GID: int(st.Gid), Unmapped: st.Uid == overflowUID && rootIsUnmapped()}
	return Place{Mode: modeOf(uint32(st.Mode)), Owner: owner, Owned: true}
}

// modeOf translates a mode of stat(2), as far as a Place has it.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits) & fs.ModePerm
	if bits&syscall.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	switch bits & syscall.S_IFMT {
	case syscall.S_IFREG:
		return mode
	case syscall.S_IFDIR:
		return mode | fs.ModeDir
	case syscall.S_IFLNK:
		return mode | fs.ModeSymlink
	}
	return mode | fs.ModeIrregular
}

// overflowUID stands for users without a number in a user namespace (Linux,
// user_namespaces(7)).
const overflowUID = 65534

// uidMap is what is known of the user namespace.
var uidMap struct {
	sync.Mutex
	known, withoutRoot bool
}

// rootIsUnmapped reports whether the machine's root has no number here. Without
// namespaces, or without /proc, it has. What could not be read for want of a
// descriptor is read again.
func rootIsUnmapped() bool {
	uidMap.Lock()
	defer uidMap.Unlock()
	if uidMap.known {
		return uidMap.withoutRoot
	}
	text, err := os.ReadFile("/proc/self/uid_map")
	uidMap.known, uidMap.withoutRoot = !descriptors.Short(err), err == nil && !mapsRoot(string(text))
	return uidMap.withoutRoot
}

// mapsRoot reads a uid_map: lines of the first number inside, the first number
// outside, and how many follow.
func mapsRoot(text string) bool {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 3 && f[1] == "0" {
			return true
		}
	}
	return false
}

// fileNumber returns the number of a file on its file system.
func fileNumber(fi fs.FileInfo) (number uint64, known bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Ino), true
}
