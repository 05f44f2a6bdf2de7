package holdfast

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/actors/update"
	"github.com/holdfast-iot/holdfast/internal/credfile"
	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/internal/imagefile"
	"github.com/holdfast-iot/holdfast/internal/installer"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// downloadServer stands for the servers of images where an account has a URI.
const downloadServer = "coaps://images.invalid"

// firmwareFiles is what the files say that a [Firmware] names.
type firmwareFiles struct {
	signers  []*ecdsa.PublicKey // who may sign a manifest
	download messages.Credentials
	distrust bool // the certificates of download cannot be used: no web server is trusted
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
		files.distrust = len(wrong) > 0 && w.Download.Security == SecurityX509
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

// dirFaults says why a directory is not to be trusted, or why it is none.
func dirFaults(key, dir string) []Fault {
	err := store.Check(dir)
	if err == nil {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return []Fault{{Key: key, Problem: dir + " is no directory", Err: syscall.ENOTDIR}}
		}
		return nil
	}
	problem := err.Error()
	if distrust, ok := errors.AsType[*store.DistrustError](err); ok {
		problem = distrust.Error()
	}
	return []Fault{{Key: key, Problem: problem, Err: err}}
}

// updates are what updates of the firmware are made with.
type updates struct {
	Firmware // the configuration
	files    firmwareFiles
	images   *imagefile.Folder
	faces    *update.Faces
}

// firmware makes the updates; nil where the configuration has none. What cannot be read is
// reported, and the client works without: no manifest is signed well then, and no server of
// images can be reached by coaps.
func (c *Client) firmware(images *imagefile.Folder) *updates {
	w := c.config.Firmware
	if w == nil {
		return nil
	}
	files, faults := w.read(clockNow())
	c.reportFirmware(faults)
	return &updates{Firmware: *w, files: files, images: images, faces: update.NewFaces(w.signs())}
}

// attachImages opens and locks the folder of images.
func (c *Client) attachImages(ctx context.Context) (*imagefile.Folder, error) {
	w := c.config.Firmware
	if w == nil {
		return nil, nil
	}
	options := imagefile.Options{
		Dir: w.Dir, Max: w.MaxSize,
		Exposed: func(e *store.ExposedError) { c.logger.Warn(e.Error(), "firmware.dir", e.Dir) },
	}
	if c.settings.StoreFS != nil {
		options.FS = imagefile.Over(c.settings.StoreFS)
	}
	for _, fault := range dirFaults("firmware.dir", w.Dir) { // it is looked at again when an image comes
		c.logger.Warn("no image can be stored: "+fault.Problem, "firmware.dir", w.Dir)
	}
	return imagefile.Attach(ctx, options)
}

// opened is what a client has locked.
type opened struct {
	store  *store.Store
	images *imagefile.Folder
}

// close unlocks it.
func (o opened) close(logger *slog.Logger) {
	if o.images != nil {
		if err := o.images.Close(); err != nil {
			logger.Error("the folder of firmware images could not be unlocked", "error", err)
		}
	}
	if o.store != nil {
		if err := o.store.Close(); err != nil {
			logger.Error("the state directory could not be unlocked", "error", err)
		}
	}
}

// objects are those that servers can see: the application's, and those of updates. One of the
// application's takes the place of that of updates, where Validate allows it.
func (c *Client) objects() []object.Object {
	if c.updates == nil {
		return c.config.Objects
	}
	all := slices.Clone(c.config.Objects)
	for _, face := range c.updates.faces.Objects() {
		same := func(o object.Object) bool { return o.Definition().ID == face.Definition().ID }
		if !slices.ContainsFunc(c.config.Objects, same) {
			all = append(all, face)
		}
	}
	return all
}

// updateActor is what the actor of updates is made with.
func (c *Client) updateActor(transport network.Transport, silence time.Duration) update.ActorConfig {
	u := c.updates
	config := u.config(silence)
	return update.ActorConfig{
		Config: config, Faces: u.faces, Images: u.images, Installer: u.installer(), Log: c.firmwareLog,
		HTTP: &download.Client{Policy: config.Policy, Resolve: transport.Lookup, Dial: c.dialTCP(), TLS: c.webTrust(), Clock: clockNow},
	}
}

