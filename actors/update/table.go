package update

import "slices"

// Event is what moves the machine.
type Event uint8

// The events.
const (
	PackageBegun Event = iota + 1 // a server begins to send the package
	URIWritten                    // a server has written where the image is
	ManifestCame                  // a server has written a manifest
	ManifestGood                  // it is signed, for this gateway, and newer
	Granted                       // the gateway says: go on
	Refused                       // the gateway says: no
	Deferred                      // the gateway says: not now
	Due                           // what was put off is due again
	Announced                     // the server knows that the download begins
	Complete                      // all of the image is there
	Verified                      // it can be installed
	UpdateAsked                   // a server has executed Update
	Installed                     // the new version runs
	NeedsReboot                   // the new version runs after a restart
	Restarted                     // the machine has been restarted
	Confirmed                     // the new version runs, and stays
	RolledBack                    // the version before runs
	Failed                        // the update cannot go on
	Spoiled                       // nor can it be tried again: the image itself is no good
	Cancelled                     // a server has executed Cancel
	ResetAsked                    // a server has written an empty package or URI
	events
)

var eventNames = [events]string{
	"none", "package begun", "URI written", "manifest came", "manifest good", "granted", "refused", "deferred", "due", "announced",
	"complete", "verified", "update asked", "installed", "needs reboot", "restarted", "confirmed", "rolled back", "failed", "spoiled",
	"cancelled", "reset asked",
}

// String returns the name of the event, for logs and test failures.
func (e Event) String() string {
	if e < events {
		return eventNames[e]
	}
	return "invalid"
}

// Transition is one line of the table: what an event leads to. The first that matches wins;
// an event without a line changes nothing.
type Transition struct {
	From []Phase
	On   Event
	Face Face // NoFace: whichever
	To   Phase
	// Do is carried out when the phase has been entered; zero is nothing.
	Do Act
}

// Act is what is done when a phase is entered.
type Act uint8

// The acts.
const (
	TakePackage   Act = iota + 1 // store what the server sends
	CheckManifest                // who has signed it, and is it for us?
	AskDownload                  // ask the gateway, unless it grants everything
	Fetch                        // have a link opened, and fetch
	Verify                       // have the Installer look at the image
	AskInstall                   // ask the gateway, unless it grants everything
	PutOff                       // wait for the gateway
	Install                      // have the Installer install
	Reboot                       // have the machine restarted
	Confirm                      // ask the Installer whether the new version runs
	RollBack                     // have the Installer go back
	Succeed                      // report success
	Fail                         // report why not; the image goes
	FailAndKeep                  // report why not; the image stays, and can be tried again
	Reset                        // nothing is left of the update
)

var (
	// beforeInstall are the phases in which an update can still be given up without a trace.
	beforeInstall = []Phase{
		Receiving, Processing, AskingDownload, DeferredDownload, Announcing, Downloading, Verifying, Downloaded, AskingInstall, DeferredInstall,
	}
	fromIdle = []Phase{Idle}
	asking   = []Phase{AskingDownload, DeferredDownload}
	offered  = []Phase{AskingInstall, DeferredInstall}
	fetching = []Phase{Receiving, Downloading}
)

// table is the state machine.
//
//	Idle ─ package ─▶ Receiving ──────────────────────────────┐
//	  ├─── URI ──▶ AskingDownload ─ granted ─▶ Downloading ───┤ complete
//	  └─ manifest ─▶ Processing ─▶ AskingDownload ─ granted ─▶ Announcing ─▶ Downloading
//	                                                          ▼
//	          Installing ◀─ granted ─ AskingInstall ◀─────── Verifying
//	          │       │                    ▲                  │ object 5
//	 installed│       │needs reboot        └─ update asked ─ Downloaded
//	          ▼       ▼
//	        Idle   Rebooting ─▶ Confirming ─ confirmed ─▶ Idle
//	                                └─ failed ─▶ RollingBack
var table = []Transition{
	{From: fromIdle, On: PackageBegun, To: Receiving, Do: TakePackage},
	{From: fromIdle, On: URIWritten, To: AskingDownload, Do: AskDownload},
	{From: fromIdle, On: ManifestCame, To: Processing, Do: CheckManifest},
	{From: []Phase{Processing}, On: ManifestGood, To: AskingDownload, Do: AskDownload},

	{From: asking, On: Granted, Face: FaceManifest, To: Announcing},
	{From: asking, On: Granted, To: Downloading, Do: Fetch},
	{From: asking, On: Refused, To: Idle, Do: Fail},
	{From: asking, On: Deferred, To: DeferredDownload, Do: PutOff},
	{From: []Phase{DeferredDownload}, On: Due, To: AskingDownload, Do: AskDownload},
	{From: []Phase{Announcing}, On: Announced, To: Downloading, Do: Fetch},

	{From: fetching, On: Complete, To: Verifying, Do: Verify},
	{From: []Phase{Verifying}, On: Verified, Face: FaceManifest, To: AskingInstall, Do: AskInstall},
	{From: []Phase{Verifying}, On: Verified, To: Downloaded},

	{From: []Phase{Downloaded, DeferredInstall}, On: UpdateAsked, Face: FaceUpdate, To: AskingInstall, Do: AskInstall},
	{From: offered, On: Granted, To: Installing, Do: Install},
	{From: offered, On: Refused, Face: FaceUpdate, To: Downloaded, Do: FailAndKeep},
	{From: offered, On: Refused, To: Idle, Do: Fail},
	{From: offered, On: Deferred, To: DeferredInstall, Do: PutOff},
	{From: []Phase{DeferredInstall}, On: Due, To: AskingInstall, Do: AskInstall},

	{From: []Phase{Installing}, On: Installed, To: Idle, Do: Succeed},
	{From: []Phase{Installing}, On: NeedsReboot, To: Rebooting, Do: Reboot},
	{From: []Phase{Rebooting}, On: Restarted, To: Confirming, Do: Confirm},
	{From: []Phase{Confirming}, On: Confirmed, To: Idle, Do: Succeed},
	{From: []Phase{Confirming}, On: Failed, To: RollingBack, Do: RollBack},
	{From: []Phase{RollingBack}, On: RolledBack, Face: FaceUpdate, To: Downloaded, Do: FailAndKeep},
	{From: []Phase{RollingBack}, On: RolledBack, To: Idle, Do: Fail},
	{From: []Phase{RollingBack}, On: Failed, To: Idle, Do: Fail},

	{From: []Phase{Installing}, On: Spoiled, To: Idle, Do: Fail},
	{From: []Phase{Installing, Rebooting}, On: Failed, Face: FaceUpdate, To: Downloaded, Do: FailAndKeep},
	{From: []Phase{Installing, Rebooting}, On: Failed, To: Idle, Do: Fail},
	{From: beforeInstall, On: Failed, To: Idle, Do: Fail},
	{From: beforeInstall, On: Cancelled, Face: FaceUpdate, To: Idle, Do: Fail},
	{From: append(fromIdle, beforeInstall...), On: ResetAsked, Face: FaceUpdate, To: Idle, Do: Reset},
}

// Table returns a copy of the table, for tests.
func Table() []Transition { return slices.Clone(table) }

// lookup finds the line for an event.
func lookup(from Phase, on Event, face Face) (Transition, bool) {
	i := slices.IndexFunc(table, func(t Transition) bool {
		return t.On == on && slices.Contains(t.From, from) && (t.Face == NoFace || t.Face == face)
	})
	if i < 0 {
		return Transition{}, false
	}
	return table[i], true
}
