package holdfast

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/holdfast-iot/holdfast/internal/credfile"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// downloadServer stands for the servers of images where an account has a URI.
const downloadServer = "coaps://images.invalid"

// firmwareFiles is what the files say that a [Firmware] names.
type firmwareFiles struct {
	signers  []*ecdsa.PublicKey // who may sign a manifest
	download messages.Credentials
}

// read reads the files of a Firmware with its defaults. Beside faults stands what can be
// used.
func (w *Firmware) read(now validity.Clock) (files firmwareFiles, faults []Fault) {
	if w.signs() {
		keys, wrong := credfile.Signers(w.Trust, w.TrustKeys)
		files.signers = keys
		faults = faultsOfSection(configFirmware, wrong)
	}
	if w.Download != nil {
		credentials, wrong := w.Download.read(now)
		files.download = credentials
		faults = append(faults, wrong...)
	}
	return files, faults
}

// read reads the credentials. They are of use only without faults.
func (d *FirmwareDownload) read(now validity.Clock) (messages.Credentials, []Fault) {
	a := d.account()
	a.URI = downloadServer
	if d.anonymous() {
		anchors, wrong := credfile.Anchors(a.source(), now)
		return messages.Credentials{
			Mode: messages.SecurityX509, Usage: messages.UsageTrustAnchor, ServerCertificates: anchors, ServerName: d.ServerName,
		}, faultsOfSection(configDownload, wrong)
	}
	usable, faults := Config{}.factoryAccount(configDownload, a, now)
	if len(faults) > 0 {
		return messages.Credentials{}, faults
	}
	credentials := usable[0].Credentials
	credentials.ServerName = d.ServerName
	return credentials, nil
}

// firmwareFaults says what is wrong with what the section of updates names.
func (c Config) firmwareFaults(now validity.Clock) []Fault {
	w := c.withDefaults().Firmware
	if w == nil {
		return nil
	}
	_, faults := w.read(now)
	faults = append(faults, dirFaults("firmware.dir", w.Dir)...)
	if len(w.Install) > 0 {
		if _, err := exec.LookPath(w.Install[0]); err != nil {
			faults = append(faults, Fault{Key: "firmware.install", Problem: fmt.Sprintf("%q cannot be run: %v", w.Install[0], cause(err)), Err: err})
		}
	}
	return faults
}

// cause leaves the name of the program out, which the fault has.
func cause(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	return err
}

// dirFaults says why a directory is not to be trusted.
func dirFaults(key, dir string) []Fault {
	err := store.Check(dir)
	if err == nil {
		return nil
	}
	problem := err.Error()
	if distrust, ok := errors.AsType[*store.DistrustError](err); ok {
		problem = distrust.Error()
	}
	return []Fault{{Key: key, Problem: problem, Err: err}}
}

// updates is what updates of the firmware are made with: the configuration, and what its
// files say.
type updates struct {
	Dir       string
	Installer firmware.Installer // nil where there is a Command
	Command   []string
	Ask       bool          // the gateway, before a download and before an installation
	Defer     time.Duration // a deferral that names no period
	Hosts     []string      // that an image may come from although they are local
	Signers   []*ecdsa.PublicKey
	Manifests bool // 10252, 10255 and 14 are served
	Vendor    [16]byte
	Class     [16]byte
	Version   string
	MaxSize   int64
	GiveUp    time.Duration
	Download  messages.Credentials // SecurityPSK without a key where there are none
}

// firmware reads what the configuration names for updates; nil without any. What cannot be
// read is reported, and the client works without: no manifest is signed well then, and no
// server of images can be reached by coaps.
func (c *Client) firmware() *updates {
	w := c.config.Firmware
	if w == nil {
		return nil
	}
	files, faults := w.read(clockNow())
	c.reportFirmware(faults)
	vendor, _ := firmware.VendorID(w.Vendor) // Validate has looked
	class, _ := firmware.ClassID(vendor, w.Class)
	return &updates{
		Dir: w.Dir, Installer: w.Installer, Command: w.Install,
		Ask: w.Authorise == AuthoriseAsk, Defer: w.Defer, Hosts: w.AllowHosts,
		Signers: files.signers, Manifests: w.signs(), Vendor: vendor, Class: class,
		Version: w.Version, MaxSize: w.MaxSize, GiveUp: w.GiveUp, Download: files.download,
	}
}

// reportFirmware makes an event of what is wrong with the files.
func (c *Client) reportFirmware(faults []Fault) {
	if len(faults) == 0 {
		return
	}
	err := &CredentialsError{Faults: faults}
	c.hub.emit(messageOf(Event{
		Type: EventError, Code: err.Code(), Name: err.Code().String(), Phase: PhaseFirmware, Attempt: 1,
		Action: ActionUser, Detail: err.Error(), Remedy: firmwareRemedy, cause: errors.Join(err.Unwrap()...),
	}))
}

const firmwareRemedy = "Correct what holdfast config check names, and restart the client: updates that need it are refused until then."
