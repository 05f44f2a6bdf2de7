//go:build !unix

package control

// makePrivate has nothing to do where sockets have no mode of their own.
func makePrivate(uintptr) {}
