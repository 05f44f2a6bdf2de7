//go:build !disorder

package disorder

// Delay does nothing.
func Delay() {}
