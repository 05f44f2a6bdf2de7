// Command gateway is an example of a gateway that management servers see, read and
// steer: a room with two thermometers (object 3303) and a heating (3306), beside what the machine
// says of itself, and whose firmware they update.
//
//	go run ./examples/gateway -server coap://127.0.0.1:5683
//
// The room is simulated: room.go has the objects, and where your own sensors would be
// read; slot.go has what is done with a firmware image.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/gateway"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

func main() {
	server := flag.String("server", "coap://127.0.0.1:5683", "the `URI` of the management server")
	endpoint := flag.String("endpoint", "example-gateway", "the endpoint `name`")
	images := flag.String("firmware-dir", "./firmware", "the `folder` of firmware images, and of the slot that they are installed into")
	state := flag.String("state-dir", "./state", "the `folder` of credentials and state")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, holdfast.Config{
		Endpoint: *endpoint, StateDir: *state,
		Server:   &holdfast.Account{URI: *server, Security: holdfast.SecurityNoSec},
		Firmware: updates(*images),
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run is the gateway until ctx ends. Whatever becomes of the network, the client goes on by
// itself, and says what it does.
func run(ctx context.Context, config holdfast.Config) error {
	r, client, err := newGateway(config)
	if err != nil {
		return err
	}
	events, _ := client.Events(64)
	if err := client.Start(ctx); err != nil {
		return err
	}
	go r.live(ctx)
	go func() {
		<-ctx.Done()
		_ = client.Close(context.WithoutCancel(ctx)) // within 5 s; the last event says how it went
	}()
	for event := range events {
		if f := event.Firmware; f != nil {
			fmt.Println(event.Type, f, event.Detail)
			continue
		}
		fmt.Println(event.Type, event.State, event.Server, event.Detail)
	}
	return nil
}

// newGateway makes the room, and a client that serves it.
func newGateway(config holdfast.Config) (*room, *holdfast.Client, error) {
	r, err := newRoom()
	if err != nil {
		return nil, nil, err
	}
	config.Objects = append(r.objects(), machine()...)
	client, err := holdfast.New(config)
	return r, client, err
}

// machine is what the gateway says of itself: memory, time, interfaces, traffic.
func machine() []object.Object {
	return []object.Object{
		gateway.NewDevice(gateway.DeviceConfig{Manufacturer: "Example", Model: "Room"}),
		gateway.NewConnectivity(gateway.ConnectivityConfig{}),
		gateway.NewStatistics(gateway.StatisticsConfig{}),
	}
}
