//go:build unix

package hostile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Row 40: what is planted where the credentials stand is not followed, does not
// block and is not used; it is reported, and the client registers with new
// credentials from its bootstrap server.
func TestHostile40PlantedCredentialsAreNotUsed(t *testing.T) {
	state := managementAccount(t)
	for name, plant := range map[string]func(path string, good []byte) error{
		"symbolic link": func(path string, good []byte) error {
			target := filepath.Join(t.TempDir(), "elsewhere")
			if err := os.WriteFile(target, good, 0o600); err != nil {
				return err
			}
			return os.Symlink(target, path)
		},
		"fifo":           func(path string, _ []byte) error { return syscall.Mkfifo(path, 0o600) },
		"directory":      func(path string, _ []byte) error { return os.Mkdir(path, 0o700) },
		"endless device": func(path string, _ []byte) error { return os.Symlink("/dev/zero", path) },
		"empty file":     func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"64 MiB":         func(path string, _ []byte) error { return sparse(path, 64<<20) },
		"garbage":        func(path string, good []byte) error { return os.WriteFile(path, good[:len(good)/2], 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyState(t, state)
			path, good := takeCredentials(t, dir)
			if err := plant(path, good); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.ServeAndDeliver()
				cfg := w.Factory()
				cfg.StateDir = dir
				c := w.Start(cfg)
				if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeReadCredentials || e.Phase != "store" {
					t.Errorf("%+v", e)
				}
				c.Next(holdfast.EventBootstrapped)
				w.ExpectHealthy(c)
				c.ExpectClose(nil)
			})
		})
	}
}

// takeCredentials removes the one credentials record and returns its path and
// content.
func takeCredentials(t *testing.T, dir string) (path string, content []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "credentials.*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if content, err = os.ReadFile(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	return files[0], content
}

func sparse(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, size)
}
