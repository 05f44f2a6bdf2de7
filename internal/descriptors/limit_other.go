//go:build !unix

package descriptors

func limits() (soft, hard uint64) { return 0, 0 }

// Raise does nothing: the system has no such limit.
func Raise() {}
