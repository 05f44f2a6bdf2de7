package firmware

import (
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// IDs of the objects of a firmware update.
const (
	ObjectUpdate    = 5     // Firmware Update (LwM2M Core Appendix E.6)
	ObjectComponent = 14    // LWM2M Software Component
	ObjectManifest  = 10252 // Manifest, of the reference client
	ObjectMetadata  = 10255 // Device Metadata, of the reference client
)

// Resources whose changes are reported: a server is told each value, in order.
var (
	PathState          = lwm2m.PathOf(ObjectUpdate, 0, 3)
	PathResult         = lwm2m.PathOf(ObjectUpdate, 0, 5)
	PathManifestState  = lwm2m.PathOf(ObjectManifest, 0, 2)
	PathManifestResult = lwm2m.PathOf(ObjectManifest, 0, 3)
)

// Reported lists the resources whose changes are reported, in the order of their paths.
func Reported() []lwm2m.Path {
	return []lwm2m.Path{PathState, PathResult, PathManifestState, PathManifestResult}
}

// State is the value of /10252/0/2: how far an update has come. Of [StateIdle] to
// [StateRebooting] it is the finer view of the states of /5/0/3; see [State.Object5].
type State int8

// The states of /10252/0/2.
const (
	StateReset            State = -1 // a new manifest has come: what was before counts no more
	StateUninitialised    State = 0
	StateIdle             State = 1
	StateProcessing       State = 2 // the manifest is looked at, or an update that was deferred waits to go on
	StateAwaitingDownload State = 3 // the gateway is asked whether to download
	StateDownloading      State = 4
	StateDownloaded       State = 5
	StateAwaitingInstall  State = 6 // the gateway is asked whether to install
	StateUpdating         State = 7
	StateRebooting        State = 8
)

// String returns the state in a word or two, for events and people.
func (s State) String() string {
	names := [...]string{
		"reset", "uninitialised", "idle", "processing manifest", "awaiting download approval", "downloading",
		"downloaded", "awaiting install approval", "updating", "rebooting",
	}
	if at := int(s) + 1; at >= 0 && at < len(names) {
		return names[at]
	}
	return "state " + strconv.Itoa(int(s))
}

// Values of /5/0/3 (LwM2M Core Appendix E.6).
const (
	Object5Idle        = 0
	Object5Downloading = 1
	Object5Downloaded  = 2
	Object5Updating    = 3
)

// Object5 returns the value of /5/0/3 that says the same, as far as that object can.
func (s State) Object5() int64 {
	switch s {
	case StateAwaitingDownload, StateDownloading:
		return Object5Downloading
	case StateDownloaded, StateAwaitingInstall:
		return Object5Downloaded
	case StateUpdating, StateRebooting:
		return Object5Updating
	}
	return Object5Idle
}
