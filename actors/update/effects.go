package update

import (
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Show makes a view the one that servers see.
type Show struct {
	core.Marker
	View View
}

// Log has something written down that the service is not told as a result.
type Log struct {
	core.Marker
	Cause firmware.Cause
	Err   error
}

// AnswerRequest answers what a server has asked of an object.
type AnswerRequest struct {
	core.Marker
	To  chan<- error // has room for the one answer
	Err error        // an [object.Error], or nil
}

// The jobs at the image are done in order, one at a time. Each carries a number that is
// greater than those before; an answer to an older job than the latest that begins anew is of
// no interest.

// ImagePrepare finds out what there is of an image: all bytes that were stored of the one with
// that ID, or nothing. With Fresh what there is goes. The answer is an [ImageReady].
type ImagePrepare struct {
	core.Marker
	Job   uint64
	ID    string
	Size  int64 // 0 where it is not known; else there has to be room for it
	Limit int64 // of the size; 0 for that of the configuration
	Fresh bool
}

// ImageReady answers an [ImagePrepare].
type ImageReady struct {
	Job      uint64
	Length   int64  // bytes that are there
	ETag     []byte // that they have at their server; nil for none
	Size     int64  // of the image, as the server has said it; 0 where it has not
	Complete bool   // all of it was there, and has been checked
	Err      error
}

// ImageAppend stores a part. The answer is an [ImageWritten].
type ImageAppend struct {
	core.Marker
	Job    uint64
	Offset int64
	Data   []byte // until it is answered; then the memory is used again
	// Describe says what the server says of the image, with the first part.
	Describe *Description
}

// Description is what a server says of an image.
type Description struct {
	ETag []byte
	Size int64 // 0 where it says nothing
}

// ImageWritten answers an [ImageAppend].
type ImageWritten struct {
	Job    uint64
	Length int64 // bytes that are there
	Err    error
}

// ImageFinish ends an image: all of it is there. The answer is an [ImageDone].
type ImageFinish struct {
	core.Marker
	Job uint64
}

// ImageDone answers an [ImageFinish].
type ImageDone struct {
	Job  uint64
	Path string
	Size int64
	Hash [32]byte
	Err  error
}

// ImageDiscard removes what there is of an image. The answer is [ImageDiscarded].
type ImageDiscard struct{ core.Marker }

// ImageDiscarded answers an [ImageDiscard], also where something is left.
type ImageDiscarded struct{}

// HTTPFetch begins to fetch an image by HTTP. The answers are [HTTPPart], one for this and one
// for each [HTTPMore], until one is the last; or an [HTTPFailed].
type HTTPFetch struct {
	core.Marker
	ID       uint64
	Location download.Location
	From     int64
	ETag     []byte
	Size     int64 // of the image, where it is known; else 0
}

// HTTPMore asks for the next part.
type HTTPMore struct {
	core.Marker
	ID uint64
}

// HTTPStop gives a fetch up.
type HTTPStop struct {
	core.Marker
	ID uint64
}

// HTTPPart is a part of an image.
type HTTPPart struct {
	ID     uint64
	Offset int64
	Data   []byte
	ETag   []byte
	Size   int64 // of the whole image; 0 where the server does not say it
	Last   bool
}

// HTTPFailed ends a fetch.
type HTTPFailed struct {
	ID  uint64
	Err error
}

// Method is what an Installer is asked.
type Method uint8

// The methods.
const (
	CallVerify Method = iota + 1
	CallInstall
	CallReboot
	CallConfirm
	CallRollBack
)

// String returns the method's name, for logs and test failures.
func (m Method) String() string {
	names := [...]string{"none", "verify", "install", "reboot", "confirm", "roll back"}
	return names[min(int(m), len(names)-1)]
}

// Call calls the Installer. The answer is a [Called].
type Call struct {
	core.Marker
	ID     uint64
	Method Method
	Image  firmware.Image
}

// EndCall ends a [Call] that nobody waits for any more.
type EndCall struct {
	core.Marker
	ID uint64
}

// Called answers a [Call].
type Called struct {
	ID     uint64
	Method Method
	Done   firmware.Installed // of CallInstall
	Err    error
	// Panicked says that the Installer has not returned: Err says how.
	Panicked bool
}
