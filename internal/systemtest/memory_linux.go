package systemtest

import (
	"os"
	"syscall"
)

const (
	sharedMemory = "/dev/shm"
	tmpfsMagic   = 0x01021994
	memoryRoom   = 256 << 20 // bytes: several times what all tests of a package keep at once
)

// memoryDir returns a directory of a file system in memory that has room and can be
// written to, or nothing. Where somebody has chosen a place, that is taken.
func memoryDir() string {
	var fs syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(sharedMemory, &fs) != nil || int64(fs.Type) != tmpfsMagic {
		return ""
	}
	if uint64(fs.Bavail)*uint64(fs.Bsize) < memoryRoom {
		return ""
	}
	dir, err := os.MkdirTemp(sharedMemory, "holdfast-")
	if err != nil || os.Remove(dir) != nil {
		return ""
	}
	return sharedMemory
}
