//go:build unix

package control_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast/control"
)

// The sockets belong to the group, whose members can connect, and to nobody else.
func TestControlSocketsOfAGroup(t *testing.T) {
	dir := t.TempDir()
	for name, group := range map[string]string{"own": strconv.Itoa(os.Getgid()), "none": ""} {
		listen, metrics := filepath.Join(dir, name+".sock"), filepath.Join(dir, name+"-metrics.sock")
		if _, _, err := attached(t, control.Config{Listen: "unix:" + listen, Metrics: "unix:" + metrics, Group: group}); err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o600)
		if group != "" {
			want = 0o660
		}
		for _, path := range []string{listen, metrics} {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != want || info.Sys().(*syscall.Stat_t).Gid != uint32(os.Getgid()) {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
	}
}

// Where the user may give the socket to another group, it is done; where not, the
// error names the key, the group and the cause.
func TestControlSocketOfAnotherGroup(t *testing.T) {
	const another = 60123
	path := filepath.Join(t.TempDir(), "c.sock")
	_, _, err := attached(t, control.Config{Listen: "unix:" + path, Group: strconv.Itoa(another)})
	if os.Geteuid() != 0 {
		if !errors.Is(err, control.ErrListen) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "control.group") {
			t.Errorf("%v", err)
		}
		return
	}
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || info.Sys().(*syscall.Stat_t).Gid != another {
		t.Errorf("%v, %v", err, statErr)
	}
}
