package netns

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/interop/peer"
)

// refusedByKernel is in the message of the one skip that continuous
// integration allows: scripts/testreport looks for it.
const refusedByKernel = "the kernel refuses network namespaces"

// require skips the test where it cannot run, or fails it: see the package
// comment.
func require(t *testing.T) {
	t.Helper()
	if err := kernelRefuses(); err != nil {
		t.Skipf("%s: %v", refusedByKernel, err)
	}
	if lacking := lacking(); lacking != "" {
		missing(t, lacking)
	}
}

// missing ends a test that lacks something that can be installed.
func missing(t *testing.T, what string) {
	t.Helper()
	const remedy = "install it (Debian: apt-get install iproute2 nftables conntrack)"
	if os.Getenv(peer.RequireVariable) == "1" {
		t.Fatalf("%s: %s", what, remedy)
	}
	t.Skipf("%s: %s", what, remedy)
}

// kernelRefuses tries to start a process in namespaces of its own, as ip netns
// does; the error is that of the system call.
var kernelRefuses = sync.OnceValue(func() error {
	probe := exec.Command("/bin/true")
	probe.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	err := probe.Run()
	for _, refusal := range []error{syscall.EPERM, syscall.EINVAL, syscall.ENOSYS, syscall.ENOSPC, syscall.EUSERS} {
		if errors.Is(err, refusal) {
			return err
		}
	}
	return nil
})

// lacking says which command or feature of the packet filter is missing.
var lacking = sync.OnceValue(func() string {
	for _, command := range []string{"ip", "nft", "conntrack"} {
		if _, err := exec.LookPath(command); err != nil {
			return command + " is not installed"
		}
	}
	probe := exec.Command("nft", "-f", "-")
	probe.Stdin = strings.NewReader(hostRules + natRules + `
add rule inet faults input numgen random mod 100 < 30 counter drop
add rule inet faults input reject with icmpx admin-prohibited
`)
	probe.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET}
	if output, err := probe.CombinedOutput(); err != nil {
		return "the packet filter lacks what the tests need: " + strings.TrimSpace(string(output))
	}
	return ""
})
