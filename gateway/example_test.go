package gateway_test

import (
	"context"
	"os/exec"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/gateway"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// The objects of a gateway that can be rebooted by its servers.
func Example() {
	device := gateway.NewDevice(gateway.DeviceConfig{
		Manufacturer: "Holdfast",
		Firmware:     "1.4.2",
		Reboot: func(context.Context) error { // a minute later: the server is answered first
			return exec.Command("shutdown", "-r", "+1").Start()
		},
	})
	cfg := holdfast.Config{
		Endpoint: "gw-0001",
		Server:   &holdfast.Account{URI: "coap://127.0.0.1:5683", Security: holdfast.SecurityNoSec},
		Objects: []object.Object{
			device,
			gateway.NewConnectivity(gateway.ConnectivityConfig{}),
			gateway.NewStatistics(gateway.StatisticsConfig{}),
		},
	}
	_ = cfg // for holdfast.New
	// Output:
}
