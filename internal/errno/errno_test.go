package errno

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestNumbers(t *testing.T) {
	judges := map[string]func(error) bool{"refused": Refused, "unreachable": Unreachable, "closed": Closed, "timed out": TimedOut}
	for number, want := range map[error]string{
		syscall.ECONNREFUSED: "refused", syscall.ENETUNREACH: "unreachable", syscall.EHOSTUNREACH: "unreachable", syscall.ENETDOWN: "unreachable",
		syscall.EADDRNOTAVAIL: "unreachable", syscall.EACCES: "unreachable", syscall.EPERM: "unreachable", syscall.ECONNRESET: "closed",
		syscall.ECONNABORTED: "closed", syscall.EPIPE: "closed", syscall.ETIMEDOUT: "timed out", syscall.EIO: "", errors.New("connection refused"): "",
	} {
		wrapped := fmt.Errorf("wrapped: %w", &net.OpError{Op: "dial", Err: &os.SyscallError{Syscall: "connect", Err: number}})
		for _, err := range []error{number, wrapped} {
			for name, judge := range judges {
				if judge(err) != (name == want) {
					t.Errorf("%v: %s is %t, want %q", err, name, judge(err), want)
				}
			}
		}
	}
}
