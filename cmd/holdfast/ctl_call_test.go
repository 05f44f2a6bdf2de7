package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// withServer starts a client of a server that can misbehave. Its first delay is
// short.
func withServer(t *testing.T, more string) (client controlled, server *lwm2mtest.Server) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server = lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	t.Cleanup(func() { _ = server.Close() })
	server.ServeManagement(pc, lwm2mtest.NoSec())
	dir := t.TempDir()
	addr := "unix:" + filepath.Join(dir, "c.sock")
	config := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: gw-0001\nstate_dir: %s/state\nlog: {level: disabled}\n"+
		"server: {uri: \"coap://%s\", security: nosec}\ncontrol: {listen: %q}\n%s", dir, pc.LocalAddr(), addr, more))
	client = controlled{start(t, "run", "--json", "--config", config), t, addr, config}
	client.until("registered")
	return client, server
}

// With --wait a call ends with what has come of it.
func TestCtlWaitsForTheOutcome(t *testing.T) {
	t.Parallel()
	client, server := withServer(t, "")
	addr := "--addr=" + client.addr
	for n := range 3 {
		client.ctl(exitDone, "update: done, accepted by coap://127.0.0.1", "update", addr, "--wait")
		if got := server.Updates("gw-0001"); got != n+1 { // it has been accepted by now
			t.Errorf("%d updates after %d calls", got, n+1)
		}
	}
	client.ctl(exitDone, "reconnect: done, the client is registered", "reconnect", addr, "--wait")
	client.ctl(exitFailed, "ConnectNotAllowed (11)", "bootstrap", addr, "--wait")
	client.ctl(exitDone, "pause: done", "pause", addr, "--wait")
	client.ctl(exitDone, "factory-reset: done, the client is paused", "factory-reset", addr, "--wait")
	client.ctl(exitDone, "resume: done, the client is registered", "resume", addr, "--wait")
	client.ctl(exitDone, "registered for ", "status", addr) // without a moment in between
	got := client.ctl(exitDone, "", "update", addr, "--wait", "--json")
	var answer, event map[string]any
	lines := json.NewDecoder(strings.NewReader(got.stdout))
	if err := lines.Decode(&answer); err != nil || answer["ok"] != true {
		t.Errorf("%v, %v", answer, err)
	}
	if err := lines.Decode(&event); err != nil || event["type"] != "registration_updated" || event["seq"].(float64) <= answer["seq"].(float64) {
		t.Errorf("%v, %v after %v", event, err, answer)
	}
	client.ctl(exitDone, "close: done", "close", addr, "--wait")
	client.ctl(exitFailed, "no client answers", "status", addr) // it is gone when close returns
	if got := invoke(t.Context(), "factory-reset", "--state-dir", filepath.Join(filepath.Dir(strings.TrimPrefix(client.addr, "unix:")), "state")); got.exit != exitDone {
		t.Errorf("the directory is in use: %+v", got)
	}
	client.ended(exitDone)
}

// An Update that the server refuses or does not answer is a failure, with the text
// of the error and what comes next.
func TestCtlUpdateThatFails(t *testing.T) {
	t.Parallel()
	client, server := withServer(t, "coap: {ack_timeout: 400ms, max_retransmit: 1}\nreconnect: {initial_min: 1h, initial_max: 1h}\n")
	addr := "--addr=" + client.addr
	server.Misbehave("gw-0001", lwm2mtest.Update, 1, lwm2mtest.Behaviour{Answer: lwm2m.CodeInternalServerError})
	got := client.ctl(exitFailed, "update: ConnectNetworkError (7)", "update", addr, "--wait")
	if !strings.Contains(got.stderr, "answered 5.00") || !strings.Contains(got.stderr, "retry in 1 h") {
		t.Errorf("stderr %q", got.stderr)
	}
	server.Misbehave("gw-0001", lwm2mtest.Update, -1, lwm2mtest.Behaviour{Silent: true})
	client.ctl(exitFailed, "nothing has come of it in time", "update", addr, "--wait", "--timeout=500ms") // before the resends are over
	client.until("error")                                                                                 // of the Update that was refused
	client.until("error")                                                                                 // of the one that nobody waited for any more
	if exit := client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
}

