//go:build unix

package control

import "syscall"

// makePrivate sets the mode of a socket that has no name yet: Linux takes
// the file's from there, so that nobody else can connect even for a moment.
func makePrivate(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(socketMode)) }
