package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const name = "example-gateway"

// managed starts the gateway, and a server that it is registered with.
func managed(t *testing.T) (*room, *lwm2mtest.Server) {
	t.Helper()
	return managedWith(t, t.TempDir())
}

// managedWith is managed with a folder for firmware.
func managedWith(t *testing.T, images string) (*room, *lwm2mtest.Server) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{})
	t.Cleanup(func() { _ = server.Close() })
	server.ServeManagement(pc, lwm2mtest.NoSec())
	r, client, err := newGateway(holdfast.Config{
		Endpoint: name, StateDir: t.TempDir(),
		Server:   &holdfast.Account{URI: "coap://" + pc.LocalAddr().String(), Security: holdfast.SecurityNoSec},
		Firmware: updates(images),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.WithoutCancel(t.Context())) })
	if err := server.WaitRegistered(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return r, server
}

// The server reads a thermometer, turns the heating on, sees the room become warmer,
// and resets what has been measured.
func TestAServerWarmsTheRoom(t *testing.T) {
	r, server := managed(t)
	read := func(path string) string {
		t.Helper()
		response, err := server.Read(t.Context(), name, path, lwm2m.FormatText)
		if err != nil || response.Code != lwm2m.CodeContent {
			t.Fatalf("%s: %v, %v", path, response.Code, err)
		}
		return string(response.Payload)
	}
	for path, want := range map[string]string{"/3303/0/5700": "19", "/3303/1/5701": "Cel", "/3306/0/5850": "0", "/3/0/0": "Example"} {
		if got := read(path); got != want {
			t.Errorf("%s is %q", path, got)
		}
	}
	o, response, err := server.Observe(t.Context(), name, "/3303/0/5700", lwm2m.FormatText)
	if o == nil || err != nil {
		t.Fatalf("observe: %v, %v", response.Code, err)
	}
	on, err := lwm2mtest.Encode(lwm2m.FormatText, "/3306/0/5850", lwm2m.Node{Path: lwm2m.PathOf(3306, 0, 5850), Value: lwm2m.Boolean(true)})
	if err != nil {
		t.Fatal(err)
	}
	if response, err := server.Write(t.Context(), name, "/3306/0/5850", lwm2mtest.Replace, on); response.Code != lwm2m.CodeChanged || err != nil {
		t.Fatalf("write: %v, %v", response.Code, err)
	}
	for _, want := range []string{"19.5", "20"} {
		r.step()
		if n := <-o.Notifications(); string(n.Payload) != want {
			t.Errorf("notified %q, want %q", n.Payload, want)
		}
	}
	if got := read("/3303/0/5601"); got != "19" {
		t.Errorf("the least was %s", got)
	}
	if response, err := server.Execute(t.Context(), name, "/3303/0/5605", ""); response.Code != lwm2m.CodeChanged || err != nil {
		t.Errorf("execute: %v, %v", response.Code, err)
	}
	if got := read("/3303/0/5601") + read("/3303/1/5601"); got != "2019" {
		t.Errorf("after the reset of one thermometer the least is %s", got)
	}
}

// The server pushes an image and has it installed: then it is in the slot, and the server has
// the result.
func TestAServerUpdatesTheGateway(t *testing.T) {
	const size = 20_000
	image, images := lwm2mtest.Pattern(7), t.TempDir()
	_, server := managedWith(t, images)
	told := server.Collect(objects.Registry(), firmware.PathState, firmware.PathResult)
	last := func(path lwm2m.Path, want int64) func() bool {
		return func() bool {
			values := told.Of(name, path)
			return len(values) > 0 && values[len(values)-1].Int() == want
		}
	}
	for _, path := range []lwm2m.Path{firmware.PathState, firmware.PathResult} {
		if o, response, err := server.Observe(t.Context(), name, path.String(), lwm2m.FormatText); o == nil || err != nil {
			t.Fatalf("observe: %v, %v", response.Code, err)
		}
	}
	if response, err := server.Push(t.Context(), name, "/5/0/0", image.Reader(size), lwm2mtest.PushOptions{}); response.Code != lwm2m.CodeChanged || err != nil {
		t.Fatalf("push: %v, %v", response.Code, err)
	}
	if err := server.Await(t.Context(), last(firmware.PathState, firmware.Object5Downloaded)); err != nil {
		t.Fatal(err)
	}
	if response, err := server.Execute(t.Context(), name, "/5/0/2", ""); response.Code != lwm2m.CodeChanged || err != nil {
		t.Fatalf("update: %v, %v", response.Code, err)
	}
	if err := server.Await(t.Context(), last(firmware.PathResult, firmware.Object5Success)); err != nil {
		t.Fatal(err)
	}
	installed, err := os.ReadFile(filepath.Join(images, "slot"))
	if err != nil || sha256.Sum256(installed) != image.SHA256(size) {
		t.Errorf("%d bytes in the slot, %v", len(installed), err)
	}
}

// An empty image is refused.
func TestAnEmptyImage(t *testing.T) {
	if (slot{}).Verify(t.Context(), firmware.Image{}) == nil {
		t.Error("it was taken")
	}
}

// Without the heating it becomes colder, and never colder than it is outside.
func TestTheRoomCoolsDown(t *testing.T) {
	r, err := newRoom()
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		r.step()
	}
	i, _ := r.thermometers.Get(0)
	if got := i.Get(); got.Value != coldest || got.Min != coldest || got.Max != 19 {
		t.Errorf("%s", fmt.Sprint(got.Value, got.Min, got.Max))
	}
}

// The program ends when it is asked to.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, holdfast.Config{Endpoint: name, StateDir: t.TempDir(), Server: &holdfast.Account{URI: "coap://127.0.0.1:1", Security: holdfast.SecurityNoSec}})
	if err != nil && !errors.Is(err, context.Canceled) { // that it never began is as good
		t.Error(err)
	}
	if err := run(t.Context(), holdfast.Config{StateDir: t.TempDir()}); err == nil {
		t.Error("a gateway without a name")
	}
}
