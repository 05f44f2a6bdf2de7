package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
)

var update = flag.Bool("update", false, "write the golden files")

func pointer[T any](v T) *T { return &v }

// at is the time of the i-th event of the story.
func at(i int) time.Time { return time.Date(2026, 3, 1, 12, 0, 3+i, 0, time.UTC) }

// story is one event of each kind.
func story() []holdfast.Event {
	const bootstrap, server = "coaps://bs.test", "coaps://lwm2m.test"
	return []holdfast.Event{
		{Type: holdfast.EventState, State: holdfast.Starting},
		{Type: holdfast.EventState, State: holdfast.Connecting, Previous: holdfast.Resolving, Server: bootstrap},
		{
			Type: holdfast.EventError, Server: bootstrap, Code: 7, Name: "ConnectNetworkError", Phase: "bootstrap", Attempt: 1,
			Detail: "refused", Action: "retry", NextAttempt: at(2).Add(5230 * time.Millisecond), Remedy: "Check the address.",
		},
		{Type: holdfast.EventBootstrapped, Server: bootstrap, Accounts: 1},
		{Type: holdfast.EventBootstrapped, Server: bootstrap, Accounts: 2},
		{
			Type: holdfast.EventError, Server: server, Code: 3, Name: "ConnectInvalidParameters", Phase: "register", Attempt: 2,
			Detail: "no such account", CoAP: "4.03", Action: "bootstrap", NextAttempt: at(5).Add(7 * 24 * time.Hour),
		},
		{
			Type: holdfast.EventError, Server: server, Code: 12, Name: "ConnectSecureConnectionFailed", Phase: "register", Attempt: 3,
			TLSAlert: pointer(uint8(51)), Action: "retry", NextAttempt: at(6),
		},
		{
			Type: holdfast.EventRegistered, Server: server, Location: "/rd/1", LwM2M: "1.1", Lifetime: 24 * time.Hour,
			Attempts: 4, LostAt: at(7).Add(-190 * time.Second),
		},
		{Type: holdfast.EventRegistered, Server: server, Location: "/rd/1", LwM2M: "1.0", Attempts: 1},
		{Type: holdfast.EventError, Server: server, Code: 8, Name: "ConnectResponseParseFailed", Detail: "bad\x1b[2J\noption", Action: "ignore"},
		{Type: holdfast.EventRegistrationUpdated, Server: server},
		{Type: holdfast.EventDegraded, Actor: "coapresend of server 1", Restarts: 5, Detail: "index out of range"},
		{Type: holdfast.EventUnregistered, Server: server},
		{Type: holdfast.EventAsleep, Server: server},
		{Type: holdfast.EventAwake, Server: server},
		{Type: holdfast.EventDisabled, Server: server, Action: "register", NextAttempt: at(15).Add(24 * time.Hour)},
		{Type: holdfast.EventError, Code: 5, Name: "ConnectNotRegistered", Detail: "there was no registration to end", Action: "none"},
		{Type: holdfast.EventError, Code: 4, Name: "ConnectorInvalidCredentials", Action: "user"},
		{Type: holdfast.EventFirmware, Firmware: &holdfast.FirmwareProgress{Object: 10252, State: 3, Result: -1, Asks: "download"}},
		{Type: holdfast.EventFirmware, Firmware: &holdfast.FirmwareProgress{Object: 5, State: 1, Progress: 512, Total: 1024}},
		{Type: holdfast.EventFirmware, Firmware: &holdfast.FirmwareProgress{Object: 5, State: 1, Progress: 512}},
		{Type: holdfast.EventFirmware, Firmware: &holdfast.FirmwareProgress{Object: 5, Result: 1, Progress: 1024, Total: 1024}},
		{Type: holdfast.EventFirmware, Firmware: &holdfast.FirmwareProgress{Object: 10252, State: 1, Result: 23}, Detail: "signed by\x1b[2J nobody"},
	}
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	for name, coloured := range map[string]bool{"plain": false, "coloured": true} {
		var out bytes.Buffer
		r := renderer{out: &out, coloured: coloured}
		for i, e := range story() {
			e.Time = at(i)
			r.event(e)
		}
		compareGolden(t, filepath.Join("testdata", "events."+name+".golden"), out.String())
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                                     "0 ms",
		250 * time.Millisecond:                "250 ms",
		5 * time.Second:                       "5 s",
		5230 * time.Millisecond:               "5.2 s",
		59999 * time.Millisecond:              "59.9 s",
		time.Minute:                           "1 min",
		190 * time.Second:                     "3 min 10 s",
		2*time.Hour + 5*time.Minute:           "2 h 5 min",
		7 * 24 * time.Hour:                    "7 d",
		8*24*time.Hour + 3*time.Hour + 59*1e9: "8 d 3 h",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d ns: %q, want %q", d, got, want)
		}
	}
}

func TestColoursOnTerminalsOnly(t *testing.T) {
	t.Parallel()
	device := os.DevNull // a character device, as a terminal is: elsewhere nothing tells them apart
	if runtime.GOOS == "linux" {
		device = "/dev/ptmx"
	}
	tty, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	with := func(name, value string) *program {
		return &program{lookupEnv: func(n string) (string, bool) { return value, n == name }}
	}
	for _, test := range []struct {
		name string
		got  bool
		want bool
	}{
		{"terminal", with("", "").coloured(tty), true},
		{"file", with("", "").coloured(file), false},
		{"no terminal", with("", "").coloured(null), device == os.DevNull},
		{"buffer", with("", "").coloured(&bytes.Buffer{}), false},
		{"NO_COLOR", with("NO_COLOR", "1").coloured(tty), false},
		{"empty NO_COLOR", with("NO_COLOR", "").coloured(tty), true},
		{"dumb terminal", with("TERM", "dumb").coloured(tty), false},
	} {
		if test.got != test.want {
			t.Errorf("%s: %t", test.name, test.got)
		}
	}
}
