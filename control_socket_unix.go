//go:build unix

package holdfast

import "syscall"

// controlPrivate sets the mode of a socket that has no name yet: Linux takes
// the file's from there, so that nobody else can connect even for a moment.
func controlPrivate(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(controlSocketMode)) }
