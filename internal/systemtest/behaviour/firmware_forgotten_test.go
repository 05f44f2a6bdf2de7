package behaviour

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// A server that is restarted in the midst of an update, and has forgotten the client, misses no
// value: what it rejects shows the client that it has to register anew. It takes no Send.
func TestFirmwareServerForgetsTheClient(t *testing.T) {
	for _, state := range []firmware.State{firmware.StateReset, firmware.StateAwaitingDownload, firmware.StateDownloading, firmware.StateAwaitingInstall, firmware.StateUpdating} {
		t.Run(state.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), systemtest.ByManifest, 5000)
				defer c.Close()
				c.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 100 * time.Millisecond})
				c.Run()
				c.Client.WaitFor(holdfast.Registered)
				c.Observe()
				c.Begin("2.0.0")
				for !slices.Contains(c.Values(firmware.PathManifestState), int64(state)) {
					time.Sleep(10 * time.Millisecond)
				}
				c.Server.Forget()
				forgotten := time.Now()
				for !c.Server.Registered(systemtest.Endpoint) {
					time.Sleep(10 * time.Millisecond)
				}
				if away := time.Since(forgotten); away > 5*time.Second {
					t.Errorf("registered again after %v", away)
				}
				c.Observe()
				systemtest.Rest(time.Minute)
				want := []int64{1, -1, 3, 4, 6, 7, 1}
				if got := c.Values(firmware.PathManifestState); !slices.Equal(got, want) {
					t.Errorf("the server was told the states %v, want %v\n%s\n%s", got, want, c, c.Client.Story())
				}
				if got := c.Values(firmware.PathManifestResult); !slices.Equal(got, []int64{-1, 18}) {
					t.Errorf("the server was told the results %v", got)
				}
				c.Client.ExpectClose(nil)
			})
		})
	}
}
