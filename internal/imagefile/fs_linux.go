package imagefile

import (
	"math"
	"math/bits"
	"os"
	"strings"
	"syscall"
)

// free asks statfs(2). A file system that has no blocks to count, such as some of FUSE, tells
// nothing.
func free(dir string) (bytes int64, known bool, err error) {
	var st syscall.Statfs_t
	for {
		err = syscall.Statfs(dir, &st)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil || st.Blocks == 0 {
		return 0, false, err
	}
	unit := uint64(st.Frsize) // what the numbers of blocks are in, as statvfs(3) has it
	if unit == 0 {
		unit = uint64(st.Bsize)
	}
	high, low := bits.Mul64(st.Bavail, unit)
	if high > 0 || low > math.MaxInt64 {
		low = math.MaxInt64
	}
	return int64(low), true, nil
}

// bootID is the kernel's (random(4)). In a container it is the machine's, whose page cache
// has what was written.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(text))
	return id[:min(len(id), maxBoot)]
}
