package behaviour

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// ending is one way in which an update ends, or stays, and what is told of it.
type ending struct {
	name   string
	family firmware.Family // FamilyObject5 or FamilyNewest: the face that it is begun by
	number int             // the result
	config func(*holdfast.Config)
	disk   lwm2mtest.DiskFault
	// arrange is done before the client starts; nil for nothing.
	arrange func(*firmwareWorld)
	// begin begins the update; nil writes the URI, or a good manifest.
	begin func(*firmwareWorld)
	// then is done when the update waits for something; nil executes Update with object 5.
	then func(*firmwareWorld, *systemtest.Client)
	// reboots has the machine restarted at the end, and the client with it.
	reboots bool
	states  []int64        // all values of the state that the server is told
	cause   firmware.Cause // what the last event begins with; 0 for an update that has not failed
}

// run runs a client through it. It is called in a bubble.
func (e ending) run(t *testing.T) {
	w := newFirmwareWorld(t)
	defer w.Close()
	w.Server.SetFile("image", image.File(imageSize))
	cfg := w.config()
	if e.family == firmware.FamilyNewest {
		trusting(&cfg)
	}
	if e.config != nil {
		e.config(&cfg)
	}
	w.dir, w.family = cfg.Firmware.Dir, e.family
	if e.arrange != nil {
		e.arrange(w)
	}
	c := w.Start(cfg, e.options()...)
	c.WaitFor(holdfast.Registered)
	state, result := e.paths()
	w.observe(e.paths())
	e.start(w)
	time.Sleep(48 * time.Hour)
	e.goOn(w, c)
	time.Sleep(time.Hour)
	if e.reboots {
		c = e.reboot(w, c, cfg)
	}
	e.check(w, c, state, result)
	c.ExpectClose(nil)
}

// reboot restarts the machine: the server observes again what it has observed.
func (e ending) reboot(w *firmwareWorld, c *systemtest.Client, cfg holdfast.Config) *systemtest.Client {
	w.T.Helper()
	c.ExpectClose(nil)
	next := w.Start(cfg, e.options()...)
	next.WaitFor(holdfast.Registered)
	w.observe(e.paths())
	time.Sleep(time.Hour)
	return next
}

func (e ending) options() []holdfast.Option {
	if e.disk == nil {
		return nil
	}
	return []holdfast.Option{lwm2mtest.WithStoreFaults(e.disk)}
}

func (e ending) paths() (state, result lwm2m.Path) {
	if e.family == firmware.FamilyNewest {
		return firmware.PathManifestState, firmware.PathManifestResult
	}
	return firmware.PathState, firmware.PathResult
}

func (e ending) start(w *firmwareWorld) {
	switch {
	case e.begin != nil:
		e.begin(w)
	case e.family == firmware.FamilyNewest:
		w.write("/10252/0/1", signed(w.T, nil), lwm2m.CodeChanged)
	default:
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
	}
}

func (e ending) goOn(w *firmwareWorld, c *systemtest.Client) {
	switch {
	case e.then != nil:
		e.then(w, c)
	case w.number("/5/0/3") == firmware.Object5Downloaded && e.family == firmware.FamilyObject5:
		w.execute("/5/0/2", lwm2m.CodeChanged)
	}
}

// check compares what the server was told, and what the last event says.
func (e ending) check(w *firmwareWorld, c *systemtest.Client, state, result lwm2m.Path) {
	w.T.Helper()
	w.wantValues(state, e.states...)
	results := w.values(result)
	if last := results[len(results)-1]; last != int64(e.number) {
		w.T.Errorf("the server was told the results %v, want %d at the end", results, e.number)
	}
	c.Story()
	at := slices.IndexFunc(c.Seen, func(e holdfast.Event) bool { return e.Type == holdfast.EventFirmware })
	for i, event := range c.Seen {
		if event.Type == holdfast.EventFirmware {
			at = i
		}
	}
	if at < 0 {
		if e.number != firmware.Object5Initial {
			w.T.Fatal("no event says anything")
		}
		return
	}
	last := c.Seen[at]
	if last.Firmware.Object != state.Object() || last.Firmware.Result != int64(e.number) || last.Firmware.State != e.states[len(e.states)-1] {
		w.T.Errorf("the last event says %+v", *last.Firmware)
	}
	if !e.said(last.Detail) {
		w.T.Errorf("the last event says %q, want %q", last.Detail, e.cause)
	}
}

// said reports whether a detail says the cause, once and first.
func (e ending) said(detail string) bool {
	if e.cause == 0 {
		return detail == ""
	}
	return strings.HasPrefix(detail, e.cause.String()) && strings.Count(detail, e.cause.String()) == 1
}

