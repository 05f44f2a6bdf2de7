package update

import (
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// Phase is the state of the machine: finer than what servers are told. The numbers are in
// records; they never change.
type Phase uint8

// The phases.
const (
	Idle             Phase = iota
	Receiving              // a server sends the package in blocks
	Processing             // a manifest has come, and is checked
	AskingDownload         // the gateway is asked whether to download
	Announcing             // the server has to know that the download begins before it does
	Downloading            // from a URI
	Verifying              // all of the image is there
	Downloaded             // object 5: the server has to say Update
	AskingInstall          // the gateway is asked whether to install
	Installing             // the Installer is at work
	Rebooting              // the machine is to be restarted
	Confirming             // after that: is it the new version that runs?
	RollingBack            // it is not
	DeferredDownload       // the gateway has put the download off
	DeferredInstall        // the gateway has put the installation off
	phases
)

var phaseNames = [phases]string{
	"idle", "receiving", "processing", "asking download", "announcing", "downloading", "verifying", "downloaded",
	"asking install", "installing", "rebooting", "confirming", "rolling back", "deferred download", "deferred install",
}

// String returns the name of the phase, for logs and test failures.
func (p Phase) String() string {
	if p < phases {
		return phaseNames[p]
	}
	return "phase " + strconv.Itoa(int(p))
}

// installs reports whether it is up to the gateway to install, or not yet.
func (p Phase) installs() bool { return p == AskingInstall || p == DeferredInstall }

// Face is the object through which an update was begun.
type Face uint8

// The faces.
const (
	NoFace       Face = iota // no update yet
	FaceUpdate               // object 5
	FaceManifest             // object 10252
)

// Object returns the ID of the object; 0 for NoFace.
func (f Face) Object() uint16 {
	return [...]uint16{0, firmware.ObjectUpdate, firmware.ObjectManifest}[min(f, FaceManifest)]
}

// String returns the name of the face, for logs and test failures.
func (f Face) String() string {
	return [...]string{"none", "object 5", "object 10252"}[min(f, FaceManifest)]
}

// states of /10252/0/2 by phase. An update that was put off shows that its manifest is still
// looked at.
var states = [phases]firmware.State{
	Idle:       firmware.StateIdle,
	Receiving:  firmware.StateDownloading,
	Processing: firmware.StateReset,

	AskingDownload: firmware.StateAwaitingDownload,
	Announcing:     firmware.StateDownloading,
	Downloading:    firmware.StateDownloading,
	Verifying:      firmware.StateDownloading,
	Downloaded:     firmware.StateDownloaded,
	AskingInstall:  firmware.StateAwaitingInstall,
	Installing:     firmware.StateUpdating,
	Rebooting:      firmware.StateRebooting,
	Confirming:     firmware.StateRebooting,
	RollingBack:    firmware.StateRebooting,

	DeferredDownload: firmware.StateProcessing,
	DeferredInstall:  firmware.StateProcessing,
}

// State returns the value of /10252/0/2.
func (p Phase) State() firmware.State { return states[min(p, phases-1)] }

// Object5 returns the value of /5/0/3. A download or an installation that was put off is
// neither over nor begun.
func (p Phase) Object5() int64 {
	switch p {
	case DeferredDownload:
		return firmware.Object5Downloading
	case DeferredInstall:
		return firmware.Object5Downloaded
	}
	return p.State().Object5()
}

// putOff is what the gateway was asked when it put the update off.
func (p Phase) putOff() messages.FirmwareQuestion {
	switch p {
	case DeferredDownload:
		return messages.AsksDownload
	case DeferredInstall:
		return messages.AsksInstall
	}
	return messages.AsksNothing
}
