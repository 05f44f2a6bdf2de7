//go:build unix

package command

import (
	"os/exec"
	"syscall"
)

// isolate gives a command a process group of its own, which its children are in.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// KillGroup kills a command that was started, and its children.
func KillGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
