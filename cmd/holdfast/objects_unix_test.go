//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/cmd/holdfast/internal/console"
)

// startWithObjects starts a server that somebody types at, and a client that has more in
// its configuration.
func startWithObjects(t *testing.T, more string) *manned {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	server := startWith(t, r, "server", "--json", "--nosec", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0")
	uri := server.until("listening")["uri"]
	path := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: gw-0001\nstate_dir: %s\nserver: {uri: %q, security: nosec}\n%s", t.TempDir(), uri, more))
	m := &manned{process: server, keys: w, client: start(t, "run", "--json", "--config", path)}
	m.until("register")
	return m
}

// What the configuration says is read, written and observed, and a command that fails
// concerns nobody but the one who has asked.
func TestRunServesObjects(t *testing.T) {
	t.Parallel()
	temp := writeFile(t, "temp", "45123\n")
	m := startWithObjects(t, `objects:
  - {path: /3303/0/5700, value: 21.5}
  - {path: /3303/1/5700, file: `+temp+`, scale: 0.001, every: 100ms}
  - {path: /3303/2/5700, command: [/bin/echo, 7]}
  - {path: /3303/3/5700, command: [/bin/sh, -c, exit 1]}
  - {path: /3306/0/5850, value: false, writable: true}
`)
	for _, tc := range []struct {
		line, code string
		value      any
	}{
		{"read /3303/0/5700", "2.05", 21.5},
		{"read /3303/1/5700", "2.05", 45.123},
		{"read /3303/2/5700", "2.05", 7.0},
		{"read /3303/3/5700", "5.00", nil},
		{"write /3306/0/5850 true", "2.04", nil},
		{"read /3306/0/5850", "2.05", true},
		{"write /3303/0/5700 1", "4.05", nil},
		{"observe /3303/1/5700 pmin=0", "2.05", 45.123},
	} {
		if got := m.types(tc.line); got["code"] != tc.code || got["value"] != tc.value {
			t.Errorf("%s: %v", tc.line, got)
		}
	}
	// Renamed into place: a reader sees the one value or the other.
	next := filepath.Join(filepath.Dir(temp), "next")
	if err := os.WriteFile(next, []byte("46000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, temp); err != nil {
		t.Fatal(err)
	}
	if got := m.until(console.TypeNotification); got["path"] != "/3303/1/5700" || got["value"] != 46.0 {
		t.Errorf("notified: %v", got)
	}
	if exit := m.client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
	m.end()
}

// The machine itself is there without a word, and is rebooted by the configured command
// only.
func TestRunServesTheMachine(t *testing.T) {
	t.Parallel()
	m := startWithObjects(t, "device: {serial: s-1}\nlog: {level: disabled}\n")
	for line, code := range map[string]string{
		"read /3/0/13": "2.05", "read /4/0": "2.05", "read /7/0": "2.05", "read /6/0": "4.04", "exec /3/0/4": "4.05",
	} {
		if got := m.types(line); got["code"] != code {
			t.Errorf("%s: %v", line, got)
		}
	}
	for line, value := range map[string]any{"read /3/0/0": "Holdfast", "read /3/0/2": "s-1"} {
		if got := m.types(line); got["value"] != value {
			t.Errorf("%s: %v", line, got)
		}
	}
	m.client.end()
	m.end()
}

func TestRunReboots(t *testing.T) {
	t.Parallel()
	done := filepath.Join(t.TempDir(), "done")
	m := startWithObjects(t, "device: {reboot: [/bin/sh, -c, 'echo rebooted > "+done+"']}\nlocation: {latitude: 47.5, longitude: 0}\nlog: {level: disabled}\n")
	if got := m.types("exec /3/0/4"); got["code"] != "2.04" {
		t.Errorf("%v", got)
	}
	if said, err := os.ReadFile(done); strings.TrimSpace(string(said)) != "rebooted" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
	if got := m.types("read /6/0/0"); got["value"] != 47.5 {
		t.Errorf("%v", got)
	}
	m.client.end()
	m.end()

	hidden := startWithObjects(t, "device: {machine: false}\nlog: {level: disabled}\n")
	for line, code := range map[string]string{"read /3/0/0": "2.05", "read /3/0/21": "4.04", "read /4/0": "4.04", "read /7/0": "4.04"} {
		if got := hidden.types(line); got["code"] != code {
			t.Errorf("%s: %v", line, got)
		}
	}
	hidden.client.end()
	hidden.end()
}

// Each fault is told at once, and the exit code says that it is the configuration.
func TestConfigCheckOfObjects(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "gw.yaml", "endpoint: g\nserver: {uri: coap://h, security: nosec}\nobjects:\n  - {path: /3303/0/5700, value: x}\n  - {path: /1/0/1, value: 1}\n  - {path: /3303/0, file: a}\n")
	got := invoke(t.Context(), "config", "check", path)
	for _, key := range []string{"objects[0].value: ", "objects[1].path: ", "objects[2].path: "} {
		if got.exit != exitConfig || !strings.Contains(got.stderr, key) {
			t.Errorf("exit %d, no %s in %s", got.exit, key, got.stderr)
		}
	}
}
