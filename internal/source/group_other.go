//go:build !unix

package source

import "os/exec"

// There are no process groups: children of a command outlive it.
const nonblocking = 0

func isolate(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
