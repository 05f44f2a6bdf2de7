package behaviour

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// firmwareWorld is a world whose client takes updates of its firmware, and whose server
// observes what is reported.
type firmwareWorld struct {
	*systemtest.World
	installer *lwm2mtest.Installer
	told      *lwm2mtest.Collection
	dir       string          // of images
	family    firmware.Family // of the results
}

func newFirmwareWorld(t *testing.T, options ...lwm2mtest.ServerOptions) *firmwareWorld {
	w := &firmwareWorld{World: systemtest.NewWorld(t, append(options, lwm2mtest.ServerOptions{})[0]), installer: lwm2mtest.NewInstaller()}
	w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	w.told = w.Server.Collect(objects.Registry(), firmware.Reported()...)
	return w
}

func (w *firmwareWorld) config() holdfast.Config {
	cfg := w.NoSec()
	cfg.Firmware = &holdfast.Firmware{Dir: systemtest.StateDir(w.T), Installer: w.installer}
	return cfg
}

// values lists what the server was told of a resource, without repetitions.
func (w *firmwareWorld) values(path lwm2m.Path) (all []int64) {
	for _, v := range w.told.Of(systemtest.Endpoint, path) {
		all = append(all, v.Int())
	}
	return slices.Compact(all)
}

func (w *firmwareWorld) wantValues(path lwm2m.Path, want ...int64) {
	w.T.Helper()
	if got := w.values(path); !slices.Equal(got, want) {
		w.T.Errorf("of %s the server was told %v, want %v", path, got, want)
	}
}

// observe has the server observe state and result of object 5.
func (w *firmwareWorld) observe(paths ...lwm2m.Path) {
	w.T.Helper()
	for _, path := range paths {
		_, first, err := w.Server.Observe(context.Background(), systemtest.Endpoint, path.String(), lwm2m.FormatText)
		if err != nil || first.Code != lwm2m.CodeContent {
			w.T.Fatal(first.Code, err)
		}
	}
}

func (w *firmwareWorld) write(path string, c lwm2mtest.Content, want lwm2m.Code) {
	w.T.Helper()
	answer, err := w.Server.Write(context.Background(), systemtest.Endpoint, path, lwm2mtest.Replace, c)
	if err != nil || answer.Code != want {
		w.T.Fatalf("%s: answered %s %q, %v; want %s", path, answer.Code, answer.Payload, err, want)
	}
}

func text(value string) lwm2mtest.Content {
	return lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte(value)}
}

func (w *firmwareWorld) execute(path string, want lwm2m.Code) {
	w.T.Helper()
	answer, err := w.Server.Execute(context.Background(), systemtest.Endpoint, path, "")
	if err != nil || answer.Code != want {
		w.T.Fatalf("%s: answered %s, %v; want %s", path, answer.Code, err, want)
	}
}

// image is what servers have.
const (
	image     = lwm2mtest.Pattern(1)
	imageSize = 100_000
)

func TestFirmwareIsPulledOverTheManagementLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		c := w.Start(w.config())
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.PathState, firmware.PathResult)
		w.write("/5/0/1", text("coap://192.0.2.1/image"), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.wantValues(firmware.PathState, 0, 1, 2)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.wantValues(firmware.PathState, 0, 1, 2, 3, 0)
		w.wantValues(firmware.PathResult, 0, 1)
		for _, call := range w.installer.Calls() {
			if call.Digest != image.SHA256(imageSize) {
				t.Errorf("%s has got another image", call.Step)
			}
		}
		c.ExpectClose(nil)
	})
}

func TestFirmwareIsPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		c := w.Start(w.config())
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.PathState, firmware.PathResult)
		answer, err := w.Server.Push(context.Background(), systemtest.Endpoint, "/5/0/0", image.Reader(imageSize), lwm2mtest.PushOptions{})
		if err != nil || answer.Code != lwm2m.CodeChanged {
			t.Fatal(answer.Code, err)
		}
		time.Sleep(time.Minute)
		w.wantValues(firmware.PathState, 0, 1, 2)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.wantValues(firmware.PathState, 0, 1, 2, 3, 0)
		w.wantValues(firmware.PathResult, 0, 1)
		c.ExpectClose(nil)
	})
}

func TestFirmwareOfAServerThatDoesNotObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		c := w.Start(w.config())
		c.WaitFor(holdfast.Registered)
		w.write("/5/0/1", text("coap://192.0.2.1/image"), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		if answer, _ := w.Server.Read(context.Background(), systemtest.Endpoint, "/5/0/3", lwm2m.FormatText); string(answer.Payload) != "2" {
			t.Fatalf("the state reads %s %q", answer.Code, answer.Payload)
		}
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		if answer, _ := w.Server.Read(context.Background(), systemtest.Endpoint, "/5/0/5", lwm2m.FormatText); string(answer.Payload) != "1" {
			t.Fatalf("the result reads %s %q", answer.Code, answer.Payload)
		}
		c.ExpectClose(nil)
	})
}

// The version that runs is in object 14, which says what it does and nothing else; one that the
// application has itself is the one that servers see.
func TestFirmwareComponent(t *testing.T) {
	own, err := object.NewValues(lwm2m.ObjectDef{ID: 14, Name: "own", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 0, Name: "Component Identity", Kind: lwm2m.KindString, Operations: lwm2m.OpRead},
	}})
	if err != nil || own.Set(lwm2m.PathOf(14, 0, 0), lwm2m.String("radio")) != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		objects          []object.Object
		identity, listed string
	}{
		"of updates":         {nil, "MAIN", "</14>,</14/0>,</14/0/0>,</14/0/2>"},
		"of the application": {[]object.Object{own}, "radio", "</14>,</14/0>,</14/0/0>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFirmwareWorld(t)
				defer w.Close()
				cfg := w.config()
				cfg.Objects = test.objects
				c := w.Start(cfg)
				c.WaitFor(holdfast.Registered)
				got, err := w.Server.Read(context.Background(), systemtest.Endpoint, "/14/0/0", lwm2m.FormatText)
				if err != nil || string(got.Payload) != test.identity {
					t.Errorf("the identity is %q, %v", got.Payload, err)
				}
				listed, err := w.Server.Discover(context.Background(), systemtest.Endpoint, "/14")
				if err != nil || string(listed.Payload) != test.listed {
					t.Errorf("it has %s, %v", listed.Payload, err)
				}
				r, _ := w.Server.Registration(systemtest.Endpoint)
				if n := strings.Count(string(r.Objects), "/14/0"); n != 1 {
					t.Errorf("it is announced %d times: %s", n, r.Objects)
				}
				c.ExpectClose(nil)
			})
		})
	}
}
