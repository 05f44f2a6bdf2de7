package imagefile

import "syscall"

// fullErrors say that there is no room: ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL, beside
// what package syscall defines.
var fullErrors = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.Errno(112), syscall.Errno(39)}
