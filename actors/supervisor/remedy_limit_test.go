package supervisor

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/messages"
)

// What a person can do about a limit of open files is to raise it, whatever could not
// be opened.
func TestRemedyOfALimit(t *testing.T) {
	for _, class := range []messages.Class{messages.ClassSocket, messages.ClassStoreRead, messages.ClassStoreWrite} {
		for cause, want := range map[error]string{
			syscall.EMFILE: remedyDescriptors, fmt.Errorf("open: %w", syscall.ENFILE): remedyDescriptors,
			syscall.EIO: "", nil: "",
		} {
			f := messages.Failure{Class: class, Cause: cause}
			row := Lookup(&f, false)
			if want == "" {
				want = row.Remedy
			}
			if got := errorEvent(row, &f).Remedy; got != want {
				t.Errorf("%s for %v: %s", class, cause, got)
			}
		}
	}
}
