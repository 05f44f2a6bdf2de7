package behaviour

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// served runs script with a client of a server of one version of LwM2M, which takes Sends or does not, and
// observes nothing.
func served(t *testing.T, version string, sends bool, script func(*firmwareWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t, lwm2mtest.ServerOptions{Versions: []string{version}})
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		cfg := w.config()
		trusting(&cfg)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		if sends {
			w.write("/1/0/23", text("0"), lwm2m.CodeChanged)
		}
		script(w)
		if sent := w.Server.Requests(systemtest.Endpoint, lwm2mtest.Send); sends != (len(sent) > 0) {
			t.Errorf("%d Sends", len(sent))
		}
		c.ExpectClose(nil)
	})
}

// A server that observes nothing and takes Sends is told every value by them, in order.
func TestFirmwareOfAServerThatTakesSends(t *testing.T) {
	served(t, "1.1", true, func(w *firmwareWorld) {
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.wantValues(firmware.PathState, 1, 2, 3, 0)
		w.wantValues(firmware.PathResult, 1)
		w.write("/10252/0/1", signed(t, nil), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.wantValues(firmware.PathManifestState, -1, 3, 4, 6, 7, 1)
		w.wantValues(firmware.PathManifestResult, -1, 18) // what the former update has left there is void
		w.wantOrder(firmware.PathResult, 1, firmware.PathState, 0)
		w.wantOrder(firmware.PathManifestResult, 18, firmware.PathManifestState, 1)
	})
}

// wantOrder demands that a value was told before the last one of another resource: whoever sees
// that an update is over can read how it has ended.
func (w *firmwareWorld) wantOrder(first lwm2m.Path, value int64, then lwm2m.Path, last int64) {
	w.T.Helper()
	at := -1
	for i, told := range w.told.All() {
		switch {
		case told.Path == first && told.Value.Int() == value:
			at = i
		case told.Path == then && told.Value.Int() == last && at < 0:
			w.T.Errorf("%s was %d before %s was %d", then, last, first, value)
		}
	}
	if at < 0 {
		w.T.Errorf("%s was never %d", first, value)
	}
}

// A server of LwM2M 1.0 knows no Send, and one that mutes the client wants none: what it has not
// observed it reads.
func TestFirmwareOfAServerWithoutSends(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		t.Run(version, func(t *testing.T) {
			served(t, version, false, func(w *firmwareWorld) {
				w.write("/10252/0/1", signed(t, nil), lwm2m.CodeChanged)
				time.Sleep(time.Hour)
				if state, result := w.number("/10252/0/2"), w.number("/10252/0/3"); state != 1 || result != 18 {
					t.Errorf("state %d, result %d", state, result)
				}
				w.write("/5/0/1", text("coap://192.0.2.1/other"), lwm2m.CodeChanged)
				time.Sleep(time.Hour)
				w.wantState(0, 7)
			})
		})
	}
}

// A server of LwM2M 1.0 that observes is told every value.
func TestFirmwareOfAServerOfTheFirstVersion(t *testing.T) {
	served(t, "1.0", false, func(w *firmwareWorld) {
		w.observe(firmware.PathState, firmware.PathResult)
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.wantValues(firmware.PathState, 0, 1, 2, 3, 0)
		w.wantValues(firmware.PathResult, 0, 1)
	})
}

