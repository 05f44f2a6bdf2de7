package main

import "golang.org/x/sys/unix"

// isTerminal asks the driver behind a descriptor: /dev/null, /dev/full and the
// kernel's log are character devices as well, and nobody sits there.
func isTerminal(fd uintptr) bool {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	return err == nil
}

// inForeground reports whether the process may read from a terminal without being
// stopped for it. One that is not its controlling terminal stops nobody.
func inForeground(fd uintptr) bool {
	group, err := unix.IoctlGetUint32(int(fd), unix.TIOCGPGRP)
	return err != nil || int(group) == unix.Getpgrp()
}
