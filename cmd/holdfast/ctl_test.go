package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// controlled is a client under way with a control API on a unix socket.
type controlled struct {
	*process
	t      *testing.T
	addr   string
	config string
}

// startControlled starts a server without security and a client that registers
// there.
func startControlled(t *testing.T) (client controlled, server *process) {
	t.Helper()
	server = start(t, "server", "--json", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0", "--nosec")
	listening := server.until("listening")
	dir := t.TempDir()
	addr := "unix:" + filepath.Join(dir, "c.sock")
	config := writeFile(t, "gw.yaml", fmt.Sprintf(
		"endpoint: gw-0001\nstate_dir: %s/state\nlog: {level: disabled}\nserver: {uri: %q, security: nosec}\ncontrol: {listen: %q}\n",
		dir, listening["uri"], addr))
	client = controlled{start(t, "run", "--json", "--config", config), t, addr, config}
	client.until("registered")
	return client, server
}

// ctl runs one ctl command and demands an exit code and a part of the output.
func (c controlled) ctl(exit int, want string, args ...string) outcome {
	c.t.Helper()
	got := invoke(c.t.Context(), append([]string{"ctl"}, args...)...)
	if got.exit != exit || !strings.Contains(got.stdout+got.stderr, want) {
		c.t.Errorf("ctl %s: exit %d, stdout %q, stderr %q; want exit %d and %q", strings.Join(args, " "), got.exit, got.stdout, got.stderr, exit, want)
	}
	return got
}

func TestCtlSteersARunningClient(t *testing.T) {
	t.Parallel()
	client, server := startControlled(t)
	addr := "--addr=" + client.addr
	client.ctl(exitDone, "gw-0001  registered for ", "status", addr)
	client.ctl(exitDone, "server 1     registered coap://127.0.0.1", "status", "--config", client.config)
	client.ctl(exitDone, "gw-0001 is registered since ", "explain", addr)
	client.ctl(exitDone, "update: on its way", "update", addr)
	client.until("registration_updated")
	client.ctl(exitDone, "pause: done", "pause", addr)
	client.ctl(exitFailed, "gw-0001  paused for ", "status", addr)
	client.ctl(exitFailed, "ConnectNotAllowed (11): update while the client is paused - An update needs a registration", "update", addr)
	client.ctl(exitFailed, `"name":"ConnectNotAllowed"`, "pause", addr, "--json")
	client.ctl(exitDone, "resume: done", "resume", addr)
	client.until("registered")
	client.ctl(exitDone, "factory-reset: done", "factory-reset", addr)
	client.until("registered")
	status := client.ctl(exitDone, "", "status", addr, "--json")
	var decoded map[string]any
	if err := json.Unmarshal([]byte(status.stdout), &decoded); err != nil || decoded["state"] != "registered" || decoded["registered"] != true {
		t.Errorf("status: %v, %v", decoded, err)
	}
	client.ctl(exitDone, "close: done", "close", addr)
	client.ended(exitDone)
	client.ctl(exitFailed, "no client answers on "+client.addr, "status", addr)
	if exit := server.end(); exit != exitDone {
		t.Errorf("server: exit %d", exit)
	}
}

// A trial server gives clients Connection IDs, unless told otherwise: what a pause leaves of
// a session shows it.
func TestTrialServerGivesConnectionIDs(t *testing.T) {
	t.Parallel()
	const key = "000102030405060708090a0b0c0d0e0f"
	for want, more := range map[string][]string{"kept": nil, "new": {"--cid=false"}} {
		server := start(t, append([]string{"server", "--json", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0", "--psk", "gw-0001:" + key}, more...)...)
		listening := server.until("listening")
		dir := t.TempDir()
		addr := "unix:" + filepath.Join(dir, "c.sock")
		config := writeFile(t, "gw.yaml", fmt.Sprintf(
			"endpoint: gw-0001\nstate_dir: %s/state\nlog: {level: disabled}\nserver: {uri: %q, security: psk, psk_identity: gw-0001, psk_key: %s}\ncontrol: {listen: %q}\n",
			dir, listening["uri"], key, addr))
		client := controlled{start(t, "run", "--json", "--config", config), t, addr, config}
		if e := client.until("registered"); e["session"] != "new" {
			t.Errorf("%v", e)
		}
		costs := map[any]int{}
		for range 10 { // a client that resumes at once may not have its session back yet
			client.ctl(exitDone, "pause: done", "pause", "--addr="+addr)
			client.ctl(exitDone, "resume: done", "resume", "--addr="+addr)
			costs[client.until("registered")["session"]]++
		}
		if kept := costs["kept"] > 0; kept != (want == "kept") || costs["kept"]+costs["new"] != 10 {
			t.Errorf("%q: registered at the cost of %v, want %s", more, costs, want)
		}
		client.ctl(exitDone, "close: done", "close", "--addr="+addr)
		client.ended(exitDone)
		server.end()
	}
}

// ended waits for run to end by itself.
func (c controlled) ended(exit int) {
	c.t.Helper()
	var line map[string]any
	for c.lines.Decode(&line) == nil {
	}
	if got := <-c.process.ended; got != exit {
		c.t.Errorf("run: exit %d", got)
	}
}

// ctl events prints what run prints, until the client is closed.
func TestCtlEvents(t *testing.T) {
	t.Parallel()
	client, server := startControlled(t)
	events := start(t, "ctl", "events", "--json", "--addr", client.addr)
	// Whether the stream is open shows at the first event of it.
	done := make(chan map[string]any, 1)
	go func() { done <- events.until("registration_updated") }()
	for seen := false; !seen; {
		client.ctl(exitDone, "update: on its way", "update", "--addr", client.addr)
		client.until("registration_updated")
		select {
		case e := <-done:
			seen = e["endpoint"] == "gw-0001" && e["seq"].(float64) > 0
		default:
		}
	}
	client.ctl(exitDone, "close: done", "close", "--addr", client.addr)
	client.ended(exitDone)
	events.until("unregistered")
	var line map[string]any
	for events.lines.Decode(&line) == nil {
	}
	if exit := <-events.ended; exit != exitDone {
		t.Errorf("ctl events: exit %d", exit)
	}
	server.end()
}

func TestCtlUsage(t *testing.T) {
	t.Parallel()
	plain := writeFile(t, "gw.yaml", "endpoint: g\nserver: {uri: coap://h, security: nosec}\n")
	bad := writeFile(t, "bad.yaml", "endpoint: \"\"\n")
	nowhere := "unix:" + filepath.Join(t.TempDir(), "none.sock")
	for _, test := range []struct {
		args   string
		exit   int
		stderr string
	}{
		{"ctl", exitUsage, "which action: status, events"},
		{"ctl -h", exitDone, ""},
		{"ctl status -h", exitDone, ""},
		{"ctl nonsense --addr x:1", exitUsage, "which action"},
		{"ctl status", exitUsage, "where is the client?"},
		{"ctl status --config " + plain, exitUsage, "where is the client?"},
		{"ctl status --config " + bad, exitConfig, "endpoint: is required"},
		{"ctl --addr x:1 status extra", exitUsage, "arguments where 0 are expected"},
		{"ctl --addr " + nowhere + " firmware grant", exitFailed, "no client answers on " + nowhere},
		{"ctl firmware --addr " + nowhere + " defer --for 1h", exitFailed, "no client answers on " + nowhere},
		{"ctl status extra --addr x:1", exitUsage, "arguments where 0 are expected"},
		{"ctl firmware --addr x:1", exitUsage, "which decision: firmware grant, refuse, defer?"},
		{"ctl firmware nonsense --addr x:1", exitUsage, "which decision"},
		{"ctl firmware defer --for -1s --addr x:1", exitUsage, "--for is negative"},
		{"ctl firmware grant --for 1h --addr x:1", exitUsage, "--for belongs to firmware defer"},
		{"ctl pause --for 1h --addr x:1", exitUsage, "--for belongs to firmware defer"},
		{"ctl firmware grant --addr " + nowhere, exitFailed, "no client answers on " + nowhere},
		{"ctl status --addr " + nowhere, exitFailed, "no client answers on " + nowhere},
		{"ctl events --addr " + nowhere, exitFailed, "no client answers on " + nowhere},
		{"ctl close --addr " + nowhere, exitFailed, "no client answers on " + nowhere},
		{"ctl explain --addr " + nowhere, exitFailed, "no client answers on " + nowhere},
	} {
		got := invoke(t.Context(), strings.Fields(test.args)...)
		if got.exit != test.exit || !strings.Contains(got.stderr, test.stderr) {
			t.Errorf("%s: exit %d, want %d; stderr %q, want %q", test.args, got.exit, test.exit, got.stderr, test.stderr)
		}
	}
}

// A configured address that cannot be listened on ends run, and the directory
// is free again.
func TestRunWithoutAPlaceToListen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeFile(t, "gw.yaml", "endpoint: g\nstate_dir: "+dir+"/state\nlog: {level: disabled}\n"+
		"server: {uri: \"coap://127.0.0.1:9\", security: nosec}\ncontrol: {listen: \"unix:"+dir+"/missing/c.sock\"}\n")
	got := invoke(t.Context(), "run", "--config", config)
	if got.exit != exitFailed || !strings.Contains(got.stderr, "the control API cannot listen on unix:"+dir+"/missing/c.sock") {
		t.Errorf("%+v", got)
	}
	if got := invoke(t.Context(), "factory-reset", "--state-dir", dir+"/state"); got.exit != exitDone {
		t.Errorf("the directory is in use: %+v", got)
	}
	got = invoke(t.Context(), "run", "--config", config, "--control-listen", "0.0.0.0:1")
	if got.exit != exitConfig || !strings.Contains(got.stderr, "control.listen: is not on loopback") {
		t.Errorf("%+v", got)
	}
}

const trialKey = "000102030405060708090a0b0c0d0e0f"

func TestProvisionAndFactoryReset(t *testing.T) {
	t.Parallel()
	server := start(t, "server", "--json", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0", "--psk", "gw-0001:"+trialKey)
	uri := server.until("listening")["uri"]
	dir := filepath.Join(t.TempDir(), "state")
	account := writeFile(t, "factory.yaml", fmt.Sprintf(
		"endpoint: gw-0001\nserver: {uri: %q, security: psk, psk_identity: gw-0001, psk_key: %s}\n", uri, trialKey))
	plain := writeFile(t, "gw.yaml", "endpoint: gw-0001\nlog: {level: disabled}\nstate_dir: "+dir+"\n")
	for _, test := range []struct {
		args, output string
		exit         int
	}{
		{"provision", "--state-dir and --config are required", exitUsage},
		{"provision --state-dir " + dir + " --config " + plain, "neither a bootstrap nor a server section", exitConfig},
		{"provision --state-dir " + dir + " --config " + account + ".none", "does not exist", exitConfig},
		{"factory-reset", "--state-dir is required", exitUsage},
		{"factory-reset --state-dir " + dir + ".none", "no such file", exitFailed},
		{"provision --state-dir " + dir + " --config " + account, "provisioned with the server account coaps://127.0.0.1", exitDone},
	} {
		got := invoke(t.Context(), strings.Fields(test.args)...)
		if got.exit != test.exit || !strings.Contains(got.stdout+got.stderr, test.output) {
			t.Errorf("%s: %+v", test.args, got)
		}
		if strings.Contains(got.stdout+got.stderr, trialKey) {
			t.Errorf("%s shows the key", test.args)
		}
	}
	client := start(t, "run", "--json", "--config", plain) // knows nothing but what was provisioned
	client.until("registered")
	inUse := invokeBriefly(t, "factory-reset", "--state-dir", dir)
	if inUse.exit != exitFailed || !strings.Contains(inUse.stderr, fmt.Sprint(os.Getpid())) || !strings.Contains(inUse.stderr, "ctl factory-reset") {
		t.Errorf("in use: %+v", inUse)
	}
	if exit := client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
	if got := invoke(t.Context(), "factory-reset", "--state-dir", dir); got.exit != exitDone {
		t.Errorf("%+v", got)
	}
	server.end()
}

// A key file that is missing is no reason for run not to start: it is reported,
// looked at again by the policy, and the client registers once it is there.
func TestRunWaitsForItsKeyFile(t *testing.T) {
	t.Parallel()
	server := start(t, "server", "--json", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0", "--psk", "gw-0001:"+trialKey)
	uri := server.until("listening")["uri"]
	dir := t.TempDir()
	key := filepath.Join(dir, "gw.key")
	config := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: gw-0001\nstate_dir: %s/state\nlog: {level: disabled}\n"+
		"server: {uri: %q, security: psk, psk_identity: gw-0001, psk_key_file: %s}\nreconnect: {initial_min: 50ms, initial_max: 50ms, max: 200ms}\n", dir, uri, key))
	if got := invoke(t.Context(), "config", "check", config); got.exit != exitConfig {
		t.Errorf("config check: %+v", got)
	}
	client := start(t, "run", "--json", "--config", config)
	for attempt := range 2 {
		e := client.until("error")
		if code := e["code"]; code != 4.0 && code != 17.0 || e["phase"] != "store" || e["attempt"] != float64(attempt+1) || e["retry_in_ms"] == nil {
			t.Errorf("%v", e)
		}
	}
	if err := os.WriteFile(key, []byte(trialKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client.until("registered")
	if exit := client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
	server.end()
}

// invokeBriefly is invoke for a command that would wait: it is interrupted.
func invokeBriefly(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	return invoke(ctx, args...)
}

// An account that nothing is asked of is no account that is starting.
func TestCtlStatusOfIdleAccounts(t *testing.T) {
	for _, test := range []struct{ client, account, want holdfast.State }{
		{holdfast.Registered, holdfast.Starting, "idle"},
		{holdfast.Paused, holdfast.Starting, "idle"},
		{holdfast.Starting, holdfast.Starting, holdfast.Starting},
		{holdfast.Registered, holdfast.Registered, holdfast.Registered},
	} {
		s := ctlStatus{Endpoint: "gw", State: test.client, Connections: []holdfast.Connection{{
			Account: "bootstrap", Server: "coap://h", State: test.account,
		}}}
		if want := "  bootstrap    " + string(test.want) + " coap://h\n"; !strings.HasSuffix(s.String(), want) {
			t.Errorf("%s, %s: %q", test.client, test.account, s)
		}
	}
}

// Why nothing comes of an account that its server has disabled is said in its line.
func TestCtlStatusOfADisabledAccount(t *testing.T) {
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	s := ctlStatus{Endpoint: "gw", State: holdfast.Waiting, Connections: []holdfast.Connection{{
		Account: "server 1", Server: "coap://h", State: holdfast.Waiting, DisabledUntil: until,
		Next: &holdfast.NextStep{Action: holdfast.ActionRegister, In: time.Hour},
	}}}
	want := "  server 1     disabled by the server until 2026-03-01 12:00:00 coap://h, register in 1 h\n"
	if !strings.HasSuffix(s.String(), want) {
		t.Errorf("%q", s)
	}
}

// An update has a line, from the first on.
func TestCtlStatusOfTheNetwork(t *testing.T) {
	for want, s := range map[string]holdfast.NetworkStatus{
		"  network      wwan0: eth0 is not there\n":                {Interfaces: []string{"eth0", "wwan0"}, Interface: "wwan0", Reason: "eth0 is not there"},
		"  network      eth0\n":                                    {Interfaces: []string{"eth0"}, Interface: "eth0"},
		"  network      none of eth0, wwan0: no interface of it\n": {Interfaces: []string{"eth0", "wwan0"}, Reason: "no interface of it"},
	} {
		if got := (ctlStatus{Endpoint: "gw", State: holdfast.Waiting, Network: &s}).String(); !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (ctlStatus{Endpoint: "gw"}).String(); strings.Contains(got, "network") {
		t.Errorf("%q", got)
	}
}

func TestCtlStatusOfAnUpdate(t *testing.T) {
	s := ctlStatus{Endpoint: "gw", State: holdfast.Registered, Firmware: &holdfast.FirmwareStatus{StateName: "idle"}}
	if got := s.String(); got != "gw  registered\n" {
		t.Errorf("%q", got)
	}
	s.Firmware = &holdfast.FirmwareStatus{
		Object: 10252, State: 1, StateName: "idle", Result: 23, ResultName: "MANIFEST_SIGNATURE_INVALID", Pending: 2, Detail: "no\x1b[2J key",
	}
	want := "  firmware     idle, last result 23 MANIFEST_SIGNATURE_INVALID, 2 values not reported yet: no [2J key\n"
	if got := s.String(); !strings.HasSuffix(got, want) {
		t.Errorf("%q", got)
	}
}
