//go:build unix

package credfile

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// A file that cannot be opened names the limit of open files where that is why.
func TestFileProblem(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.EMFILE: syscall.EMFILE.Error(),
		syscall.EIO:    syscall.EIO.Error(),
	} {
		got := fileProblem("own.pem", &fs.PathError{Op: "open", Path: "own.pem", Err: cause})
		if !strings.HasPrefix(got, `the file "own.pem" cannot be read: `+want) || strings.Count(got, "own.pem") != 1 {
			t.Error(got)
		}
		if named := strings.Contains(got, "RLIMIT_NOFILE"); named != (cause == syscall.EMFILE) {
			t.Error(got)
		}
	}
}