// What happens while the server is away it is told in order when it is back, also of an update
// that has ended meanwhile.
func TestFirmwareWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.ServeImages(systemtest.CoAPPort, lwm2mtest.NoSec())
		w.Images.SetFile("image", image.File(imageSize))
		w.Images.SpoilFile("image", -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Delay: time.Second}})
		cfg := w.config()
		trusting(&cfg)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.Reported()...)
		far := signed(t, func(m *manifest.Manifest) { m.URI = "coap://" + systemtest.ImageAddr.String() + "/image" })
		w.write("/10252/0/1", far, lwm2m.CodeChanged)
		time.Sleep(10 * time.Second)
		away := w.Network.Impair(func(from, to netip.AddrPort) bool {
			return from.Addr() == systemtest.ServerAddr || to.Addr() == systemtest.ServerAddr
		}, lwm2mtest.Conditions{BlackHole: true})
		time.Sleep(2 * time.Hour)
		w.wantInstalled(image, imageSize)
		away.Lift()
		c.Sleep(24 * time.Hour)
		w.observe(firmware.Reported()...)
		time.Sleep(time.Hour)
		w.wantValues(firmware.PathManifestState, 1, -1, 3, 4, 6, 7, 1)
		w.wantValues(firmware.PathManifestResult, -1, 18)
		c.ExpectClose(nil)
	})
}

// twoFirmwareServers runs script with a client of two servers: the first owns object 5 and its
// update, the other has rights to it.
func twoFirmwareServers(t *testing.T, rights int64, script func(w *firmwareWorld, other *lwm2mtest.Server, told *lwm2mtest.Collection)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		pc, err := w.Network.Host("other", netip.MustParseAddr("192.0.2.4")).ListenPacket(systemtest.CoAPPort)
		if err != nil {
			t.Fatal(err)
		}
		other := lwm2mtest.NewServer(lwm2mtest.ServerOptions{Seed: 3})
		defer other.Close()
		other.ServeManagement(pc, lwm2mtest.NoSec())
		first := lwm2mtest.AccountConfig{URI: "coap://192.0.2.1", ShortServerID: 1}
		second := lwm2mtest.AccountConfig{SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coap://192.0.2.4"}
		control := lwm2mtest.BootstrapWrite{Path: "/2/0", Nodes: []lwm2m.Node{
			{Path: lwm2m.PathOf(2, 0, 0), Value: lwm2m.Integer(5)}, {Path: lwm2m.PathOf(2, 0, 1), Value: lwm2m.Integer(0)},
			{Path: lwm2m.PathOf(2, 0, 2, 2), Value: lwm2m.Integer(rights)}, {Path: lwm2m.PathOf(2, 0, 3), Value: lwm2m.Integer(1)},
		}}
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Writes: append(append(first.Writes(), second.Writes()...), control)})
		w.ServeBootstrap()
		cfg := w.config()
		factory := w.Factory()
		cfg.Server, cfg.Bootstrap = nil, factory.Bootstrap
		c := w.Start(cfg)
		for range 2 {
			c.Next(holdfast.EventRegistered)
		}
		time.Sleep(time.Second)
		script(w, other, other.Collect(objects.Registry(), firmware.Reported()...))
		c.ExpectClose(nil)
	})
}

// A server without rights can neither begin nor see an update.
func TestFirmwareOfAServerWithoutRights(t *testing.T) {
	twoFirmwareServers(t, 0, func(w *firmwareWorld, other *lwm2mtest.Server, _ *lwm2mtest.Collection) {
		ctx := context.Background()
		uri, _ := other.Write(ctx, systemtest.Endpoint, "/5/0/1", lwm2mtest.Replace, text(imageURI))
		pushed, _ := other.Push(ctx, systemtest.Endpoint, "/5/0/0", image.Reader(imageSize), lwm2mtest.PushOptions{})
		state, _ := other.Read(ctx, systemtest.Endpoint, "/5/0/3", lwm2m.FormatText)
		update, _ := other.Execute(ctx, systemtest.Endpoint, "/5/0/2", "")
		for what, answer := range map[string]lwm2mtest.Response{"URI": uri, "package": pushed, "state": state, "Update": update} {
			if answer.Code != lwm2m.CodeUnauthorized {
				t.Errorf("%s: answered %s", what, answer.Code)
			}
		}
		w.wantState(0, 0)
	})
}

