package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Endpoints of the gateways that are updated, each once.
const (
	updatedName  = "demo-firmware"
	unsignedName = "demo-firmware-signature"
	cutOffName   = "demo-firmware-lost-link"
	killedName   = "demo-firmware-killed"
)

// What the management server has for them to fetch.
const (
	imageName   = "firmware.bin"
	image       = lwm2mtest.Pattern(1)
	imageSize   = 256 << 10
	imageBlocks = imageSize / 1024
)

// What the manifests are made for.
const (
	vendorName = "holdfast.test"
	className  = "demo"
	oldVersion = "1.0.0"
	newVersion = "1.1.0"
)

// Paths that a server writes and executes (LwM2M Core Appendix E.6; object 10252).
const (
	packageURI = "/5/0/1"
	updateNow  = "/5/0/2"
	manifestAt = "/10252/0/1"
)

// Faults that the plays of updates find.
var (
	errWrongImage = errors.New("the image that was installed is not that of the server")
	errFetched    = errors.New("the image was fetched although nobody that is trusted has signed for it")
	errNotResumed = errors.New("the download did not go on where it was interrupted")
)

// ended expects the end of an update, with a result of the object that it was begun by.
func ended(object uint16, result int64) expectation {
	return expectation{fmt.Sprintf("the result %d of object %d", result, object), func(e holdfast.Event) bool {
		over, _ := endOf(e)
		return over && e.Firmware.Object == object && e.Firmware.Result == result
	}}
}

func endOf(e holdfast.Event) (over, failed bool) {
	if e.Firmware == nil {
		return false, false
	}
	return e.Firmware.Ended()
}

// The ends of the updates of the show.
var (
	updatedByManifest = ended(firmware.ObjectManifest, int64(firmware.ResultSuccess))
	refusedManifest   = ended(firmware.ObjectManifest, int64(firmware.ResultSignatureInvalid))
	updatedByURI      = ended(firmware.ObjectUpdate, firmware.Object5Success)
)

// downloaded expects that the image of an update through object 5 is there.
var downloaded = expectation{"a downloaded image", func(e holdfast.Event) bool {
	return e.Firmware != nil && e.Firmware.State == firmware.Object5Downloaded
}}

// partly expects that part of an image is there.
var partly = expectation{"a part of the image", func(e holdfast.Event) bool {
	return e.Firmware != nil && e.Firmware.Progress > 0 && e.Firmware.Progress < imageSize
}}

// signer makes a key to sign manifests with.
func signer() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return key, public, err
}

// castUpdatable returns the cast of a gateway that takes updates, is registered, and whose
// server observes what the object reports.
func castUpdatable(endpoint string, object uint16) func(context.Context, *lab) (*device, error) {
	return func(ctx context.Context, l *lab) (*device, error) {
		l.server.SetFile(imageName, image.File(imageSize))
		l.enrol(endpoint)
		key, public, err := signer()
		if err != nil {
			return nil, err
		}
		l.signer, l.installer = key, lwm2mtest.NewInstaller()
		cfg := l.settings(endpoint, l.dir(endpoint), l.factory)
		cfg.Firmware = &holdfast.Firmware{
			Dir: l.dir(endpoint + ".images"), Installer: l.installer, TrustKeys: [][]byte{public},
			Vendor: vendorName, Class: className, Version: oldVersion,
		}
		d, err := l.startConfigured(ctx, cfg)
		if err != nil {
			return nil, err
		}
		if err := d.settle(ctx); err != nil {
			return nil, err
		}
		return d, l.observeReports(ctx, endpoint, object)
	}
}

// observeReports has the server observe state and result of an object.
func (l *lab) observeReports(ctx context.Context, endpoint string, object uint16) error {
	l.told = l.server.Collect(objects.Registry(), firmware.Reported()...)
	for _, path := range firmware.Reported() {
		if path.Object() != object {
			continue
		}
		_, answer, err := l.server.Observe(ctx, endpoint, path.String(), lwm2m.FormatText)
		if err := answered("observing "+path.String(), answer, lwm2m.CodeContent, err); err != nil {
			return err
		}
	}
	return nil
}

