package gateway

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"go.uber.org/goleak"
)

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>`

// realBus starts a message bus, and returns its address and what ends it.
func realBus(t *testing.T) (address string, stop func()) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("no dbus-daemon")
	}
	folder, err := os.MkdirTemp("", "bus") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	config := filepath.Join(folder, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(folder, "socket")), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(program, "--nofork", "--print-address", "--config-file="+config)
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { _ = daemon.Process.Kill(); _ = daemon.Wait() }
	t.Cleanup(stop)
	if address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address), stop
}

// The methods of ModemManager's objects, as the bus calls them.
type (
	manager    struct{ bus *fakeBus }
	oneBearer  struct{ about properties }
	oneModem   struct{ bus *fakeBus }
	oneSignal  struct{ rate chan uint32 }
	wholePlace struct{ bus *fakeBus }
)

func (m manager) GetManagedObjects() (map[dbus.ObjectPath]map[string]properties, *dbus.Error) {
	return m.bus.objects(), nil
}

func (b oneBearer) GetAll(string) (properties, *dbus.Error) { return b.about, nil }

func (m oneModem) GetCellInfo() ([]properties, *dbus.Error) {
	return m.bus.answers[cellInfo][0].([]properties), nil
}

func (s oneSignal) Setup(rate uint32) *dbus.Error { s.rate <- rate; return nil }

func (l wholePlace) GetLocation() (map[uint32]dbus.Variant, *dbus.Error) {
	return l.bus.answers[mmLocation+".GetLocation"][0].(map[uint32]dbus.Variant), nil
}

// manage puts ModemManager on a bus.
func manage(t *testing.T, address string, bus *fakeBus) (rate chan uint32) {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	rate = make(chan uint32, 1)
	for _, export := range []struct {
		what any
		path dbus.ObjectPath
		name string
	}{
		{manager{bus}, mmPath, "org.freedesktop.DBus.ObjectManager"},
		{oneBearer{bus.bearers[bearerPath]}, bearerPath, "org.freedesktop.DBus.Properties"},
		{oneModem{bus}, modemPath, mmModem},
		{oneSignal{rate}, modemPath, mmSignal},
		{wholePlace{bus}, modemPath, mmLocation},
	} {
		if err := conn.Export(export.what, export.path, export.name); err != nil {
			t.Fatal(err)
		}
	}
	if reply, err := conn.RequestName(mmService, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("%v %v", reply, err)
	}
	return rate
}

// On a real bus: without ModemManager, with it, and when the bus has gone. Nothing is left
// of a question.
func TestModemManagerOnARealBus(t *testing.T) {
	address, stop := realBus(t)
	before := goleak.IgnoreCurrent()
	machine := network(t, nil)
	machine.Bus = "tcp:host=localhost;unix:path=/nowhere;" + address
	ask := func() map[string]string {
		return values(t, NewConnectivity(ConnectivityConfig{Interface: "wwan0", Machine: machine}))
	}
	has(t, ask(), map[string]string{"/4/0/0": "", "/4/0/4/0": "100.64.0.2"})
	goleak.VerifyNone(t, before)

	bus := newFakeBus(t)
	bus.modem[mmSignal]["Rate"] = v(uint32(0))
	rate := manage(t, address, bus)
	before = goleak.IgnoreCurrent()
	began := time.Now()
	has(t, ask(), map[string]string{
		"/4/0/0": "5", "/4/0/2": "-99", "/4/0/3": "-11", "/4/0/5/0": "100.64.0.10", "/4/0/7/0": "iot.example",
		"/4/0/8": "27440068", "/4/0/9": "1", "/4/0/10": "262", "/4/0/11": "8",
	})
	t.Logf("answered in %v", time.Since(began))
	if got := <-rate; got != signalRate {
		t.Errorf("measured every %d s", got)
	}
	goleak.VerifyNone(t, before)
	stop()
	has(t, ask(), map[string]string{"/4/0/0": "", "/4/0/4/0": "100.64.0.2"})
	goleak.VerifyNone(t, before)
}

func TestAddressOfABus(t *testing.T) {
	for address, want := range map[string]string{
		"unix:path=/run/dbus/system_bus_socket":       "/run/dbus/system_bus_socket",
		"unix:guid=00ff,path=/tmp/a%20bus":            "/tmp/a bus",
		"unix:abstract=/tmp/dbus-x,guid=00":           "@/tmp/dbus-x",
		"unix:path=/tmp/%zz":                          "",
		"unix:path=":                                  "",
		"unix:tmpdir=/tmp":                            "",
		"tcp:host=localhost,port=1,path=/tmp":         "",
		"unixexec:path=/bin/sh":                       "",
		"":                                            "",
		"autolaunch:":                                 "",
		"/run/dbus/system_bus_socket":                 "",
		"unix:path=/run/dbus/a,abstract=b,path=/none": "/run/dbus/a",
	} {
		if got, ok := socketOf(address); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
	if _, err := dialBus(context.Background(), "tcp:host=localhost"); err != errBus {
		t.Errorf("%v", err)
	}
}
