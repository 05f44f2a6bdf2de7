//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A state directory that others may look into is narrowed, by every command that uses
// it, and each says so where people look.
func TestStateDirectoryIsNarrowed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	config := writeFile(t, "gw.yaml", "endpoint: g\nstate_dir: "+dir+"\nserver: {uri: 'coap://127.0.0.1:9', security: nosec}\nlog: {level: warn}\n")
	open := func() {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	said := func(what, stderr string) {
		t.Helper()
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o700 || !strings.Contains(stderr, dir+", which had mode 0755: it has 0700 now") {
			t.Errorf("%s: mode %v, %v, stderr %q", what, info.Mode(), err, stderr)
		}
	}
	open()
	said("provision", invoke(t.Context(), "provision", "--state-dir", dir, "--config", config).stderr)
	open()
	said("factory-reset", invoke(t.Context(), "factory-reset", "--state-dir", dir).stderr)
	open()
	var stderr bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	first := notifying{stop}
	if exit := run(ctx, []string{"run", "--config", config}, first, &stderr); exit != exitDone {
		t.Errorf("exit %d", exit)
	}
	said("run", stderr.String())

	if got := invoke(t.Context(), "provision", "--state-dir", dir, "--config", config); got.exit != exitDone || got.stderr != "" {
		t.Errorf("a private directory: %+v", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	open()
	if got := invoke(t.Context(), "provision", "--state-dir", dir, "--config", config); got.exit != exitDone || !strings.Contains(got.stderr, "a directory of its own") {
		t.Errorf("a shared directory: %+v", got)
	}
	if err := os.Chmod(dir, 0o757); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"provision", "--state-dir", dir, "--config", config}, {"factory-reset", "--state-dir", dir}, {"config", "check", config}} {
		if got := invoke(t.Context(), args...); got.exit == exitDone || !strings.Contains(got.stderr, "others may write it") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// notifying ends a command with its first line.
type notifying struct{ stop func() }

func (n notifying) Write(line []byte) (int, error) {
	n.stop()
	return io.Discard.Write(line)
}
