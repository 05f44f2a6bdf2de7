package interop

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the process end with the test binary, however that ends:
// a client on its own would try to connect for ever.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
