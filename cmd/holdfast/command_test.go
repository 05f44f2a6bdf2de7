package main

import (
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	bad := writeFile(t, "bad.yaml", "endpoint: \"\"\n")
	noFiles := writeFile(t, "files.yaml", "endpoint: g\nstate_dir: "+t.TempDir()+
		"\nserver: {uri: coaps://h, security: psk, psk_identity: i, psk_key_file: /nonexistent/key}\n")
	noRoom := writeFile(t, "noroom.yaml", "endpoint: g\nserver: {uri: coap://h"+strings.Repeat("/a", 80)+", security: nosec}\n")
	badKeys := writeFile(t, "keys", "a:00\nb\n")
	for _, test := range []struct {
		args   string
		exit   int
		stderr string // is part of it
	}{
		{"", exitUsage, "usage: holdfast COMMAND"},
		{"help", exitDone, ""},
		{"--help", exitDone, ""},
		{"nonsense", exitUsage, `"nonsense" is not a command`},
		{"config", exitUsage, `"config" is not a command`},
		{"config nonsense", exitUsage, `"config" is not a command`},
		{"firmware", exitUsage, `"firmware" is not a command`},
		{"config check", exitUsage, "0 arguments where 1 are expected"},
		{"config check a b", exitUsage, "2 arguments where 1 are expected"},
		{"config check -h", exitDone, ""},
		{"config check " + bad, exitConfig, "endpoint: is required"},
		{"config check " + noFiles, exitConfig, "server.psk_key_file: the file"},
		{"config check " + noRoom, exitConfig, "server.uri: leaves no room for a request: 80 path segments"},
		{"run --config " + noRoom, exitConfig, "server.uri: leaves no room"},
		{"provision --state-dir " + t.TempDir() + " --config " + noRoom, exitConfig, "server.uri: leaves no room"},
		{"config check /nonexistent/gw.yaml", exitConfig, "does not exist"},
		{"run", exitUsage, "--config is required"},
		{"run --nonsense", exitUsage, "not defined: -nonsense"},
		{"run --config " + bad, exitConfig, "endpoint: is required"},
		{"run --config " + bad + " --endpoint g --log-level loud", exitConfig, "log.level: is none of trace, debug, info, warn, error, fatal, panic and disabled (--log-level)"},
		{"run --config " + bad + " --server-psk-key 00", exitUsage, "not defined: -server-psk-key"},
		{"run --config x y", exitUsage, "1 arguments where 0 are expected"},
		{"server", exitUsage, "one of --psk-file, --psk and --nosec is required"},
		{"server --nosec --psk a:00", exitUsage, "--nosec excludes"},
		{"server --psk a", exitUsage, "has no colon"},
		{"server --nosec --listen :0", exitUsage, "--advertise"},
		{"server --nosec --listen [::]:0", exitUsage, "--advertise"},
		{"server --nosec --listen 127.0.0.1:nonsense", exitFailed, "listen udp"},
		{"server --nosec --listen 127.0.0.1:0 --bootstrap-listen nonsense", exitFailed, "listen udp"},
		{"server --psk-file /nonexistent/keys", exitConfig, "no such file"},
		{"server --psk-file " + badKeys, exitConfig, "keys:2: has no colon"},
		{"version x", exitUsage, "1 arguments where 0 are expected"},
	} {
		got := invoke(t.Context(), strings.Fields(test.args)...)
		if got.exit != test.exit || !strings.Contains(got.stderr, test.stderr) {
			t.Errorf("%s: exit %d, want %d; stderr %q, want %q", test.args, got.exit, test.exit, got.stderr, test.stderr)
		}
		if test.exit == exitDone && (got.stderr != "" || got.stdout == "") {
			t.Errorf("%s: stdout %q, stderr %q", test.args, got.stdout, got.stderr)
		}
	}
}

