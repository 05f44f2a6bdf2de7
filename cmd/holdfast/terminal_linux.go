package main

import "golang.org/x/sys/unix"

// isTerminal asks the driver behind a descriptor: /dev/null, /dev/full and the
// kernel's log are character devices as well, and nobody sits there.
func isTerminal(fd uintptr) bool {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	return err == nil
}