// manifest returns a signed manifest of the image.
func (t *take) manifest() ([]byte, error) {
	version, err := manifest.ParseVersion(newVersion)
	if err != nil {
		return nil, err
	}
	vendor, _ := firmware.VendorID(vendorName) // a name is always one
	class, _ := firmware.ClassID(vendor, className)
	return manifest.Sign(manifest.Manifest{
		Vendor: vendor, Class: class, Component: manifest.DefaultComponent, Version: version,
		Digest: image.SHA256(imageSize), Size: imageSize, URI: t.imageURI(), Format: manifest.FormatRaw,
	}, t.signer)
}

// imageURI is where the management server has the image.
func (l *lab) imageURI() string {
	return fmt.Sprintf("coaps://%s:%d/%s", managementHost, l.address.Port(), imageName)
}

// write lets the server write a resource.
func (l *lab) write(ctx context.Context, endpoint, path string, format lwm2m.Format, value []byte) error {
	answer, err := l.server.Write(ctx, endpoint, path, lwm2mtest.Replace, lwm2mtest.Content{Format: format, Payload: value})
	return answered("writing "+path, answer, lwm2m.CodeChanged, err)
}

// answered is the error of a request, or of an answer that is another than it should be.
func answered(what string, answer lwm2mtest.Response, want lwm2m.Code, err error) error {
	if err == nil && answer.Code != want {
		err = fmt.Errorf("%s was answered %s", what, answer.Code)
	}
	return err
}

// playUpdate sends a signed manifest, which is all that it takes.
func playUpdate(ctx context.Context, t *take) error {
	t.say("the server writes a signed manifest of version %s: %d KiB, to be fetched from it", newVersion, imageSize>>10)
	signed, err := t.manifest()
	if err != nil {
		return err
	}
	if err := t.write(ctx, t.device.endpoint, manifestAt, lwm2m.FormatOpaque, signed); err != nil {
		return err
	}
	if err := t.expect(ctx, updatedByManifest); err != nil {
		return err
	}
	if err := t.installed(); err != nil {
		return err
	}
	if err := t.wasTold(ctx, firmware.PathManifestResult, int64(firmware.ResultSuccess)); err != nil {
		return err
	}
	if err := t.wasTold(ctx, firmware.PathManifestState, int64(firmware.StateIdle)); err != nil {
		return err
	}
	return t.device.close(ctx)
}

// playBadSignature sends a manifest of which one bit was flipped.
func playBadSignature(ctx context.Context, t *take) error {
	t.say("the server writes a manifest; one bit of its signature was flipped on the way")
	signed, err := t.manifest()
	if err != nil {
		return err
	}
	signed[len(signed)-1] ^= 1
	before := t.server.FetchCount(imageName)
	if err := t.write(ctx, t.device.endpoint, manifestAt, lwm2m.FormatOpaque, signed); err != nil {
		return err
	}
	if err := t.expect(ctx, refusedManifest); err != nil {
		return err
	}
	if err := t.wasTold(ctx, firmware.PathManifestResult, int64(firmware.ResultSignatureInvalid)); err != nil {
		return err
	}
	if err := t.wasTold(ctx, firmware.PathManifestState, int64(firmware.StateReset), int64(firmware.StateIdle)); err != nil {
		return err
	}
	if t.server.FetchCount(imageName) > before || len(t.installer.Calls()) > 0 {
		return errFetched
	}
	t.say("not a byte of the image was fetched, and nothing installed")
	return t.device.close(ctx)
}

// fetchHalf has the image fetched through object 5, and returns when the server has been
// asked for the block after the middle, which it does not send, and part of the image is on
// the disk.
func (t *take) fetchHalf(ctx context.Context) error {
	before := t.server.FetchCount(imageName)
	t.server.SpoilFile(imageName, -1, lwm2mtest.FileFault{From: imageSize / 2, Behaviour: lwm2mtest.Behaviour{Silent: true}})
	if err := t.write(ctx, t.device.endpoint, packageURI, lwm2m.FormatText, []byte(t.imageURI())); err != nil {
		return err
	}
	if err := t.server.Await(ctx, func() bool { return t.server.FetchCount(imageName) > before+imageBlocks/2 }); err != nil {
		return err
	}
	return t.expect(ctx, partly)
}