// webTrust is which https servers of images are trusted: none where the certificates that say
// so cannot be used. The system's roots in their place would be trust that nobody asked for.
func (c *Client) webTrust() *tls.Config {
	none := &tls.Config{RootCAs: x509.NewCertPool()}
	files := c.updates.files
	if files.distrust {
		return none // which has been reported
	}
	trust, err := download.NewTLS(files.download, c.config.signers()...)
	if err != nil {
		c.reportFirmware([]Fault{{Key: configDownload, Problem: err.Error(), Err: err}})
		return none
	}
	return trust
}

// config is what the machine of updates is told.
func (u *updates) config(silence time.Duration) update.Config {
	vendor, _ := firmware.VendorID(u.Vendor) // Validate has looked
	class, _ := firmware.ClassID(vendor, u.Class)
	config := update.Config{
		Vendor: vendor, Class: class, Version: u.Version, Ask: u.Authorise == AuthoriseAsk, GiveUp: u.GiveUp, Defer: u.Defer,
		Policy: download.Policy{Hosts: u.AllowHosts, MaxSize: u.MaxSize}, ImagePath: u.images.Path(), PushSilence: silence,
	}
	if u.signs() {
		config.Manifests = update.Manifests(u.files.signers, vendor, class, u.MaxSize)
	}
	return config
}

// firmwareLog logs what the service is not told as a result.
func (c *Client) firmwareLog(cause firmware.Cause, err error) {
	level := slog.LevelWarn
	if cause.Class() == firmware.ClassInternal {
		level = slog.LevelDebug
	}
	attributes := []any{}
	if err != nil {
		attributes = append(attributes, "error", err)
	}
	c.logger.Log(context.Background(), level, "firmware: "+cause.String(), attributes...)
}

