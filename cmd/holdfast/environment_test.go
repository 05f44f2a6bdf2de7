package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// invokeIn runs a command line to its end in an environment.
func invokeIn(ctx context.Context, environment map[string]string, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	p := &program{ctx: ctx, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}
	p.lookupEnv = func(name string) (string, bool) {
		value, found := environment[name]
		return value, found
	}
	p.environ = func() (list []string) {
		for name, value := range environment {
			list = append(list, name+"="+value)
		}
		return list
	}
	exit := p.dispatch(args)
	return outcome{exit, stdout.String(), stderr.String()}
}

// The environment alone is a configuration for every command that takes one.
func TestWithoutAFile(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	t.Cleanup(func() { _ = server.Close() })
	server.ServeManagement(pc, lwm2mtest.NoSec())
	state := t.TempDir()
	environment := map[string]string{
		"HOLDFAST_ENDPOINT": "g", "HOLDFAST_STATE_DIR": state,
		"HOLDFAST_SERVER_URI": "coap://" + pc.LocalAddr().String(), "HOLDFAST_SERVER_SECURITY": "nosec",
	}
	if got := invokeIn(t.Context(), environment, "config", "check"); got != (outcome{exitDone, "the environment: valid\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := invokeIn(t.Context(), environment, "provision"); got.exit != exitDone || !strings.HasPrefix(got.stdout, state+": provisioned") {
		t.Errorf("%+v", got)
	}
	if got := invokeIn(t.Context(), environment, "factory-reset"); got.exit != exitDone {
		t.Errorf("%+v", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan outcome, 1)
	go func() { ended <- invokeIn(ctx, environment, "run", "--json") }()
	if err := server.WaitRegistered(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	stop()
	if got := <-ended; got.exit != exitDone {
		t.Errorf("%+v", got)
	}
}

// A variable of no key is refused by every command that reads the configuration.
func TestMisspeltVariable(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "gw.yaml", "endpoint: g\nserver: {uri: coap://h, security: nosec}\n")
	environment := map[string]string{"HOLDFAST_LIFETME": "1h"}
	for _, args := range [][]string{
		{"run", "--config", path}, {"config", "check", path}, {"provision", "--state-dir", t.TempDir(), "--config", path},
		{"ctl", "status", "--config", path},
	} {
		got := invokeIn(t.Context(), environment, args...)
		if got.exit != exitConfig || !strings.Contains(got.stderr, "HOLDFAST_LIFETME: is a variable that no key") || !strings.Contains(got.stderr, "HOLDFAST_LIFETIME?") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	environment = map[string]string{"HOLDFAST_LIFETIME": "1"}
	if got := invokeIn(t.Context(), environment, "run"); got.exit != exitConfig ||
		!strings.Contains(got.stderr, "(HOLDFAST_LIFETIME)") || !strings.Contains(got.stderr, "endpoint: is required (HOLDFAST_ENDPOINT)") {
		t.Errorf("%+v", got)
	}
}

// A service manager starts programs in any working directory: what is relative in the
// file stays where the file is.
func TestRelativePathsInAnotherDirectory(t *testing.T) {
	path := writeFile(t, "gw.yaml", "endpoint: g\nserver: {uri: coaps://h, security: psk, psk_identity: i, psk_key_file: gw.key}\n")
	folder := filepath.Dir(path)
	if err := os.WriteFile(filepath.Join(folder, "gw.key"), []byte("00112233"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	t.Chdir(elsewhere)
	if got := invoke(t.Context(), "config", "check", path); got.exit != exitDone {
		t.Errorf("%+v", got)
	}
	p := start(t, "run", "--json", "--config", path)
	p.until("state")
	p.end()
	if _, err := os.Stat(filepath.Join(folder, "state")); err != nil {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if got := invoke(t.Context(), "provision", "--state-dir", "store", "--config", path); got.exit != exitDone {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "store")); err != nil {
		t.Errorf("a directory that a flag gives starts from the working directory: %v", err)
	}
}