// number reads a resource that is a number.
func (w *firmwareWorld) number(path string) (n int64) {
	w.T.Helper()
	answer, err := w.Server.Read(context.Background(), systemtest.Endpoint, path, lwm2m.FormatText)
	if err != nil || answer.Code != lwm2m.CodeContent {
		w.T.Fatalf("%s reads %s, %v", path, answer.Code, err)
	}
	if _, err := fmt.Sscan(string(answer.Payload), &n); err != nil {
		w.T.Fatal(err)
	}
	return n
}

// imageFails is a disk on which an operation on the image fails, after so many have not.
func imageFails(operation lwm2mtest.DiskOperation, after int32, errno error) lwm2mtest.DiskFault {
	var done atomic.Int32
	return func(o lwm2mtest.DiskOperation, path string) error {
		if o == operation && filepath.Base(path) == "image" && done.Add(1) > after {
			return errno
		}
		return nil
	}
}

func asking(cfg *holdfast.Config) { cfg.Firmware.Authorise = holdfast.AuthoriseAsk }

// decides answers the gateway's questions, one after the other, as long as there are answers. The
// server executes Update as soon as it can, while there is an answer left.
func decides(decisions ...holdfast.FirmwareDecision) func(*firmwareWorld, *systemtest.Client) {
	return func(w *firmwareWorld, c *systemtest.Client) {
		for i, d := range decisions {
			if err := c.AuthoriseFirmware(context.Background(), d, 0); err != nil {
				w.T.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			last := i == len(decisions)-1
			if !last && w.number("/5/0/3") == firmware.Object5Downloaded && w.family == firmware.FamilyObject5 {
				w.execute("/5/0/2", lwm2m.CodeChanged)
				time.Sleep(time.Second)
			}
		}
	}
}

// outcome says what becomes of a step of the installation.
func outcome(step lwm2mtest.InstallerStep, o lwm2mtest.InstallerOutcome) func(*firmwareWorld) {
	return func(w *firmwareWorld) { w.installer.On(step, o) }
}

// unconfirmed is a new version that does not prove itself.
func unconfirmed(w *firmwareWorld) {
	w.installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{NeedsReboot: true})
	w.installer.On(lwm2mtest.StepConfirm, lwm2mtest.InstallerOutcome{Err: errors.New("no network")})
}

func names(r firmware.Result) lwm2mtest.InstallerOutcome {
	return lwm2mtest.InstallerOutcome{Err: &firmware.ResultError{Result: r, Err: errors.New("as the installer says")}}
}

func writesManifest(edit func(*manifest.Manifest)) func(*firmwareWorld) {
	return func(w *firmwareWorld) { w.write("/10252/0/1", signed(w.T, edit), lwm2m.CodeChanged) }
}

func byHand(schema int, fields map[int][]byte) func(*firmwareWorld) {
	return func(w *firmwareWorld) {
		w.write("/10252/0/1", signedByHand(w.T, schema, fields), lwm2m.CodeChanged)
	}
}

// serves has the server have another file.
func serves(f lwm2mtest.File) func(*firmwareWorld) {
	return func(w *firmwareWorld) { w.Server.SetFile("image", f) }
}

func writesURI(uri string, want lwm2m.Code) func(*firmwareWorld) {
	return func(w *firmwareWorld) { w.write("/5/0/1", text(uri), want) }
}

// endings has every result that this client can report, at least once.
var endings []ending

func TestFirmwareResults(t *testing.T) {
	for _, e := range endings {
		t.Run(fmt.Sprintf("%s %d %s", e.family, e.number, e.name), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, e.run)
		})
	}
}

// A result that is added to the table needs a client that reports it.
func TestFirmwareResultsAreAllProduced(t *testing.T) {
	for _, row := range firmware.Rows() {
		if row.Family != firmware.FamilyObject5 && row.Family != firmware.FamilyNewest {
			continue
		}
		produced := slices.ContainsFunc(endings, func(e ending) bool { return e.family == row.Family && e.number == row.Number })
		if reachable := row.Unreachable == ""; reachable != produced {
			t.Errorf("%s %d %s: reachable %v, and produced by a test %v", row.Family, row.Number, row.Name, reachable, produced)
		}
	}
}

// So does a cause. Two of them are no failure, of which a detail would say why.
func TestFirmwareCausesAreAllProduced(t *testing.T) {
	for _, cause := range firmware.Causes() {
		silent := cause == firmware.CauseInstallDeferred || cause == firmware.CauseReset
		if cause.Class() == firmware.ClassReported && !silent && !slices.ContainsFunc(endings, func(e ending) bool { return e.cause == cause }) {
			t.Errorf("%s is produced by no test", cause)
		}
	}
}

