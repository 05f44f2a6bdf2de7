package behaviour

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// webURI is where a web server has the image.
const webURI = "http://203.0.113.7/image"

// withWeb runs script with a web server that has the image, and a client that is registered.
func withWeb(t *testing.T, script func(*firmwareWorld, *systemtest.HTTP, *systemtest.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		web := systemtest.NewHTTP(t, nil)
		defer web.Close()
		web.SetFile("/image", image.File(imageSize))
		c := w.Start(w.config(), lwm2mtest.WithDialTCP(web.DialAddr))
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.PathState, firmware.PathResult)
		script(w, web, c)
		c.ExpectClose(nil)
	})
}

// installs has the server install what was downloaded, and demands that it is a certain image.
func (w *firmwareWorld) installs(content lwm2mtest.Pattern, size int64) {
	w.T.Helper()
	w.wantState(2, 0)
	w.execute("/5/0/2", lwm2m.CodeChanged)
	time.Sleep(time.Minute)
	w.wantState(0, 1)
	w.wantInstalled(content, size)
}

// An image goes on from where it was after a connection has broken (RFC 9110 section 14).
func TestFirmwareByHTTPGoesOn(t *testing.T) {
	withWeb(t, func(w *firmwareWorld, web *systemtest.HTTP, _ *systemtest.Client) {
		web.Spoil("/image", 1, systemtest.WebFault{After: 70_000, End: systemtest.WebReset})
		w.write("/5/0/1", text(webURI), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.installs(image, imageSize)
		ranges := web.Ranges("/image")
		if len(ranges) != 2 || ranges[0] != "" || ranges[1] == "" {
			t.Errorf("asked for %q", ranges)
		}
		w.wantValues(firmware.PathState, 0, 1, 2, 3, 0)
	})
}

// A web server that has another image by then says 412, or sends it whole: it is fetched anew.
func TestFirmwareByHTTPOfAServerWithAnotherImage(t *testing.T) {
	other := lwm2mtest.Pattern(2).File(imageSize + 5)
	for name, second := range map[string]systemtest.WebFault{
		"412": {Replace: &other}, "the whole of it": {Replace: &other, WholeFile: true},
	} {
		t.Run(name, func(t *testing.T) {
			withWeb(t, func(w *firmwareWorld, web *systemtest.HTTP, _ *systemtest.Client) {
				web.Spoil("/image", 1, systemtest.WebFault{After: 70_000, End: systemtest.WebReset})
				web.Spoil("/image", 1, second)
				w.write("/5/0/1", text(webURI), lwm2m.CodeChanged)
				time.Sleep(time.Hour)
				w.installs(2, imageSize+5)
			})
		})
	}
}

// What a web server refuses for a while is fetched after that (RFC 9110 section 10.2.3).
func TestFirmwareByHTTPThatIsPutOff(t *testing.T) {
	withWeb(t, func(w *firmwareWorld, web *systemtest.HTTP, c *systemtest.Client) {
		web.Spoil("/image", 1, systemtest.WebFault{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"1800"}}})
		began := time.Now()
		w.write("/5/0/1", text(webURI), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.installs(image, imageSize)
		if asked := web.Requests(); len(asked) != 2 || asked[1].Time.Sub(began) < 30*time.Minute || asked[1].Time.Sub(began) > 31*time.Minute {
			t.Errorf("asked %d times", len(asked))
		}
		e := c.Next(holdfast.EventError)
		if delay, again := e.RetryIn(); e.Phase != holdfast.PhaseFirmware || !again || delay != 30*time.Minute {
			t.Errorf("%+v", e)
		}
	})
}

// With a manifest it is another image that a server has by then, and that is not installed.
func TestFirmwareChangesUnderAManifest(t *testing.T) {
	e := ending{family: firmware.FamilyNewest, number: 26, states: toDownload, cause: firmware.CausePayloadCorrupted,
		arrange: func(w *firmwareWorld) {
			other := lwm2mtest.Pattern(2).File(imageSize)
			w.Server.SpoilFile("image", 1, lwm2mtest.FileFault{From: 50_000, Replace: &other})
		}}
	synctest.Test(t, e.run)
}

// A server without tags that gets the image of the manifest in the middle of the download: what was
// fetched before is none of it, and is fetched once more.
func TestFirmwareOfAServerThatGetsTheRightImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		before, after := lwm2mtest.Pattern(2).File(imageSize), image.File(imageSize)
		before.WithoutETag, after.WithoutETag = true, true
		w.Server.SetFile("image", before)
		w.Server.SpoilFile("image", 1, lwm2mtest.FileFault{From: 50_000, Behaviour: lwm2mtest.Behaviour{Silent: true}})
		cfg := w.config()
		trusting(&cfg)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.PathManifestState, firmware.PathManifestResult)
		w.write("/10252/0/1", signed(t, nil), lwm2m.CodeChanged)
		time.Sleep(10 * time.Second)
		w.Server.SetFile("image", after)
		time.Sleep(time.Hour)
		w.wantInstalled(image, imageSize)
		w.wantValues(firmware.PathManifestResult, -1, int64(firmware.ResultSuccess))
		c.ExpectClose(nil)
	})
}

