package messages

import (
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// A firmware update goes through four actors: update decides what is done and what is
// reported, management serves its objects and says what has reached a server, the supervisor
// opens links to the servers that have images and owns the delays between attempts, and
// coapresend fetches block by block.

// RecordFirmware is the record of the store that holds the state of an update, with all that
// is still to be reported.
const RecordFirmware = "firmware"

// DownloadPeer returns the server that an image is fetched from over a link of its own.
func DownloadPeer(id uint16) Peer { return Peer{Kind: PeerDownload, ID: id} }

// ReportsObserved says which of the reported resources ([firmware.Reported]) a server
// observes, by themselves or as part of something larger, also while it is away. Management
// to update: once for each session, when it is known what goes on of what the server observed
// before, and whenever it changes.
type ReportsObserved struct {
	Peer  Peer
	Epoch Epoch // of the session; 0 while the server is away
	Paths []lwm2m.Path
}

// ReportsDelivered says that a server has values of reported resources: it has acknowledged a
// notification with them, or its Read was answered. Management to update.
type ReportsDelivered struct {
	Peer  Peer
	Nodes []lwm2m.Node
	// Asked says that it has read them. Nobody acknowledges an answer, so that this counts only
	// where the server does not observe them.
	Asked bool
}

// SendReports asks for a Send of the present values of reported resources to a server that
// observes none of them. Update to supervisor, which answers with one [ReportsSent].
type SendReports struct {
	ID    uint64 // chosen by update
	Peer  Peer
	Paths []lwm2m.Path
}

// ReportsSent says what became of a [SendReports]. Supervisor to update.
type ReportsSent struct {
	ID      uint64
	Outcome SendOutcome
}

// Via is how a download goes.
type Via uint8

// The ways of a download.
const (
	ViaManagement Via = iota + 1 // over the link of the management server that has the same host and port
	ViaLink                      // over a CoAP link of its own
	ViaHTTP                      // by HTTP, without a link
)

// String returns the way in a few words.
func (v Via) String() string {
	names := [...]string{"none", "management link", "own link", "HTTP"}
	if int(v) < len(names) {
		return names[v]
	}
	return names[0]
}

// OpenDownload asks for the first attempt to fetch an image. Update to supervisor, which
// answers with a [DownloadOpened], at once or when a link can be had, and with another one
// for each attempt after a [DownloadFailed], when the policy's delay is over. There is one
// download at a time: a new one ends the one before.
type OpenDownload struct {
	ID  uint64 // chosen by update, unique in the process
	URI string // of an allowed scheme
}

// DownloadOpened begins an attempt. Supervisor to update. With ViaManagement and ViaLink the
// image is fetched by a [Request] with [Request.For] set, to the link of Epoch; a link of its
// own may still be on its way up, and the request waits for that. A link that could not be
// made is a [LinkLost] of that epoch. With ClassConfiguration (the URI is not allowed, or its
// host is local) and ClassBadCredentials (there are none for the server) another attempt
// would end in the same way.
type DownloadOpened struct {
	ID    uint64
	Via   Via
	Epoch Epoch // of the link; 0 with ViaHTTP
}

// DownloadInterrupted ends an attempt that has not failed: the client is paused or stopped, the
// session is lost whose link it went over, or its own link has been given up. Update cancels
// what is under way, and reports nothing; the next attempt begins with a [DownloadOpened].
// Supervisor to update.
type DownloadInterrupted struct{ ID uint64 }

// DownloadPaused says that the application has paused the client, or that the client goes on: a
// download that is not tried is not one that brings nothing. Supervisor to update.
type DownloadPaused struct {
	ID     uint64
	Paused bool
}

// DownloadProgressed says that an attempt has brought something: the count of failures
// begins anew. Update to supervisor, at most once for an attempt.
type DownloadProgressed struct{ ID uint64 }

// DownloadFailed ends an attempt. Update to supervisor, once for an attempt: the supervisor
// reports it, and begins the next after the policy's delay, unless it is Final.
type DownloadFailed struct {
	ID      uint64
	Failure Failure // its phase is PhaseFirmware
	Final   bool    // no further attempt: the update has ended
}

// CloseDownload ends a download: the image is there, or it is not wanted any more. Update to
// supervisor, which retires the link that was opened for it.
type CloseDownload struct{ ID uint64 }

// FirmwareChanged reports how far an update has come. Update to supervisor, when state,
// result or what is asked changes, and while an image is fetched at most once for each
// twentieth of it.
type FirmwareChanged struct{ Status FirmwareStatus }

// FirmwareStatus is how far an update has come.
type FirmwareStatus struct {
	Object   uint16          // 5 or 10252: how the update was begun; 0 before the first
	State    firmware.State  // what is the case; what a server was told may lag behind
	Result   firmware.Result // of the last update that has ended
	Object5  int64           // the same as the value of /5/0/5
	Progress int64           // bytes that are there
	Total    int64           // bytes; 0 while that is not known
	Version  string          // that is being installed, or was last; may be empty
	Pending  int             // reports that no server has yet
	Asks     FirmwareQuestion
	PutOff   FirmwareQuestion // what the gateway was asked when it put the update off
	// Deferred is until when the gateway has put the update off; zero when it has not, or
	// for as long as nobody says go on.
	Deferred time.Time
	Detail   string // why it has failed, for a person; may be empty
}

// Values returns state and result in the numbers of the object that the update was begun
// by: those of /10252/0/2 and /10252/0/3, else of /5/0/3 and /5/0/5.
func (s FirmwareStatus) Values() (state, result int64) {
	if s.Object == firmware.ObjectManifest {
		return int64(s.State), int64(s.Result)
	}
	switch s.PutOff {
	case AsksDownload:
		return firmware.Object5Downloading, s.Object5
	case AsksInstall:
		return firmware.Object5Downloaded, s.Object5
	}
	return s.State.Object5(), s.Object5
}

// FirmwareQuestion is what the gateway is asked.
type FirmwareQuestion uint8

// The questions.
const (
	AsksNothing FirmwareQuestion = iota
	AsksDownload
	AsksInstall
)

// String returns the question in a word; nothing for AsksNothing.
func (q FirmwareQuestion) String() string {
	names := [...]string{"", "download", "install"}
	if int(q) < len(names) {
		return names[q]
	}
	return "invalid"
}

// FirmwareDecision is what the gateway answers.
type FirmwareDecision uint8

// The decisions.
const (
	FirmwareGrant  FirmwareDecision = iota + 1 // go on
	FirmwareRefuse                             // end the update, with a result that says so
	FirmwareDefer                              // not now: ask again after Period, or when granted
)

// String returns the decision as the control API names it.
func (d FirmwareDecision) String() string {
	names := [...]string{"none", "grant", "refuse", "defer"}
	if int(d) < len(names) {
		return names[d]
	}
	return "invalid"
}

// AuthoriseFirmware answers what the gateway is asked, or grants what it has put off. Facade
// to supervisor, and on to update, which decides: code 11 where nothing is asked.
type AuthoriseFirmware struct {
	Decision FirmwareDecision
	Period   time.Duration // of FirmwareDefer; 0 for as long as nobody grants
	Answer   chan<- Answered
}

// ServersChanged says which management servers there are accounts for: nothing is to wait for
// another. There is at least one. Supervisor to update, once they are known and whenever that
// changes.
type ServersChanged struct{ Servers []Peer }

// ReportsAsked asks for all that was said by [ReportsObserved] once more, and by
// [ReportsDelivered] of what is owed still: update has been started anew. Update to management.
type ReportsAsked struct{}

// FirmwareDecided answers an [AuthoriseFirmware], behind the [FirmwareChanged] that shows what came
// of it: whoever looks at the status when the call has returned sees that. Update to supervisor.
type FirmwareDecided struct {
	Answered Answered
	Answer   chan<- Answered
}