// Ctrl-C ends the wait, and not what was asked for.
func TestCtlWaitIsInterrupted(t *testing.T) {
	t.Parallel()
	client, server := withServer(t, "")
	server.Misbehave("gw-0001", lwm2mtest.Update, 1, lwm2mtest.Behaviour{Delay: time.Second, Separate: true})
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		_ = server.WaitRequests(ctx, "gw-0001", lwm2mtest.Update, 1)
		interrupt()
	}()
	got := invoke(ctx, "ctl", "update", "--addr", client.addr, "--wait")
	if got.exit != exitFailed || !strings.Contains(got.stderr, "update: interrupted; what was asked for may still be done") {
		t.Errorf("%+v", got)
	}
	client.until("registration_updated")
	if exit := client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
}

// A bootstrap has come when the new accounts are stored.
func TestCtlWaitsForABootstrap(t *testing.T) {
	t.Parallel()
	server := start(t, "server", "--json", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0", "--nosec")
	server.until("listening")
	uri := server.until("listening")["uri"]
	dir := t.TempDir()
	addr := "unix:" + filepath.Join(dir, "c.sock")
	config := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: gw-0001\nstate_dir: %s/state\nlog: {level: disabled}\n"+
		"bootstrap: {uri: %q, security: nosec}\ncontrol: {listen: %q}\n", dir, uri, addr))
	client := controlled{start(t, "run", "--json", "--config", config), t, addr, config}
	client.until("registered")
	client.ctl(exitDone, fmt.Sprintf("bootstrap: done, accepted by %s", uri), "bootstrap", "--addr", addr, "--wait")
	client.until("bootstrapped")
	if exit := client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
	server.end()
}

