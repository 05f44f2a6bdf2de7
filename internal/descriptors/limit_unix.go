//go:build unix

package descriptors

import "syscall"

func limits() (soft, hard uint64) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, 0
	}
	return uint64(l.Cur), uint64(l.Max)
}

// Raise lets this process have as many open files as it may give itself: it raises the
// soft limit to the hard one. The Go runtime does that when a program starts; what
// remains are programs that have lowered the limit since, or had it lowered from
// outside. Children inherit it then. A system that refuses keeps its limit.
func Raise() {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur >= l.Max {
		return
	}
	l.Cur = l.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // a LimitError names both
}
