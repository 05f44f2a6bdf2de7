//go:build unix

package source

import (
	"os/exec"
	"syscall"
)

// nonblocking keeps the opening of a pipe that nobody writes from waiting.
const nonblocking = syscall.O_NONBLOCK

// isolate gives a command a process group of its own, which its children are in.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a command that was started, and its children.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
