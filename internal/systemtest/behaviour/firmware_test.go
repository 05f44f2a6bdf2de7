package behaviour

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// firmwareWorld is a world whose client takes updates of its firmware, and whose server
// observes what is reported.
type firmwareWorld struct {
	*systemtest.World
	installer *lwm2mtest.Installer
	told      *lwm2mtest.Collection
}

func newFirmwareWorld(t *testing.T) *firmwareWorld {
	w := &firmwareWorld{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), installer: &lwm2mtest.Installer{}}
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
func (w *firmwareWorld) observe() {
	w.T.Helper()
	for _, path := range []lwm2m.Path{firmware.PathState, firmware.PathResult} {
		if _, err := w.Server.Observe(w.T.Context(), systemtest.Endpoint, path.String(), lwm2mtest.ObserveOptions{}); err != nil {
			w.T.Fatal(err)
		}
	}
}

func (w *firmwareWorld) write(path, value string) lwm2mtest.Response {
	w.T.Helper()
	answer, err := w.Server.WriteText(w.T.Context(), systemtest.Endpoint, path, value)
	if err != nil {
		w.T.Fatal(err)
	}
	return answer
}

func TestFirmwareIsPulledOverTheManagementLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		image := lwm2mtest.Pattern{Seed: 1}
		w.Server.SetFile("image", image.File(100_000))
		c := w.Start(w.config())
		c.WaitFor(holdfast.Registered)
		w.observe()
		w.write("/5/0/1", "coap://192.0.2.1/image")
		time.Sleep(time.Hour)
		w.wantValues(firmware.PathState, 0, 1, 2)
		if _, err := w.Server.Execute(t.Context(), systemtest.Endpoint, "/5/0/2", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.wantValues(firmware.PathState, 0, 1, 2, 3, 0)
		w.wantValues(firmware.PathResult, 0, 1)
		_ = c.Close(context.Background())
	})
}
