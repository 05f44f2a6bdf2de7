package peer

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the command when the test binary is gone,
// however that ended.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