// A server that may read and no more sees what another one does, and can do nothing.
func TestFirmwareOfAServerThatMayRead(t *testing.T) {
	twoFirmwareServers(t, 1, func(w *firmwareWorld, other *lwm2mtest.Server, told *lwm2mtest.Collection) {
		for _, path := range []lwm2m.Path{firmware.PathState, firmware.PathResult} {
			if _, first, err := other.Observe(context.Background(), systemtest.Endpoint, path.String(), lwm2m.FormatText); err != nil || first.Code != lwm2m.CodeContent {
				t.Fatal(first.Code, err)
			}
		}
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		if answer, _ := other.Execute(context.Background(), systemtest.Endpoint, "/5/0/2", ""); answer.Code != lwm2m.CodeUnauthorized {
			t.Errorf("Update: answered %s", answer.Code)
		}
		if answer, _ := other.Write(context.Background(), systemtest.Endpoint, "/5/0/1", lwm2mtest.Replace, text("")); answer.Code != lwm2m.CodeUnauthorized {
			t.Errorf("a reset: answered %s", answer.Code)
		}
		w.installs(image, imageSize)
		var results []int64
		for _, v := range told.Of(systemtest.Endpoint, firmware.PathResult) {
			results = append(results, v.Int())
		}
		if len(results) == 0 || results[len(results)-1] != 1 {
			t.Errorf("the server that observes was told the results %v", results)
		}
	})
}

// One server observes, and the other begins the update: both are told, each value to the one
// that has begun it.
func TestFirmwareOfTwoServers(t *testing.T) {
	twoFirmwareServers(t, 31, func(w *firmwareWorld, other *lwm2mtest.Server, told *lwm2mtest.Collection) {
		w.observe(firmware.PathState, firmware.PathResult)
		ctx := context.Background()
		if answer, err := other.Write(ctx, systemtest.Endpoint, "/5/0/1", lwm2mtest.Replace, text(imageURI)); err != nil || answer.Code != lwm2m.CodeChanged {
			t.Fatal(answer.Code, err)
		}
		pushed, _ := w.Server.Push(ctx, systemtest.Endpoint, "/5/0/0", image.Reader(imageSize), lwm2mtest.PushOptions{})
		if pushed.Code != lwm2m.CodeBadRequest {
			t.Errorf("a package of another server during an update: answered %s", pushed.Code)
		}
		time.Sleep(time.Hour)
		if answer, err := other.Execute(ctx, systemtest.Endpoint, "/5/0/2", ""); err != nil || answer.Code != lwm2m.CodeChanged {
			t.Fatal(answer.Code, err)
		}
		time.Sleep(time.Hour)
		states := w.values(firmware.PathState)
		if last := states[len(states)-1]; last != 0 || !slices.Contains(w.values(firmware.PathResult), 1) {
			t.Errorf("the server that observes was told %v, and the results %v", states, w.values(firmware.PathResult))
		}
		answer, _ := other.Read(ctx, systemtest.Endpoint, "/5/0/5", lwm2m.FormatText)
		if string(answer.Payload) != "1" {
			t.Errorf("the server that has begun the update reads %s %q", answer.Code, answer.Payload)
		}
		if n := len(told.All()); n == 0 {
			t.Error("it was told nothing")
		}
	})
}

// A package that two servers send at a time is the first one's.
func TestFirmwarePushedByTwoServers(t *testing.T) {
	twoFirmwareServers(t, 31, func(w *firmwareWorld, other *lwm2mtest.Server, _ *lwm2mtest.Collection) {
		if code := w.block(0, true, 1024); code != lwm2m.CodeContinue {
			t.Fatal(code)
		}
		pushed, _ := other.Push(context.Background(), systemtest.Endpoint, "/5/0/0", lwm2mtest.Pattern(2).Reader(imageSize), lwm2mtest.PushOptions{})
		if pushed.Code != lwm2m.CodeBadRequest {
			t.Errorf("the other server is answered %s", pushed.Code)
		}
		if code := w.block(1, false, 1024); code != lwm2m.CodeChanged {
			t.Fatal(code)
		}
		time.Sleep(time.Minute)
		w.installs(image, 2048)
	})
}