var object5Endings = []ending{
	{name: "nothing", number: 0, begin: func(*firmwareWorld) {}, states: []int64{0}},
	{name: "taken back", number: 0, states: []int64{0, 1, 2, 0},
		then: func(w *firmwareWorld, _ *systemtest.Client) { w.write("/5/0/1", text(""), lwm2m.CodeChanged) }},
	{name: "good after a reboot", number: 1, states: []int64{0, 1, 2, 3, 0}, reboots: true,
		arrange: outcome(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{NeedsReboot: true})},
	{name: "not confirmed after a reboot", number: 8, states: []int64{0, 1, 2, 3, 2}, reboots: true, cause: firmware.CauseNotConfirmed,
		arrange: unconfirmed},
	{name: "good", number: 1, states: []int64{0, 1, 2, 3, 0}},
	{name: "larger than allowed", number: 2, states: []int64{0, 1, 0}, cause: firmware.CauseTooBig,
		config: func(cfg *holdfast.Config) { cfg.Firmware.MaxSize = imageSize - 1 }},
	{name: "larger than allowed, and than announced", number: 2, states: []int64{0, 1, 0}, cause: firmware.CauseTooBig,
		config:  func(cfg *holdfast.Config) { cfg.Firmware.MaxSize = imageSize },
		arrange: serves(lwm2mtest.File{Content: image, Size: imageSize, Size2: imageSize, Endless: true})},
	{name: "the disk fills half way", number: 2, states: []int64{0, 1, 0}, cause: firmware.CauseNoSpace,
		disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.ENOSPC)},
	{name: "the disk cannot be written", number: 2, states: []int64{0, 1, 0}, cause: firmware.CauseWriteFailed,
		disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.EIO)},
	{name: "no memory", number: 3, states: []int64{0, 1, 0}, cause: firmware.CauseOutOfMemory, disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.ENOMEM)},
	{name: "the server falls silent", number: 4, states: []int64{0, 1, 0}, cause: firmware.CauseConnectionLost,
		arrange: func(w *firmwareWorld) {
			w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{From: 50_000, Behaviour: lwm2mtest.Behaviour{Silent: true}})
		}},
	{name: "the server refuses", number: 4, states: []int64{0, 1, 0}, cause: firmware.CauseDownloadRejected,
		arrange: func(w *firmwareWorld) {
			w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Answer: lwm2m.CodeForbidden}})
		}},
	{name: "not intact", number: 5, states: []int64{0, 1, 0}, cause: firmware.CauseVerifyFailed,
		arrange: outcome(lwm2mtest.StepVerify, lwm2mtest.InstallerOutcome{Err: errors.New("bad sum")})},
	{name: "not intact when it is installed", number: 5, states: []int64{0, 1, 2, 3, 0}, cause: firmware.CauseInstallationFailed,
		arrange: outcome(lwm2mtest.StepInstall, names(firmware.ResultPayloadCorrupted))},
	{name: "unsupported form", number: 6, states: []int64{0, 1, 0}, cause: firmware.CauseVerifyFailed,
		arrange: outcome(lwm2mtest.StepVerify, names(firmware.ResultUnsupportedPayload))},
	{name: "no URI", number: 7, states: []int64{0}, cause: firmware.CauseInvalidURI, begin: writesURI("coap:///image", lwm2m.CodeBadRequest)},
	{name: "a long URI", number: 7, states: []int64{0}, cause: firmware.CauseURITooLong,
		begin: writesURI("coap://192.0.2.1/"+strings.Repeat("i", 239), lwm2m.CodeBadRequest)},
	{name: "this machine", number: 7, states: []int64{0}, cause: firmware.CauseForbiddenURI, begin: writesURI("coap://127.0.0.1/image", lwm2m.CodeBadRequest)},
	{name: "no such host", number: 7, states: []int64{0, 1, 0}, cause: firmware.CauseUnknownHost, begin: writesURI("coap://nowhere.test/image", lwm2m.CodeChanged)},
	{name: "no such image", number: 7, states: []int64{0, 1, 0}, cause: firmware.CauseNotFound, begin: writesURI("coap://192.0.2.1/other", lwm2m.CodeChanged)},
	{name: "the installation fails", number: 8, states: []int64{0, 1, 2, 3, 2}, cause: firmware.CauseInstallationFailed,
		arrange: outcome(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{Err: errors.New("broken")})},
	{name: "the download is refused", number: 8, states: []int64{0, 1, 0}, cause: firmware.CauseDownloadRefused,
		config: asking, then: decides(holdfast.FirmwareRefuse)},
	{name: "the installation is refused", number: 8, states: []int64{0, 1, 2}, cause: firmware.CauseInstallRefused,
		config: asking, then: decides(holdfast.FirmwareGrant, holdfast.FirmwareRefuse)},
	{name: "unsupported scheme", number: 9, states: []int64{0}, cause: firmware.CauseUnsupportedScheme, begin: writesURI("ftp://192.0.2.1/image", lwm2m.CodeBadRequest)},
	{name: "cancelled", number: 10, states: []int64{0, 1, 2, 0}, cause: firmware.CauseCancelled,
		then: func(w *firmwareWorld, _ *systemtest.Client) { w.execute("/5/0/10", lwm2m.CodeChanged) }},
	{name: "put off", number: 11, states: []int64{0, 1, 2}, config: asking,
		then: decides(holdfast.FirmwareGrant, holdfast.FirmwareDefer)},
}

