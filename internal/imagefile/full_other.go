//go:build !windows

package imagefile

import "syscall"

// fullErrors say that there is no room, on the medium or in the user's share of it.
var fullErrors = []error{syscall.ENOSPC, syscall.EDQUOT}
