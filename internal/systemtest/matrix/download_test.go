package matrix_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// fetchFault is what befalls the fetching of an image.
type fetchFault struct {
	code  holdfast.ErrorCode
	delay time.Duration // until the next attempt; none where there is a result
	// result is how the update ends, where no further attempt could change anything; else it
	// ends well.
	result firmware.Result
	// befall returns what ends it.
	befall func(*site) (mend func())
	// strike happens while the image is on its way, 500 ms after the update was ordered; nil
	// for nothing.
	strike func(*site)
}

const (
	imageBytes = 5000
	firstDelay = 5 * time.Second
)

// blockFault befalls the blocks of an image from a byte on.
type blockFault struct {
	code   holdfast.ErrorCode
	delay  time.Duration
	answer lwm2mtest.Behaviour
	shift  int // of the number of the block
}

var blockFaults = map[string]blockFault{
	"silence":    {code: holdfast.CodeTimeout, delay: firstDelay, answer: lwm2mtest.Behaviour{Silent: true}},
	"reset":      {code: holdfast.CodeNetwork, delay: firstDelay, answer: lwm2mtest.Behaviour{Reset: true}},
	"error":      {code: holdfast.CodeNetwork, delay: firstDelay, answer: lwm2mtest.Behaviour{Answer: lwm2m.NewCode(5, 0)}},
	"overloaded": {code: holdfast.CodeNetwork, delay: 90 * time.Second, answer: lwm2mtest.Behaviour{Answer: lwm2m.NewCode(5, 3), MaxAge: new(uint32(90))}},
	"stray":      {code: holdfast.CodeResponseParse, delay: firstDelay, shift: 1}, // a block that was not asked for
	"too many":   {code: holdfast.CodeNetwork, delay: 90 * time.Second, answer: lwm2mtest.Behaviour{Answer: lwm2m.NewCode(4, 29), MaxAge: new(uint32(90))}},
}

// linkFaults befall the link before there is a block.
var linkFaults = map[string]fetchFault{
	"resolving fails": {code: holdfast.CodeDNS, delay: firstDelay, befall: func(s *site) func() {
		s.Network.FailDNS("images.test", lwm2mtest.ServerFailure)
		return func() { s.Network.SetDNS("images.test", systemtest.ImageAddr) }
	}},
	"resolving is not answered": {code: holdfast.CodeDNS, delay: firstDelay, befall: func(s *site) func() {
		s.Network.FailDNS("images.test", lwm2mtest.NoAnswerFromDNS)
		return func() { s.Network.SetDNS("images.test", systemtest.ImageAddr) }
	}},
	"there is no such host": {code: holdfast.CodeDNS, result: firmware.ResultInvalidURI, befall: func(s *site) func() {
		s.Network.FailDNS("images.test", lwm2mtest.NameNotFound)
		return nothing
	}},
	"nobody is there": {code: holdfast.CodeTimeout, delay: firstDelay, befall: func(s *site) func() {
		return s.Network.Impair(lwm2mtest.ToHost(s.ImageHost), lwm2mtest.Conditions{BlackHole: true}).Lift
	}},
	"the port refuses": {code: holdfast.CodeNetwork, delay: firstDelay, befall: refusesPort},
	"there is no such image": {code: holdfast.CodeNetwork, result: firmware.ResultNotFound, befall: func(s *site) func() {
		s.Images.RemoveFile("/image")
		return nothing
	}},
	"the image is not given": {code: holdfast.CodeNetwork, result: firmware.ResultDownloadFailed, befall: func(s *site) func() {
		s.Images.SpoilFile("/image", -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Answer: lwm2m.CodeForbidden}})
		return nothing
	}},
	"there are no credentials": {code: holdfast.CodeInvalidCredentials, result: firmware.ResultDownloadFailed, befall: func(s *site) func() {
		s.Site = securedSite
		return nothing
	}},
}

func nothing() {}

// refusesPort has the server of the image end without a word.
func refusesPort(s *site) func() {
	s.Files.Abort()
	return s.serve
}

