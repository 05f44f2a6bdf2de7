package matrix_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// fetchFault is what befalls the fetching of an image over a link of its own.
type fetchFault struct {
	code  holdfast.ErrorCode
	delay time.Duration
	// answer is how the server of the image treats the request; zero with other faults.
	answer lwm2mtest.Behaviour
	shift  int // of the number of the block
	// befall, of what does not befall a block, returns what ends it.
	befall func(*systemtest.Campaign) (mend func())
}

const (
	imageBytes = 5000
	firstDelay = 5 * time.Second
)

// fetchFaults befall the blocks of an image.
var fetchFaults = map[string]fetchFault{
	"silence":    {code: holdfast.CodeTimeout, delay: firstDelay, answer: lwm2mtest.Behaviour{Silent: true}},
	"reset":      {code: holdfast.CodeNetwork, delay: firstDelay, answer: lwm2mtest.Behaviour{Reset: true}},
	"error":      {code: holdfast.CodeNetwork, delay: firstDelay, answer: lwm2mtest.Behaviour{Answer: lwm2m.NewCode(5, 0)}},
	"overloaded": {code: holdfast.CodeNetwork, delay: 90 * time.Second, answer: lwm2mtest.Behaviour{Answer: lwm2m.NewCode(5, 3), MaxAge: new(uint32(90))}},
	"stray":      {code: holdfast.CodeResponseParse, delay: firstDelay, shift: 1}, // a block that was not asked for
	"too many":   {code: holdfast.CodeNetwork, delay: 90 * time.Second, answer: lwm2mtest.Behaviour{Answer: lwm2m.NewCode(4, 29), MaxAge: new(uint32(90))}},
}

// linkFaults befall the link before there is a block.
var linkFaults = map[string]fetchFault{
	"resolving fails": {code: holdfast.CodeDNS, delay: firstDelay, befall: func(c *systemtest.Campaign) func() {
		c.Network.FailDNS("images.test", lwm2mtest.ServerFailure)
		return func() { c.Network.SetDNS("images.test", systemtest.ImageAddr) }
	}},
	"resolving is not answered": {code: holdfast.CodeDNS, delay: firstDelay, befall: func(c *systemtest.Campaign) func() {
		c.Network.FailDNS("images.test", lwm2mtest.NoAnswerFromDNS)
		return func() { c.Network.SetDNS("images.test", systemtest.ImageAddr) }
	}},
	"nobody is there": {code: holdfast.CodeTimeout, delay: firstDelay, befall: func(c *systemtest.Campaign) func() {
		return c.Network.Impair(lwm2mtest.ToHost(c.ImageHost), lwm2mtest.Conditions{BlackHole: true}).Lift
	}},
	"the port refuses": {code: holdfast.CodeNetwork, delay: firstDelay, befall: func(c *systemtest.Campaign) func() {
		c.Files.Abort()
		return func() { c.ServeImages(systemtest.CoAPPort, lwm2mtest.NoSec()) }
	}},
}

// TestMatrixOfDownloads has a download fail in each way at its beginning, in the middle and at
// its last block, and its link before: one error event of its own phase, with the delay of the
// policy or what the server asks for; the registration is not touched, and the update ends well.
func TestMatrixOfDownloads(t *testing.T) {
	for name, f := range fetchFaults {
		for _, from := range []int64{0, 2048, 4096} {
			t.Run(fmt.Sprintf("%s from byte %d", name, from), func(t *testing.T) {
				f.befall = func(c *systemtest.Campaign) func() {
					c.Images.SpoilFile("/image", -1, lwm2mtest.FileFault{From: from, Behaviour: f.answer, Shift: f.shift})
					return c.Images.MendFiles
				}
				playDownload(t, f, nil)
			})
		}
	}
	for name, f := range linkFaults {
		t.Run(name, func(t *testing.T) { playDownload(t, f, nil) })
	}
	for _, actor := range []string{"coapresend/download", "network/download"} {
		t.Run(actor+" crashes", func(t *testing.T) {
			f := fetchFault{code: holdfast.CodeUnknown, delay: firstDelay, befall: func(*systemtest.Campaign) func() { return func() {} }}
			tap := lwm2mtest.Tap(systemtest.NewCrashOnce[messages.Request](actor))
			if actor == "network/download" {
				tap = systemtest.NewCrashOnce[messages.Connect](actor)
			}
			playDownload(t, f, tap)
		})
	}
}

func playDownload(t *testing.T, f fetchFault, tap lwm2mtest.Tap) {
	synctest.Test(t, func(t *testing.T) {
		c := systemtest.NewCampaign(systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), systemtest.ByManifest, imageBytes)
		defer c.Close()
		c.Run(lwm2mtest.WithTap(tap))
		c.Client.WaitFor(holdfast.Registered)
		c.Observe()
		mend := f.befall(c)
		c.Begin("2.0.0")
		e := c.Client.ExpectError(f.code)
		if delay := systemtest.Retry(e); e.Phase != holdfast.PhaseFirmware || delay != f.delay || e.Attempt != 1 || e.Server != c.Order.URI() {
			t.Errorf("%+v: %v", e, delay)
		}
		mend()
		if !c.Pursue("2.0.0", 20*time.Minute) {
			t.Errorf("the update does not end: %s; %s", c, c.Client.Story())
		}
		c.Client.Story() // takes what is left
		for _, later := range c.Client.Seen {
			if later.Type == holdfast.EventError && later.Seq > e.Seq {
				t.Errorf("another error: %+v", later)
			}
		}
		if n := c.Server.Seen(systemtest.Endpoint, lwm2mtest.Register); n != 1 || c.Client.Status().State != holdfast.Registered {
			t.Errorf("registered %d times, and now %s", n, c.Client.Status().State)
		}
		c.DemandImage()
		c.Client.ExpectClose(nil)
	})
}
