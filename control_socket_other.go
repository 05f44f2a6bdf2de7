//go:build !unix

package holdfast

// controlPrivate has nothing to do where sockets have no mode of their own.
func controlPrivate(uintptr) {}