// TestMatrixOfDownloads has a download fail in each way at its beginning, in the middle and at
// its last block, and its link before: one error event of its own phase, with the delay of the
// policy or what the server asks for; the registration is not touched, and the update ends well.
func TestMatrixOfDownloads(t *testing.T) {
	for name, b := range blockFaults {
		for _, from := range []int64{0, 2048, 4096} {
			for scheme, open := range map[string]opening{"coap": inClear, "coaps": withKey} {
				t.Run(fmt.Sprintf("%s, %s from byte %d", scheme, name, from), func(t *testing.T) {
					playDownload(t, open, fetchFault{code: b.code, delay: b.delay, befall: func(s *site) func() {
						s.Images.SpoilFile("/image", -1, lwm2mtest.FileFault{From: from, Behaviour: b.answer, Shift: b.shift})
						return s.Images.MendFiles
					}}, nil)
				})
			}
		}
	}
	for name, f := range linkFaults {
		t.Run(name, func(t *testing.T) { playDownload(t, inClear, f, nil) })
	}
	for _, actor := range []string{"coapresend/download", "network/download"} {
		t.Run(actor+" crashes", func(t *testing.T) {
			f := fetchFault{code: holdfast.CodeUnknown, delay: firstDelay, befall: func(*site) func() { return nothing }}
			tap := lwm2mtest.Tap(systemtest.NewCrashOnce[messages.Request](actor))
			if actor == "network/download" {
				tap = systemtest.NewCrashOnce[messages.Connect](actor)
			}
			playDownload(t, inClear, f, tap)
		})
	}
}

func playDownload(t *testing.T, open opening, f fetchFault, tap lwm2mtest.Tap) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, open)
		defer s.Close()
		mend := f.befall(s)
		s.run(lwm2mtest.WithTap(tap))
		s.Client.WaitFor(holdfast.Registered)
		s.order(f)
		e := s.Client.ExpectError(f.code)
		s.demandFailure(f, e)
		mend()
		s.demandEnd(f, e)
	})
}

// demandFailure demands what an attempt's one event says.
func (s *site) demandFailure(f fetchFault, e holdfast.Event) {
	s.T.Helper()
	delay, again := e.RetryIn()
	if e.Phase != holdfast.PhaseFirmware || e.Attempt != 1 || e.Server != s.URI() || delay != f.delay || again != (f.result == 0) || e.Remedy == "" {
		s.T.Errorf("%+v: %v, %v", e, delay, again)
	}
	if !again && strings.Contains(e.Remedy, "goes on") || strings.Contains(e.Remedy, "has ended") == again {
		s.T.Errorf("there is another attempt: %v, and the remedy says %q", again, e.Remedy)
	}
}

// demandEnd demands that nothing else has gone wrong, that the server has learned how the update
// has ended, and that the registration has not been touched.
func (s *site) demandEnd(f fetchFault, e holdfast.Event) {
	s.T.Helper()
	if !s.Pursue("2.0.0", 20*time.Minute) {
		s.T.Errorf("the update does not end: %s; %s", s, s.Client.Story())
	}
	want := firmware.ResultSuccess
	if f.result != 0 {
		want = f.result
	}
	if results := s.Values(s.Order.Result()); results[len(results)-1] != int64(want) {
		s.T.Errorf("the server is told the results %v, want %d at the end", results, want)
	}
	s.Client.Story() // takes what is left
	for _, later := range s.Client.Seen {
		if later.Type == holdfast.EventError && later.Seq > e.Seq {
			s.T.Errorf("another error: %+v", later)
		}
	}
	if n := s.Server.Seen(systemtest.Endpoint, lwm2mtest.Register); n != s.accepted || s.Client.Status().State != holdfast.Registered {
		s.T.Errorf("registered %d times, and now %s", n, s.Client.Status().State)
	}
	s.DemandImage()
	s.demandSilence()
	s.Client.ExpectClose(nil)
}
