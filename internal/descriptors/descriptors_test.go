package descriptors

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	opening := &os.PathError{Op: "open", Path: "/state/lock", Err: syscall.EMFILE}
	dialing := &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError("socket", syscall.ENFILE)}
	for _, err := range []error{opening, dialing, fmt.Errorf("wrapped: %w", opening)} {
		explained := Explain(err)
		var limit *LimitError
		if !errors.As(explained, &limit) || !errors.Is(explained, err) || !Short(explained) {
			t.Errorf("%v became %v", err, explained)
		}
		if again := Explain(fmt.Errorf("on top: %w", explained)); !strings.HasPrefix(again.Error(), "on top: ") {
			t.Errorf("explained twice: %v", again)
		}
	}
	for _, err := range []error{nil, syscall.EACCES, &net.DNSError{}} {
		if got := Explain(err); got != err || Short(err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestTheLimitIsNamed(t *testing.T) {
	for err, want := range map[*LimitError]string{
		{Err: syscall.EMFILE}:                            "too many open files",
		{Soft: 1024, Hard: 4096, Err: syscall.EMFILE}:    "too many open files (limits of this process, RLIMIT_NOFILE: soft 1024, hard 4096)",
		{Soft: 64, Hard: 1<<64 - 1, Err: syscall.EMFILE}: "too many open files (limits of this process, RLIMIT_NOFILE: soft 64, hard unlimited)",
		{Soft: 1024, Hard: 4096, Err: syscall.ENFILE}:    "too many open files in system (limit of the machine: fs.file-max)",
	} {
		if err.Error() != want && runtime.GOOS == "linux" { // the systems' own words differ
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestLimitsOfThisProcess(t *testing.T) {
	Raise()
	soft, hard := limits()
	if runtime.GOOS == "linux" && (soft == 0 || soft != hard) {
		t.Errorf("soft %d, hard %d", soft, hard)
	}
}