// What is still to come of a call does not depend on when the events come, and
// events from before it do not count.
func TestCtlWaiting(t *testing.T) {
	const one, two = "coap://one", "coap://two"
	event := func(seq uint64, kind holdfast.EventType, server string) holdfast.Event {
		return holdfast.Event{Seq: seq, Type: kind, Server: server}
	}
	failure := func(seq uint64, server string, action holdfast.Action) holdfast.Event {
		return holdfast.Event{Seq: seq, Type: holdfast.EventError, Server: server, Action: action}
	}
	state := func(seq uint64, s holdfast.State) holdfast.Event {
		return holdfast.Event{Seq: seq, Type: holdfast.EventState, State: s}
	}
	both := ctlAnswer{Seq: 7, State: holdfast.Registered, Servers: []string{one, two}}
	for name, test := range map[string]struct {
		action       string
		answer       ctlAnswer
		events       []holdfast.Event
		done, failed bool
	}{
		"both":              {"update", both, []holdfast.Event{event(8, holdfast.EventRegistrationUpdated, two), event(9, holdfast.EventRegistrationUpdated, one)}, true, false},
		"one of two":        {"update", both, []holdfast.Event{event(8, holdfast.EventRegistrationUpdated, two), event(9, holdfast.EventRegistrationUpdated, two)}, false, false},
		"before the call":   {"update", both, []holdfast.Event{event(6, holdfast.EventRegistrationUpdated, one), event(7, holdfast.EventRegistrationUpdated, two)}, false, false},
		"forgotten there":   {"update", ctlAnswer{Seq: 7, Servers: []string{one}}, []holdfast.Event{event(8, holdfast.EventRegistered, one)}, true, false},
		"failed":            {"update", both, []holdfast.Event{failure(8, one, holdfast.ActionRetry)}, true, true},
		"another's failure": {"update", both, []holdfast.Event{failure(8, "coap://three", holdfast.ActionRetry)}, false, false},
		"a refused call":    {"update", both, []holdfast.Event{failure(8, "", holdfast.ActionNone), failure(9, one, holdfast.ActionIgnore)}, false, false},
		"paused meanwhile":  {"update", both, []holdfast.Event{state(8, holdfast.Paused)}, true, true},
		"bootstrapped":      {"bootstrap", ctlAnswer{Servers: []string{one}}, []holdfast.Event{state(8, holdfast.Bootstrapping), event(9, holdfast.EventBootstrapped, one)}, true, false},
		"resumed":           {"resume", ctlAnswer{State: holdfast.Resolving}, []holdfast.Event{state(8, holdfast.Connecting), state(9, holdfast.Registered)}, true, false},
		"not resumed":       {"resume", ctlAnswer{State: holdfast.Resolving}, []holdfast.Event{failure(8, two, holdfast.ActionRetry)}, true, true},
		"not waiting":       {"reconnect", ctlAnswer{State: holdfast.Registered}, nil, true, false},
		"unusable files":    {"factory-reset", ctlAnswer{State: holdfast.Starting}, []holdfast.Event{failure(8, "", holdfast.ActionUser)}, true, true},
	} {
		w := newCtlWaiting(test.action, test.answer)
		for _, e := range test.events {
			w.take(e)
		}
		if w.done != test.done || (w.failed != nil) != test.failed {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// A client that has stopped answering is said to hang within 5 s, whatever it is
// asked.
func TestCtlOfAClientThatHangs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c.sock")
	listener, err := net.Listen("unix", path) // it accepts, by the kernel, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var all sync.WaitGroup
	defer all.Wait()
	for _, action := range ctlActions {
		for _, more := range []string{"--wait=false", "--wait"} {
			all.Go(func() {
				began := time.Now()
				args := []string{"ctl", action, "--addr", "unix:" + path, more}
				if action == "firmware" {
					args = slices.Insert(args, 2, "grant")
				}
				got := invoke(t.Context(), args...)
				if got.exit != exitFailed || !strings.Contains(got.stderr, "hangs: it has said nothing for 4.5s") {
					t.Errorf("%s %s: %+v", action, more, got)
				}
				if took := time.Since(began); took > 10*time.Second { // 5 s, on a machine that is not busy
					t.Errorf("%s %s took %v", action, more, took)
				}
			})
		}
	}
}

// Where too many read events the call is made all the same, and the exit code does not
// claim what nobody has seen.
func TestCtlCannotWait(t *testing.T) {
	t.Parallel()
	made := make(chan string, 2)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("POST /v1/update", func(w http.ResponseWriter, r *http.Request) {
		made <- r.URL.Path
		_, _ = w.Write([]byte(`{"ok":true,"servers":["coap://dm.example"]}`))
	})
	api := httptest.NewServer(mux)
	defer api.Close()
	addr := "--addr=" + api.Listener.Addr().String()
	for wait, want := range map[string]int{"--wait": exitFailed, "--wait=false": exitDone} {
		got := invoke(t.Context(), "ctl", "update", addr, wait)
		if got.exit != want || !strings.Contains(got.stdout, "update: on its way") || (want == exitFailed) != strings.Contains(got.stderr, "cannot be waited for") {
			t.Errorf("%s: %+v", wait, got)
		}
	}
	if len(made) != 2 {
		t.Errorf("%d calls", len(made))
	}
}

// A call that is interrupted before it is answered may have been made.
func TestCtlCallIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/update", func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	})
	api := httptest.NewServer(mux) // it has no events
	defer api.Close()
	got := invoke(ctx, "ctl", "update", "--addr="+api.Listener.Addr().String())
	if got.exit != exitFailed || !strings.Contains(got.stderr, "update: interrupted; what was asked for may still be done") {
		t.Errorf("%+v", got)
	}
}

// What the gateway decides is a call for each decision, with its period, and nothing more
// is waited for.
func TestCtlFirmware(t *testing.T) {
	t.Parallel()
	made := make(chan string, 4)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(": events\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /v1/firmware/{decision}", func(w http.ResponseWriter, r *http.Request) {
		made <- r.URL.RequestURI()
		if r.PathValue("decision") == "refuse" {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"code":11,"name":"ConnectNotAllowed","detail":"firmware refuse: the gateway is not asked","remedy":"Wait."}`))
			return
		}
		_, _ = w.Write([]byte(`{"ok":true,"seq":7}`))
	})
	api := httptest.NewServer(mux)
	defer api.Close()
	for _, test := range []struct {
		args, uri, says string
		exit            int
	}{
		{"grant --wait", "/v1/firmware/grant", "firmware grant: done\n", exitDone},
		{"defer --wait=false", "/v1/firmware/defer", "firmware defer: done\n", exitDone},
		{"defer --for 90m --wait", "/v1/firmware/defer?for=1h30m0s", "firmware defer: done\n", exitDone},
		{"refuse --wait", "/v1/firmware/refuse", "ConnectNotAllowed (11): firmware refuse: the gateway is not asked - Wait.\n", exitFailed},
	} {
		got := invoke(t.Context(), slices.Concat([]string{"ctl", "firmware"}, strings.Fields(test.args), []string{"--addr", api.Listener.Addr().String()})...)
		if got.exit != test.exit || !strings.HasSuffix(got.stdout+got.stderr, test.says) {
			t.Errorf("%s: %+v", test.args, got)
		}
		if uri := <-made; uri != test.uri {
			t.Errorf("%s: %s", test.args, uri)
		}
	}
}