// A server that restarts with another image under the same URI: the tag of a block says so
// (RFC 7959 section 2.4), and the image is fetched anew. Where there are no tags, nothing is
// taken over from one attempt to the next.
func TestFirmwareOfAServerWithAnotherImage(t *testing.T) {
	other := lwm2mtest.Pattern(2).File(imageSize + 5)
	untagged := other
	untagged.WithoutETag = true
	shorter := lwm2mtest.Pattern(2).File(imageSize / 5)
	first := image.File(imageSize)
	first.WithoutETag = true
	silent := lwm2mtest.FileFault{From: 50_000, Behaviour: lwm2mtest.Behaviour{Silent: true}}
	for name, o := range map[string]struct{ before, after lwm2mtest.File }{
		"tags": {image.File(imageSize), other}, "no tags": {first, untagged}, "a tag afterwards": {first, other}, "a tag before": {image.File(imageSize), untagged},
		"a shorter one": {image.File(imageSize), shorter}, "a block only": {image.File(imageSize), lwm2mtest.Pattern(2).File(700)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFirmwareWorld(t)
				defer w.Close()
				w.Server.SetFile("image", o.before)
				w.Server.SpoilFile("image", 1, silent)
				c := w.Start(w.config())
				c.WaitFor(holdfast.Registered)
				w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
				time.Sleep(10 * time.Second)
				w.Server.SetFile("image", o.after)
				time.Sleep(time.Hour)
				w.installs(2, o.after.Size)
				c.ExpectClose(nil)
			})
		})
	}
}

// An image is a server's, whose registration goes on while it is fetched slowly: Updates come in
// time, and nothing is registered anew.
func TestRegistrationDuringALongDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Delay: 40 * time.Second, Separate: true}})
		cfg := w.config()
		cfg.Lifetime = 2 * time.Minute
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.wantState(1, 0)
		if got := c.Status(); got.Firmware == nil || got.Firmware.Progress == 0 || got.Firmware.Progress >= imageSize || got.Firmware.Total != imageSize {
			t.Errorf("%+v", got.Firmware)
		}
		time.Sleep(time.Hour)
		w.installs(image, imageSize)
		if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
			t.Errorf("%d registrations", n)
		}
		if n := w.Server.Updates(systemtest.Endpoint); n < 100 {
			t.Errorf("%d Updates in two hours, with a lifetime of two minutes", n)
		}
		c.ExpectClose(nil)
	})
}

// A client that is paused fetches nothing, and does not give up for that; after that it goes on
// where it was.
func TestFirmwareOfAClientThatIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Delay: time.Second}})
		c := w.Start(w.config())
		c.WaitFor(holdfast.Registered)
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		time.Sleep(50 * time.Second)
		if err := c.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := w.Server.FetchCount("image")
		time.Sleep(200 * time.Hour) // much longer than firmware.give_up
		if n := w.Server.FetchCount("image"); n != before {
			t.Errorf("%d blocks were fetched meanwhile", n-before)
		}
		if err := c.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		c.WaitFor(holdfast.Registered)
		time.Sleep(time.Hour)
		w.installs(image, imageSize)
		if n := w.Server.FetchCount("image"); n > 105 {
			t.Errorf("%d blocks were fetched of 98", n)
		}
		c.ExpectClose(nil)
	})
}

// A device that sleeps between its exchanges fetches all the same, and what comes of it is told.
func TestFirmwareInQueueMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Delay: time.Second}})
		cfg := w.config()
		cfg.QueueMode = true
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.PathState, firmware.PathResult)
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		time.Sleep(time.Hour)
		w.wantValues(firmware.PathState, 0, 1, 2)
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.installs(image, imageSize)
		w.wantValues(firmware.PathResult, 0, 1)
		c.ExpectClose(nil)
	})
}

// A factory reset is about accounts: an update goes on with the server that is then registered
// with.
func TestFactoryResetDuringAnUpdate(t *testing.T) {
	for _, state := range []int64{firmware.Object5Downloading, firmware.Object5Downloaded} {
		synctest.Test(t, func(t *testing.T) {
			w := newFirmwareWorld(t)
			defer w.Close()
			c := w.Start(w.config())
			c.WaitFor(holdfast.Registered)
			w.reach(state)
			if err := c.FactoryReset(context.Background()); err != nil {
				t.Fatal(err)
			}
			w.Server.MendFiles()
			time.Sleep(time.Hour)
			w.installs(image, imageSize)
			c.ExpectClose(nil)
		})
	}
}
