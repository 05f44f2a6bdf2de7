package interop

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/interop/peer"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// Without security Leshan tells observers apart by their address: it takes the Update of
// a client that was started anew, and goes on counting on the observations of before, but
// rejects their notifications. The client registers anew, so that Leshan knows. With
// security it takes them, and the client goes on notifying.
func TestLeshanKilledClientThatIsObserved(t *testing.T) {
	for name, key := range map[string][]byte{"NoSec": nil, "PSK": testKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := management(t)
			if key != nil {
				server.allowPSK(key)
			}
			config := writeServerConfig(t, server, key)
			sensor := addSensor(t, config)
			sensor("20")
			first := launch(t, buildCommand(t), config)
			first.next(holdfast.EventRegistered)
			server.event("registered")
			d := server.Device(endpoint)
			before := observed(t, d.Observe("/3303/0/5700", "SENML_CBOR"))
			// By the first Update what was registered is on the disk.
			first.next(holdfast.EventRegistrationUpdated)
			server.event("updated")
			first.kill()
			sensor("21")
			second := launch(t, buildCommand(t), config)
			defer second.terminate()
			server.event("updated")
			if key != nil {
				notifiedOf(t, d, before, 21)
				return
			}
			server.event("registered")
			if all := d.Observations(); len(all) != 0 {
				t.Errorf("Leshan counts on %v", all)
			}
			after := observed(t, d.Observe("/3303/0/5700", "SENML_CBOR"))
			sensor("22")
			notifiedOf(t, d, after, 22)
		})
	}
}

// addSensor has a configuration serve a temperature from a file, and returns what writes
// that.
func addSensor(t *testing.T, config string) func(value string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "temperature")
	file, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := fmt.Fprintf(file, "objects: [{path: /3303/0/5700, file: %s, type: float, every: 100ms}]\n", source); err != nil {
		t.Fatal(err)
	}
	return func(value string) {
		t.Helper()
		if err := os.WriteFile(source+".new", []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(source+".new", source); err != nil {
			t.Fatal(err)
		}
	}
}

// notifiedOf waits until an observation is told a value.
func notifiedOf(t *testing.T, d peer.Device, of peer.Reply, value float64) {
	t.Helper()
	n := d.Notification(of.Token)
	if n.Values["/3303/0/5700"] != value {
		t.Errorf("told %v, want %v", n.Values, value)
	}
}

// A composite answer, and a composite notification, of several blocks: Leshan asks for the
// later ones without saying again what it has asked for.
func TestLeshanReadsCompositesInBlocks(t *testing.T) {
	t.Parallel()
	server := management(t)
	cfg := quick(t)
	cfg.Server, cfg.Objects = noSec(server.CoAP()), []object.Object{newTestObject(t)}
	start(t, cfg).registered()
	server.event("registered")
	d := server.Device(endpoint)
	paths := []string{"/3442/0/110", "/3/0/0"}
	long := func(c string) map[string]any {
		text := strings.Repeat(c, 3000)
		is(t, d.Write("/3442/0/110", "TEXT", text), "CHANGED(204)")
		return map[string]any{"/3442/0/110": text, "/3/0/0": holdfast.DefaultManufacturer}
	}
	for _, format := range compositeFormats {
		want := long("a")
		has(t, d.ReadComposite(format, paths...), want)
		first := observed(t, d.ObserveComposite(format, paths...))
		has(t, first, want)
		want = long("b")
		if n := d.Notification(first.Token); !maps.Equal(n.Values, want) {
			t.Errorf("as %s: told %.80v", format, n.Values)
		}
		is(t, d.Cancel(first.Token), "CONTENT(205)")
	}
}