// States of /10252/0/2 of an update that comes so far.
var (
	toManifest = []int64{1, -1, 1}
	toQuestion = []int64{1, -1, 3, 1}
	toDownload = []int64{1, -1, 3, 4, 1}
	toApproval = []int64{1, -1, 3, 4, 6, 1}
	toInstall  = []int64{1, -1, 3, 4, 6, 7, 1}
)

var newestEndings = []ending{
	{name: "good", number: 18, states: toInstall},
	{name: "good, and announced too large", number: 18, states: toInstall,
		arrange: serves(lwm2mtest.File{Content: image, Size: imageSize, Size2: 50 * imageSize})},
	{name: "good, and announced too small", number: 18, states: toInstall,
		arrange: serves(lwm2mtest.File{Content: image, Size: imageSize, Size2: 10})},
	{name: "this machine", number: 21, states: toManifest, cause: firmware.CauseForbiddenURI,
		begin: writesManifest(func(m *manifest.Manifest) { m.URI = "http://localhost/image" })},
	{name: "unsupported scheme", number: 21, states: toManifest, cause: firmware.CauseUnsupportedScheme,
		begin: writesManifest(func(m *manifest.Manifest) { m.URI = "file:///etc/passwd" })},
	{name: "no such host", number: 21, states: toDownload, cause: firmware.CauseUnknownHost,
		begin: writesManifest(func(m *manifest.Manifest) { m.URI = "coap://nowhere.test/image" })},
	{name: "no DER", number: 22, states: toManifest, cause: firmware.CauseManifestMalformed,
		begin: func(w *firmwareWorld) { w.write("/10252/0/1", opaque([]byte("hello")), lwm2m.CodeChanged) }},
	{name: "no manifest", number: 22, states: toManifest, cause: firmware.CauseManifestMalformed,
		begin: func(w *firmwareWorld) { w.write("/10252/0/1", opaque(nil), lwm2m.CodeChanged) }},
	{name: "a long URI", number: 21, states: toManifest, cause: firmware.CauseURITooLong,
		begin: byHand(3, map[int][]byte{fieldURI: []byte(imageURI + strings.Repeat("x", 255))})},
	{name: "no key", number: 23, states: toManifest, cause: firmware.CauseNoTrust, config: func(cfg *holdfast.Config) {
		cfg.Firmware.TrustKeys, cfg.Firmware.Trust = nil, filepath.Join(cfg.StateDir, "missing.pem")
	}},
	{name: "good after a reboot", number: 18, states: []int64{1, -1, 3, 4, 6, 7, 8, 1}, reboots: true,
		arrange: outcome(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{NeedsReboot: true})},
	{name: "not confirmed after a reboot", number: 40, states: []int64{1, -1, 3, 4, 6, 7, 8, 1}, reboots: true, cause: firmware.CauseNotConfirmed,
		arrange: unconfirmed},
	{name: "another key", number: 23, states: toManifest, cause: firmware.CauseSignature,
		begin: func(w *firmwareWorld) {
			data, err := manifest.Sign(newManifest(), signingKey(2))
			if err != nil {
				w.T.Fatal(err)
			}
			w.write("/10252/0/1", opaque(data), lwm2m.CodeChanged)
		}},
	{name: "the server falls silent", number: 24, states: toDownload, cause: firmware.CauseConnectionLost,
		arrange: func(w *firmwareWorld) {
			w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{From: 50_000, Behaviour: lwm2mtest.Behaviour{Silent: true}})
		}},
	{name: "a difference", number: 25, states: toManifest, cause: firmware.CauseUnsupportedPayload,
		begin: writesManifest(func(m *manifest.Manifest) {
			m.Format = manifest.FormatDelta
			m.Metadata = &manifest.Metadata{InstalledSize: 1, Precursor: make([]byte, 32)}
		})},
	{name: "another image", number: 26, states: toDownload, cause: firmware.CausePayloadCorrupted, arrange: serves(lwm2mtest.Pattern(2).File(imageSize))},
	{name: "shorter", number: 26, states: toDownload, cause: firmware.CauseTruncated, arrange: serves(image.File(imageSize - 1))},
	{name: "not intact", number: 26, states: toDownload, cause: firmware.CauseVerifyFailed,
		arrange: outcome(lwm2mtest.StepVerify, lwm2mtest.InstallerOutcome{Err: errors.New("bad sum")})},
	{name: "the installed version", number: 27, states: toManifest, cause: firmware.CauseVersionRejected,
		begin: writesManifest(func(m *manifest.Manifest) { m.Version, _ = manifest.ParseVersion("1.0.0") })},
	{name: "another schema", number: 28, states: toManifest, cause: firmware.CauseUnsupportedSchema, begin: byHand(2, nil)},
	{name: "much vendor data", number: 29, states: toManifest, cause: firmware.CauseVendorDataTooBig,
		begin: byHand(3, map[int][]byte{fieldVendorData: make([]byte, manifest.MaxVendorData+1)})},
	{name: "another vendor", number: 30, states: toManifest, cause: firmware.CauseWrongVendor,
		begin: writesManifest(func(m *manifest.Manifest) { m.Vendor[0]++ })},
	{name: "another class", number: 31, states: toManifest, cause: firmware.CauseWrongClass,
		begin: writesManifest(func(m *manifest.Manifest) { m.Class[0]++ })},
	{name: "longer", number: 33, states: toDownload, cause: firmware.CauseLongerThanSaid, arrange: serves(image.File(imageSize + 1))},
	{name: "larger than allowed", number: 33, states: toManifest, cause: firmware.CauseTooBig,
		config: func(cfg *holdfast.Config) { cfg.Firmware.MaxSize = imageSize - 1 }},
	{name: "the disk fills half way", number: 33, states: toDownload, cause: firmware.CauseNoSpace,
		disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.ENOSPC)},
	{name: "no memory", number: 34, states: toDownload, cause: firmware.CauseOutOfMemory, disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.ENOMEM)},
	{name: "the disk cannot be written", number: 35, states: toDownload, cause: firmware.CauseWriteFailed,
		disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.EIO)},
	{name: "altered before it is installed", number: 36, states: toInstall, cause: firmware.CauseReadFailed,
		config: asking, then: func(w *firmwareWorld, c *systemtest.Client) {
			decides(holdfast.FirmwareGrant)(w, c)
			if err := os.WriteFile(filepath.Join(w.dir, "image"), make([]byte, imageSize), 0o600); err != nil {
				w.T.Fatal(err)
			}
			decides(holdfast.FirmwareGrant)(w, c)
		}},
	{name: "the installation is refused", number: 37, states: toApproval, cause: firmware.CauseInstallRefused,
		config: asking, then: decides(holdfast.FirmwareGrant, holdfast.FirmwareRefuse)},
	{name: "the download is refused", number: 38, states: toQuestion, cause: firmware.CauseDownloadRefused,
		config: asking, then: decides(holdfast.FirmwareRefuse)},
	{name: "another component", number: 39, states: toManifest, cause: firmware.CauseWrongComponent,
		begin: writesManifest(func(m *manifest.Manifest) { m.Component = "RADIO" })},
	{name: "the installation fails", number: 40, states: toInstall, cause: firmware.CauseInstallationFailed,
		arrange: outcome(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{Err: errors.New("broken")})},
	{name: "the installer panics", number: 41, states: toInstall, cause: firmware.CauseInternal,
		arrange: outcome(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{Panic: "secret"})},
	{name: "another digest", number: 43, states: toManifest, cause: firmware.CauseDigest, begin: byHand(3, map[int][]byte{fieldDigest: make([]byte, 20)})},
	{name: "no such image", number: 44, states: toDownload, cause: firmware.CauseNotFound,
		begin: writesManifest(func(m *manifest.Manifest) { m.URI = "coap://192.0.2.1/other" })},
}

func init() {
	for i := range object5Endings {
		object5Endings[i].family = firmware.FamilyObject5
	}
	for i := range newestEndings {
		newestEndings[i].family = firmware.FamilyNewest
	}
	endings = slices.Concat(object5Endings, newestEndings)
}
