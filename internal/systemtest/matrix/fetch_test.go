package matrix_test

import (
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// fetchCell is one way in which a code comes about while an image is fetched. The other ways are
// those of TestMatrixOfDownloads and its siblings.
type fetchCell struct {
	open  opening
	fault fetchFault
}

var fetchCells = map[holdfast.ErrorCode]fetchCell{
	holdfast.CodeInvalidParameters:  {byWeb, webFaults["leads to this machine"]},
	holdfast.CodeInvalidCredentials: {inClear, linkFaults["there are no credentials"]},
	holdfast.CodeTimeout:            {withKey, keyFaults["has another key"]},
	holdfast.CodeNetwork:            {withKey, keyFaults["is closed half way"]},
	holdfast.CodeResponseParse:      {byWeb, webFaults["is answered by what is not HTTP"]},
	holdfast.CodeMemory:             {byWeb, webFaults["is answered by a large header"]},
	holdfast.CodeSecureConnection:   {withCertificates, certificateFaults["has a certificate of another authority"]},
	holdfast.CodeDNS:                {inClear, linkFaults["resolving fails"]},
	holdfast.CodeUnknown:            {inClear, fetchFault{code: holdfast.CodeUnknown, delay: firstDelay}}, // by a crash
	holdfast.CodeNotAllowed:         {inClear, fetchFault{}},                                              // by a call
}

// playFetch has a download fail while the client is registered: one error event in the phase of
// updates, the registration goes on, and the server learns how the update has ended.
func playFetch(s *scene) {
	cell, known := fetchCells[s.code]
	if !known {
		s.T.Fatal("nothing provokes this error")
	}
	s.site = openSite(systemtest.NewCampaignIn(s.World, s.cfg, systemtest.ByManifest, imageBytes), s.log, cell.open)
	s.cfg.Firmware = s.site.Config.Firmware
	switch s.code {
	case holdfast.CodeNotAllowed:
		late(s.site)
		playForbiddenCall(s)
		return
	case holdfast.CodeUnknown:
		s.needle.set(systemtest.NewCrashOnce[messages.Request]("coapresend/download").Message)
		cell.fault.befall = func(*site) func() { return nothing }
	}
	mend := cell.fault.befall(s.site)
	s.launch()
	s.client.WaitFor(holdfast.Registered)
	s.client.Next(holdfast.EventRegistered)
	s.site.Client = s.client
	s.site.order(cell.fault)
	e := s.expectError()
	s.site.demandFailure(cell.fault, e)
	mend()
	s.site.demandEnd(cell.fault, e)
}

// demandUpdated demands that the update has gone on, too, and has ended.
func (s *scene) demandUpdated() {
	s.T.Helper()
	if s.site == nil {
		return
	}
	if !s.site.Pursue("2.0.0", 20*time.Minute) {
		s.T.Errorf("the update does not end: %s; %s", s.site, s.client.Story())
	}
	if n := s.Server.Seen(systemtest.Endpoint, lwm2mtest.Register); n != s.site.accepted {
		s.T.Errorf("registered %d times, and %d before", n, s.site.accepted)
	}
}