// playLostLink takes the server away in the middle of a download.
func playLostLink(ctx context.Context, t *take) error {
	t.say("the server writes the URI of an image; half way it crashes: its port is closed")
	if err := t.fetchHalf(ctx); err != nil {
		return err
	}
	t.abortManagement()
	back, err := t.gatewayNotices(ctx)
	if err != nil {
		return err
	}
	if err := t.expect(ctx, failure(holdfast.ErrNetwork)); err != nil {
		return err
	}
	t.say("the server is back on its port, without its DTLS sessions")
	t.server.MendFiles()
	if err := t.openManagement(); err != nil {
		return err
	}
	if err := t.finish(ctx); err != nil {
		return err
	}
	if err := t.installed(); err != nil {
		return err
	}
	return errors.Join(t.device.close(ctx), back())
}

// gatewayNotices lets the gateway of the other scenarios find out that the server is away,
// too. What it returns waits until it is registered again.
func (l *lab) gatewayNotices(ctx context.Context) (back func() error, err error) {
	mark := l.gateway.events.last()
	if err := l.gateway.client.RegisterUpdate(ctx); err != nil {
		return nil, err
	}
	e, err := l.gateway.events.await(ctx, mark, failure(holdfast.ErrNetwork))
	return func() error {
		_, err := l.gateway.events.await(ctx, e.Seq, registered)
		return err
	}, err
}

// finish has the image installed when the rest of it is there, and holds what the server
// was told against what object 5 says of an update.
func (t *take) finish(ctx context.Context) error {
	if err := t.expect(ctx, downloaded); err != nil {
		return err
	}
	starts := t.server.FetchStarts(imageName)
	from := starts[len(starts)-1]
	if from == 0 {
		return errNotResumed
	}
	t.say("the download went on at byte %d of %d; the server has the image installed", from, imageSize)
	if err := t.execute(ctx, t.device.endpoint, updateNow); err != nil {
		return err
	}
	if err := t.expect(ctx, updatedByURI); err != nil {
		return err
	}
	if err := t.wasTold(ctx, firmware.PathState, 0, 1, 2, 3, 0); err != nil {
		return err
	}
	return t.wasTold(ctx, firmware.PathResult, 0, 1)
}

// installed checks that what was installed is what the server has.
func (t *take) installed() error {
	calls := t.installer.Calls()
	i := slices.IndexFunc(calls, func(c lwm2mtest.InstallerCall) bool { return c.Step == lwm2mtest.StepInstall })
	if i < 0 || calls[i].Digest != image.SHA256(imageSize) {
		return errWrongImage
	}
	return nil
}

// wasTold waits until the server was told of these values of a resource, in that order and
// of no other after the first of them.
func (t *take) wasTold(ctx context.Context, path lwm2m.Path, want ...int64) error {
	told := func() []int64 { return valuesOf(t.told, t.device.endpoint, path) }
	matches := func() bool {
		got := told()
		return len(got) >= len(want) && slices.Equal(got[len(got)-len(want):], want)
	}
	if err := t.server.Await(ctx, matches); err != nil {
		return fmt.Errorf("of %s the server was told %v, not %v: %w", path, told(), want, err)
	}
	t.say("the server was told of %s: %v", path, told())
	return nil
}

// valuesOf lists what a server was told of a resource; a value that is told twice in a row,
// as a new observation is, counts once.
func valuesOf(c *lwm2mtest.Collection, endpoint string, path lwm2m.Path) (values []int64) {
	for _, v := range c.Of(endpoint, path) {
		values = append(values, v.Int())
	}
	return slices.Compact(values)
}

// toldBy lists what the server was told of the update of an endpoint, by path.
func (l *lab) toldBy(endpoint string) map[string][]int64 {
	all := map[string][]int64{}
	if l.told == nil {
		return all
	}
	for _, path := range firmware.Reported() {
		if values := valuesOf(l.told, endpoint, path); len(values) > 0 {
			all[path.String()] = values
		}
	}
	return all
}
