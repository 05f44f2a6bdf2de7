//go:build !unix

package command

import "os/exec"

func isolate(*exec.Cmd) {}

// KillGroup kills a command that was started. There are no process groups: its children
// outlive it.
func KillGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