// Flags stand before, between and behind the arguments; what follows -- is no flag.
func TestFlagsStandAnywhere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want, flags string }{
		{"", "", "false 0"},
		{"a", "a", "false 0"},
		{"a --on b -n 3 c", "a b c", "true 3"},
		{"--on a b --n=4", "a b", "true 4"},
		{"-n 1 a -n 2", "a", "false 2"},
		{"a -- --on -n", "a --on -n", "false 0"},
		{"-- a --on", "a --on", "false 0"},
		{"--on -- -n", "-n", "true 0"},
		{"a - b", "a - b", "false 0"},
	} {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		on, n := fs.Bool("on", false, ""), fs.Int("n", 0, "")
		err := parseAll(fs, strings.Fields(test.args))
		if got := fmt.Sprint(*on, *n); err != nil || got != test.flags || strings.Join(fs.Args(), " ") != test.want {
			t.Errorf("%q: %q, %s, %v", test.args, fs.Args(), got, err)
		}
	}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	if err := parseAll(fs, []string{"a", "--nonsense"}); err == nil {
		t.Error("a flag behind an argument that is none")
	}
}

// The first word of some commands shows these.
func TestFirstWordOfCommands(t *testing.T) {
	t.Parallel()
	got := invoke(t.Context(), "firmware").stderr
	if !strings.Contains(got, "firmware sign") || strings.Contains(got, "provision") {
		t.Error(got)
	}
	if got := invoke(t.Context(), "firm").stderr; !strings.Contains(got, "firmware sign") || !strings.Contains(got, "provision") {
		t.Error(got)
	}
}

func TestConfigCheckValid(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "gw.yaml", "endpoint: g\nstate_dir: "+t.TempDir()+"\nserver: {uri: coap://h, security: nosec}\n")
	if got := invoke(t.Context(), "config", "check", path); got != (outcome{exitDone, path + ": valid\n", ""}) {
		t.Errorf("%+v", got)
	}
}

// A certificate that is not valid yet is no fault: the clock may be set by the time
// the client runs. The warning says so.
func TestConfigCheckWarnsOfTheClock(t *testing.T) {
	t.Parallel()
	ca, err := testpki.NewAuthority("CA")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(testpki.Request{Role: testpki.Client, CommonName: "g", ValidIn: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	files := leaf.WriteFiles(t)
	path := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: g\nstate_dir: %s\nserver: {uri: coaps://h, security: x509, certificate: %s, private_key: %s, trust: %s}\n",
		t.TempDir(), files.Cert, files.Key, ca.WriteFile(t)))
	got := invoke(t.Context(), "config", "check", path)
	if got.exit != exitDone || got.stdout != path+": valid\n" || !strings.Contains(got.stderr, "warning: server.certificate: is not valid before ") {
		t.Errorf("%+v", got)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := invoke(t.Context(), "version")
	for _, line := range append([]string{"holdfast ", "commit ", "go go1."}, fixedModules...) {
		if !strings.Contains("\n"+got.stdout, "\n"+line) {
			t.Errorf("no line %q in %q", line, got.stdout)
		}
	}
}

func TestCommit(t *testing.T) {
	t.Parallel()
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "abc"}
	for want, settings := range map[string][]debug.BuildSetting{
		"unknown":        nil,
		"abc":            {revision, {Key: "vcs.modified", Value: "false"}},
		"abc (modified)": {revision, {Key: "vcs.modified", Value: "true"}},
	} {
		if got := commit(settings); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A file that is missing may be there tomorrow: the client looks again.
func TestRunWithoutKeyFile(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "gw.yaml", "endpoint: g\nstate_dir: "+t.TempDir()+
		"\nserver: {uri: coaps://h, security: psk, psk_identity: i, psk_key_file: /nonexistent/key}\n")
	client := start(t, "run", "--config", path, "--json", "--log-level", "disabled")
	if e := client.until("error"); e["name"] != "ConnectorInvalidCredentials" || e["retry_in_ms"] == nil {
		t.Errorf("%v", e)
	}
	if exit := client.end(); exit != exitDone {
		t.Errorf("exit %d", exit)
	}
}

func TestRunOnLockedStore(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "gw.yaml", "endpoint: g\nstate_dir: "+t.TempDir()+
		"\nserver: {uri: \"coap://127.0.0.1:9\", security: nosec}\nlog: {level: disabled}\n")
	first := start(t, "run", "--config", path, "--json")
	first.until("state")
	second := invoke(t.Context(), "run", "--config", path) // which waits for 5 s
	if second.exit != exitFailed || second.stdout != "" || !strings.Contains(second.stderr, "is in use") {
		t.Errorf("second: %+v", second)
	}
	if exit := first.end(); exit != exitDone {
		t.Errorf("first: exit %d", exit)
	}
}
