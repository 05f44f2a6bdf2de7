package behaviour_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/gateway"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// A server manages what a gateway says of itself.
func TestServerManagesTheGateway(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	machine := gateway.Machine{
		Proc: nowhere, Sys: nowhere, Etc: nowhere,
		Interfaces: func() ([]gateway.Interface, error) {
			return []gateway.Interface{{Name: "eth0", Up: true, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10")}}}, nil
		},
	}
	reboots := 0
	device := gateway.NewDevice(gateway.DeviceConfig{
		Manufacturer: "Holdfast", Location: time.UTC, Machine: machine,
		Reboot: func(context.Context) error { reboots++; return nil },
	})
	location := &gateway.Location{}
	objects := []object.Object{
		device, location,
		gateway.NewConnectivity(gateway.ConnectivityConfig{Machine: machine}), gateway.NewStatistics(gateway.StatisticsConfig{Machine: machine}),
	}
	serving(t, objects, func(w *systemtest.World, cli *systemtest.Client) {
		read := func(path string) string {
			t.Helper()
			return string(do(w, lwm2mtest.Request{Method: messages.GET, Path: path, Accept: new(messages.FormatText)}, messages.Content).Payload)
		}
		for path, want := range map[string]string{"/3/0/0": "Holdfast", "/3/0/14": "+00:00", "/4/0/4/0": "192.0.2.10", "/7/0/8": "0"} {
			if got := read(path); got != want {
				t.Errorf("%s is %q", path, got)
			}
		}
		discover := lwm2mtest.Request{Method: messages.GET, Path: "/3/0", Accept: new(messages.FormatLinkFormat)}
		if got := string(do(w, discover, messages.Content).Payload); !strings.Contains(got, "</3/0/4>") || !strings.Contains(got, "</3/0/11>;dim=1") || strings.Contains(got, "</3/0/5>") {
			t.Errorf("discovered %s", got)
		}
		do(w, lwm2mtest.Request{Method: messages.GET, Path: "/6/0"}, messages.NotFound)
		location.Set(gateway.Fix{Latitude: 52.52, Longitude: 13.4, Time: time.Now()})
		time.Sleep(5 * time.Second)
		if got := read("/6/0/0"); got != "52.52" {
			t.Errorf("latitude %s", got)
		}
		if r, _ := w.Server.Registration(systemtest.Endpoint); !strings.Contains(string(r.Objects), "</6/0>") {
			t.Errorf("announced %s", r.Objects)
		}
		device.SetError(gateway.ErrorNoConnectivity, true)
		if got := read("/3/0/11/0"); got != "7" {
			t.Errorf("error code %s", got)
		}
		for path, want := range map[string]messages.CoAPCode{
			"/3/0/4": messages.Changed, "/3/0/5": messages.NotFound, "/3/0/12": messages.Changed, "/7/0/6": messages.Changed, "/3/0/0": messages.MethodNotAllowed,
		} {
			do(w, lwm2mtest.Request{Method: messages.POST, Path: path}, want)
		}
		if got := read("/3/0/11/0"); got != "0" || reboots != 1 {
			t.Errorf("error code %s after a reset, %d reboots", got, reboots)
		}
		period := lwm2mtest.Request{Method: messages.PUT, Path: "/7/0/8", Format: new(messages.FormatText), Payload: []byte("60")}
		do(w, period, messages.Changed)
		if got := read("/7/0/8"); got != "60" {
			t.Errorf("collection period %s", got)
		}
		clock := lwm2mtest.Request{Method: messages.PUT, Path: "/3/0/14", Format: new(messages.FormatText), Payload: []byte("+01:00")}
		do(w, clock, messages.MethodNotAllowed)
		do(w, lwm2mtest.Request{Method: messages.POST, Path: "/7/0/7"}, messages.Changed)
	})
}
