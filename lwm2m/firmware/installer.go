package firmware

import "context"

// Image is a firmware image that was downloaded, as an [Installer] gets it.
type Image struct {
	// Path is the file that has the image. It belongs to the client, which removes it when
	// the update is over: an Installer reads it, and neither changes nor keeps it.
	Path string
	Size int64    // bytes
	Hash [32]byte // SHA-256 of the file
	// Version is that of the manifest; empty for an image that came through object 5.
	Version string
	// Component is what the image is for: "MAIN", unless the manifest says otherwise.
	Component string
	// VendorData is what the manifest has for the gateway's own use; nil for none.
	VendorData []byte
}

// Installed says how far an [Installer] has come.
type Installed uint8

// What Install can have done.
const (
	// InstallDone says that the new version runs: the update is over.
	InstallDone Installed = iota + 1
	// InstallNeedsReboot says that the image is in place and runs after a restart of the
	// machine, which [Installer.Reboot] brings about. After it the client asks
	// [Installer.Confirm] whether the new version runs.
	InstallNeedsReboot
)

// Installer is what a gateway does with an image. The methods are called one at a time, on a
// goroutine of their own, with a context that ends when the client is closed, or when a server
// has cancelled the update: another method is not called before this one has returned. An error
// ends the update, with a result that the server is told: one that wraps a [ResultError] says
// which; any other one of Verify is an integrity failure ([ResultPayloadCorrupted]), of the
// others a failed installation ([ResultInstallationFailed]). A panic is an internal error
// ([ResultInternal]).
//
// A process can end at any moment. The client calls Install again after a restart if it does
// not know how it has ended, and Confirm again until one has returned: both can be repeated.
type Installer interface {
	// Verify says whether the image can be installed on this gateway: of the right
	// format, signed where the gateway wants that. It is called before the image is
	// reported as downloaded, and changes nothing.
	Verify(ctx context.Context, image Image) error
	// Install installs the image.
	Install(ctx context.Context, image Image) (Installed, error)
	// Reboot restarts the machine, or has it restarted soon; it need not return.
	Reboot(ctx context.Context) error
	// Confirm is called after a restart that followed an Install which needs one. It
	// returns nil when the new version runs and is to stay.
	Confirm(ctx context.Context, image Image) error
	// RollBack goes back to the version before, when Confirm has failed.
	RollBack(ctx context.Context, image Image) error
}

// ResultError is an error of an [Installer] that names the result that the server is told: one
// that an update can fail with, else it says no more than other errors.
type ResultError struct {
	Result Result
	Err    error // why; may be nil
}

// Error implements error.
func (e *ResultError) Error() string {
	if e.Err == nil {
		return e.Result.String()
	}
	return e.Result.String() + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *ResultError) Unwrap() error { return e.Err }
