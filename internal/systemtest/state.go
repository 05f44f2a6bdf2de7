package systemtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/option"
	"github.com/holdfast-iot/holdfast/internal/store"
)

// Durable is what must survive anything that is not authenticated.
type Durable struct {
	Records  map[string]string // the store's files
	Location string            // empty when not registered
}

// Durable reads what is durable once nothing is being written any more.
func (w *World) Durable(cfg holdfast.Config) Durable {
	w.T.Helper()
	synctest.Wait()
	d := Durable{Records: map[string]string{}}
	files, err := filepath.Glob(filepath.Join(cfg.StateDir, "*.*"))
	if err != nil {
		w.T.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			w.T.Fatal(err)
		}
		d.Records[filepath.Base(file)] = string(data)
	}
	if r, ok := w.Server.Registration(Endpoint); ok {
		d.Location = "/" + strings.Join(r.Location, "/")
	}
	return d
}

// ExpectUnchanged demands that nothing durable has changed.
func (w *World) ExpectUnchanged(cfg holdfast.Config, before Durable) {
	w.T.Helper()
	if diff := cmp.Diff(before, w.Durable(cfg)); diff != "" {
		w.T.Errorf("durable state has changed: %s", diff)
	}
}

// FlipByte damages the one credentials record and returns its content.
func FlipByte(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "credentials.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Evidence reports whether a file of a directory has that content.
func Evidence(t *testing.T, dir, content string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && string(data) == content {
			return true
		}
	}
	return false
}

// WithSleep replaces the watch for the suspended machine: watch is given what to
// call with the time that the machine has slept, and returns what ends that.
func WithSleep(watch func(tell func(slept time.Duration)) (remove func())) holdfast.Option {
	return func(s *option.Settings) { s.Sleep = watch }
}

// WithStoreFS puts a file system under the state directories of all clients of
// a runtime.
func WithStoreFS(fs store.FS) holdfast.Option {
	return func(s *option.Settings) { s.StoreFS = fs }
}
