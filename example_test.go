package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/configfile"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// The README shows this function; a test keeps the two alike.
func Example() {
	client, err := holdfast.New(holdfast.Config{
		Endpoint: "gw-0001",
		StateDir: "./state",
		Server:   &holdfast.Account{URI: "coap://127.0.0.1:5683", Security: holdfast.SecurityNoSec},
	})
	if err != nil {
		panic(err) // names every fault of the configuration
	}
	events, _ := client.Events(64)
	if err := client.Start(context.Background()); err != nil {
		panic(err) // another process uses the state directory
	}
	for event := range events { // until client.Close
		fmt.Println(event.Type, event.State)
		if err := event.Err(); err != nil {
			fmt.Println(err, "- next attempt:", event.NextAttempt)
		}
	}
}

// An object of the application is a struct, whose tags name the resources. The README shows
// this function, too.
func Example_objects() {
	type Thermometer struct {
		Value  float64 `lwm2m:"5700,R,mandatory,units=Cel"`
		Max    float64 `lwm2m:"5602,R"`
		Target float64 `lwm2m:"5900,RW,range=5..30"` // servers write it
	}
	thermometers, err := object.Of[Thermometer](lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Multiple: true})
	if err != nil {
		panic(err) // names the field
	}
	kitchen, err := thermometers.Add(0, Thermometer{Value: 19, Target: 21})
	if err != nil {
		panic(err)
	}
	client, err := holdfast.New(holdfast.Config{
		Endpoint: "gw-0001",
		Server:   &holdfast.Account{URI: "coap://127.0.0.1:5683", Security: holdfast.SecurityNoSec},
		Objects:  []object.Object{thermometers},
	})
	if err != nil || client.Start(context.Background()) != nil {
		panic("the configuration is wrong, or another process uses ./state")
	}
	for now := range time.Tick(time.Second) { // whoever observes it is told
		_ = kitchen.Update(func(t *Thermometer) { t.Value = 19 + float64(now.Second())/10; t.Max = max(t.Max, t.Value) })
	}
}

// What a gateway does with an image is an Installer, here of a machine with two systems, A
// and B. The README shows it, and the function behind it.

type systems struct{}

func (systems) Verify(ctx context.Context, i firmware.Image) error { return do(ctx, "verify", i.Path) }
func (systems) Install(ctx context.Context, i firmware.Image) (firmware.Installed, error) {
	return firmware.InstallNeedsReboot, do(ctx, "write-other", i.Path)
}
func (systems) Reboot(ctx context.Context) error { return do(ctx, "boot-other") }
func (systems) Confirm(ctx context.Context, i firmware.Image) error {
	return do(ctx, "keep", i.Version)
}
func (systems) RollBack(ctx context.Context, i firmware.Image) error { return do(ctx, "boot-other") }

func do(ctx context.Context, args ...string) error {
	return exec.CommandContext(ctx, "/usr/sbin/systems", args...).Run()
}

func Example_firmware() {
	client, err := holdfast.New(holdfast.Config{
		Endpoint: "gw-0001",
		Server:   &holdfast.Account{URI: "coap://127.0.0.1:5683", Security: holdfast.SecurityNoSec},
		Firmware: &holdfast.Firmware{Installer: systems{}, Version: "1.0.0"},
	})
	if err != nil || client.Start(context.Background()) != nil {
		panic("the configuration is wrong, or another process uses ./state")
	}
}

// What happens to a connection is an event. Its error is compared by meaning,
// and its cause is reached.
func ExampleEvent_Err() {
	report := func(event holdfast.Event) {
		var dns *net.DNSError
		switch err := event.Err(); {
		case err == nil: // no error event
		case errors.As(err, &dns):
			fmt.Println("nobody knows", dns.Name)
		case errors.Is(err, holdfast.ErrNetwork), errors.Is(err, holdfast.ErrTimeout):
			fmt.Println("offline, next attempt at", event.NextAttempt)
		default:
			fmt.Println(err, event.Remedy)
		}
	}
	report(holdfast.Event{Type: holdfast.EventState, State: holdfast.Connecting})
	report(holdfast.Event{
		Type: holdfast.EventError, Code: holdfast.CodeTimeout, Phase: holdfast.PhaseRegister,
		NextAttempt: time.Date(2026, 1, 1, 12, 0, 5, 0, time.UTC),
	})
	report(holdfast.Event{
		Type: holdfast.EventError, Code: holdfast.CodeSecureConnection, Phase: holdfast.PhaseBootstrap,
		Detail: "the server refused with alert 48 (unknown_ca)", Remedy: "Provision new credentials.",
	})
	// Output:
	// offline, next attempt at 2026-01-01 12:00:05 +0000 UTC
	// holdfast: ConnectSecureConnectionFailed (bootstrap): the server refused with alert 48 (unknown_ca) Provision new credentials.
}

// Pause and its like return when Status shows what they did.
func ExampleClient_Pause() {
	var client *holdfast.Client // of holdfast.New, and started
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	switch err := client.Pause(ctx); {
	case errors.Is(err, holdfast.ErrNotAllowed):
		fmt.Println("it is paused already")
	case err != nil:
		fmt.Println("no answer yet:", err)
	default:
		fmt.Println(client.Status().State) // paused
	}
}

func ExampleClient_Await() {
	file, err := configfile.Load("gw.yaml")
	if err != nil {
		panic(err)
	}
	client, err := holdfast.New(file.Config)
	if err != nil {
		panic(err)
	}
	if err := client.Start(context.Background()); err != nil {
		panic(err)
	}
	defer client.Close(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := client.Await(ctx, holdfast.Registered); err != nil {
		fmt.Println("not yet, and the client goes on trying:", err)
	}
}

func TestReadmeShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(source), "type systems ")
	if installer, _, found := strings.Cut(after, "\nfunc Example_firmware"); !found || !strings.Contains(string(readme), "type systems "+installer) {
		t.Error("README.md does not show the Installer as it is compiled")
	}
	for _, name := range []string{"Example", "Example_objects", "Example_firmware"} {
		_, after, _ := strings.Cut(string(source), "func "+name+"() {\n")
		body, _, found := strings.Cut(after, "\n}\n")
		if !found {
			t.Fatalf("func %s is not where it was", name)
		}
		var shown []string
		for line := range strings.Lines(body) {
			shown = append(shown, strings.TrimPrefix(strings.TrimRight(line, "\n"), "\t"))
		}
		if len(shown) > 25 {
			t.Errorf("func %s has %d lines: that is no beginning", name, len(shown))
		}
		if !strings.Contains(string(readme), strings.Join(shown, "\n")) {
			t.Errorf("README.md does not show func %s as it is compiled", name)
		}
	}
}

// Values that were kept while a server could not be asked go to it with their times.
func ExampleClient_SendSamples() {
	send := func(ctx context.Context, client *holdfast.Client, kept map[time.Time]float64) {
		var samples []lwm2m.Sample
		for at, value := range kept {
			samples = append(samples, lwm2m.NewSample(at, lwm2m.PathOf(3303, 0, 5700), lwm2m.Float(value)))
		}
		err := client.SendSamples(ctx, holdfast.AllServers, samples...)
		if failed, is := errors.AsType[*holdfast.SendError](err); is {
			fmt.Println("server", failed.Server, "has not taken them:", failed.Reason)
		}
	}
	_ = send
}