// installer returns what installs an image.
func (w *Firmware) installer() firmware.Installer {
	if len(w.Install) > 0 {
		return installer.New(w.Install)
	}
	return w.Installer
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

// FirmwareStatus is how far an update has come, or how the last one has ended. State and
// Result are numbers as in [FirmwareProgress], of the object that the update was begun by.
type FirmwareStatus struct {
	Object     uint16 `json:"object"`                // 5 or 10252; 0 before the first update
	State      int64  `json:"state"`                 // what is the case; what a server was told may lag behind
	StateName  string `json:"state_name"`            // such as "downloading" or "put off", finer than object 5 has it
	Result     int64  `json:"result"`                // of the last update that has ended
	ResultName string `json:"result_name,omitempty"` // as in docs/update-results.md; empty before one has ended
	Progress   int64  `json:"progress"`              // bytes of the image that are there
	Total      int64  `json:"total,omitempty"`       // bytes of the image; 0 while that is not known
	Version    string `json:"version,omitempty"`     // that is being installed, or was last, where that is known
	Pending    int    `json:"pending"`               // states and results that no server has yet
	Asks       string `json:"asks,omitempty"`        // "download" or "install" while the gateway is asked
	// DeferredUntil is when the gateway is asked again after it has put the update off; zero
	// when it has not.
	DeferredUntil time.Time `json:"deferred_until,omitzero"`
	Detail        string    `json:"detail,omitempty"` // why it has failed, for a person
	// LastError is the newest error of the download under way, and Next the attempt that
	// follows it: set by [Client.Explain] alone.
	LastError *Event    `json:"last_error,omitempty"`
	Next      *NextStep `json:"next,omitempty"`
}

// firmwareStatusOf returns what an application sees of an update; nil without any.
func firmwareStatusOf(s *messages.FirmwareStatus) *FirmwareStatus {
	if s == nil {
		return nil
	}
	state, result := s.Values()
	out := &FirmwareStatus{
		Object: s.Object, State: state, StateName: s.State.String(), Result: result, Progress: s.Progress, Total: s.Total,
		Version: s.Version, Pending: s.Pending, Asks: s.Asks.String(), DeferredUntil: s.Deferred, Detail: s.Detail,
	}
	if s.PutOff != messages.AsksNothing {
		out.StateName = putOff
	}
	none := int64(firmware.Object5Initial)
	if s.Object == firmware.ObjectManifest {
		none = int64(firmware.ResultNone)
	}
	if result != none {
		out.ResultName = FirmwareProgress{Object: s.Object, Result: result}.resultName()
	}
	return out
}

// withTrouble returns the status with what has failed of the download under way.
func (s *FirmwareStatus) withTrouble(transitions []Event, now time.Time) *FirmwareStatus {
	if s == nil {
		return nil
	}
	for i := range slices.Backward(transitions) {
		e := &transitions[i]
		if e.Firmware != nil && !e.FetchesFirmware() {
			break // what is before belongs to another update, or to another step of this one
		}
		if e.Type == EventError && e.Phase == PhaseFirmware {
			s.LastError, s.Next = e, nextStep(e.NextAttempt, e, now)
			break
		}
	}
	return s
}

// String says it in a line, such as "downloading, 512 of 1024 bytes (50 %)".
func (s FirmwareStatus) String() string {
	text := s.StateName
	if s.Progress > 0 || s.Total > 0 {
		text += ", " + bytesText(s.Progress, s.Total)
	}
	if s.Version != "" {
		text += ", version " + s.Version
	}
	if s.Asks != "" {
		text += ", " + questionText(s.Asks)
	}
	if !s.DeferredUntil.IsZero() {
		text += ", put off until " + s.DeferredUntil.Format(time.DateTime)
	}
	if s.ResultName != "" {
		text += fmt.Sprintf(", last result %d %s", s.Result, s.ResultName)
	}
	if s.Pending > 0 {
		text += fmt.Sprintf(", %s not reported yet", counted(uint64(s.Pending), "value"))
	}
	return text
}

// String says it in a line, such as "downloading, 512 of 1024 bytes (50 %)".
func (p FirmwareProgress) String() string {
	text := p.stateName()
	if p.Progress > 0 || p.Total > 0 {
		text += ", " + bytesText(p.Progress, p.Total)
	}
	if p.Asks != "" {
		text += ", " + questionText(p.Asks)
	}
	if ended, failed := p.Ended(); failed {
		text += fmt.Sprintf(", failed: result %d %s", p.Result, p.resultName())
	} else if ended {
		text += fmt.Sprintf(", done: result %d %s", p.Result, p.resultName())
	}
	return text
}

// putOff is the state of an update that the gateway has put off.
const putOff = "put off"

func (p FirmwareProgress) stateName() string {
	deferred := p.State != firmware.Object5Idle && p.Result == firmware.Object5Deferred
	switch {
	case p.Object == firmware.ObjectManifest && p.State == int64(firmware.StateProcessing), p.Object == firmware.ObjectUpdate && deferred:
		return putOff
	case p.Asks == messages.AsksDownload.String():
		return firmware.StateAwaitingDownload.String()
	case p.Object == firmware.ObjectManifest:
		return firmware.State(p.State).String()
	}
	names := [...]string{"idle", "downloading", "downloaded", "updating"} // of /5/0/3
	if p.State >= 0 && int(p.State) < len(names) {
		return names[p.State]
	}
	return fmt.Sprintf("state %d", p.State)
}

func (p FirmwareProgress) resultName() string {
	family := firmware.FamilyObject5
	if p.Object == firmware.ObjectManifest {
		family = firmware.FamilyNewest
	}
	row, _ := firmware.RowOf(family, int(p.Result))
	return row.Name
}

// bytesText says how much of an image is there.
func bytesText(progress, total int64) string {
	if total <= 0 {
		return fmt.Sprintf("%d bytes", progress)
	}
	return fmt.Sprintf("%d of %d bytes (%d %%)", progress, total, progress*100/total)
}

func questionText(asks string) string { return "the gateway is asked whether to " + asks }
